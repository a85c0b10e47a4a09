"""Programs in Go that tests need, compiled from their modules where no package has them."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.programs import program

COMPILING = 1_500
"""Seconds; two minutes on two idle cores."""


@dataclass(frozen=True)
class GoProgram:
    """A program called ``name``, for people ``title``: a ``package`` of the module in ``sources``.

    ``tags`` are those of its build.
    """

    name: str
    title: str
    sources: Path
    package: str = "."
    tags: Sequence[str] = ()

    def path(self) -> Path:
        """The compiled program, from a cache outside of the repository; compiled if not there."""
        go = program("go", package="golang-go", folders=[Path("/usr/local/go/bin")])
        version = subprocess.run([go, "version"], capture_output=True, check=True).stdout
        content = b"".join(path.read_bytes() for path in sorted(self.sources.iterdir()))
        key = hashlib.sha256(version + content).hexdigest()[:16]
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = caches / "fleetstream-tests"
        folder.mkdir(parents=True, exist_ok=True)
        compiled = folder / f"{self.name}-{key}"
        with (folder / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
            if not compiled.exists():
                self._compile(go, compiled)
        return compiled

    def _compile(self, go: str, compiled: Path) -> None:
        unfinished = compiled.with_suffix(".unfinished")
        options = ["-trimpath", "-ldflags=-s -w", f"-tags={','.join(self.tags)}"]
        command = [go, "build", *options, "-o", str(unfinished), self.package]
        build = subprocess.run(
            command, cwd=self.sources, capture_output=True, text=True, timeout=COMPILING
        )
        if build.returncode:
            message = f"{self.title} cannot be compiled: {build.stderr[-2_000:]}"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        unfinished.rename(compiled)
