"""Fuzzes what manifests may hold: a manifest, or a sentence."""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fleetstream.run.manifest"]):
    from fleetstream.run.manifest import read_manifest

PATH = Path(tempfile.mkdtemp()) / "run.json"


def one(content: bytes) -> None:
    PATH.write_bytes(content)
    with contextlib.suppress(ValueError):
        read_manifest(PATH)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
