"""`fleetstream verify`: proves that a target holds what runs must have written."""

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.options import add_target_options, target_of
from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stopped_by_signals, unusable

if TYPE_CHECKING:
    from fleetstream.recovery.manifest import Manifest
    from fleetstream.sinks.targets import TargetOptions

DESCRIPTION = """\
Compare what a table holds with what runs must have written, every value of it: what is missing,
extra, different or there twice. Each run has left a manifest that says what it wrote, and where. A
table that several runs have written to needs all their manifests.

Examples:
  fleetstream verify fleetstream-1795489292.json
  fleetstream verify monday.json tuesday.json --to duckdb:copy.duckdb

Exit code 0: it matches. 1: it does not. 3: it can't be read.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.set_defaults(default_of=parser.get_default)
    parser.add_argument(
        "manifests", metavar="MANIFEST", type=Path, nargs="+", help="the manifest of a run"
    )
    add_target_options(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from fleetstream.display.verification import Verification, show_findings
    from fleetstream.pipeline import Stop
    from fleetstream.recovery.manifest import read_manifest
    from fleetstream.sinks import TargetUnusable
    from fleetstream.verify import Expectation, verify
    from fleetstream.verify.readers import open_reader

    manifests = [read_manifest(path) for path in options.manifests]
    target = _target(options, manifests)
    stop = Stop()
    try:
        reader = open_reader(target, manifests[0].record_model)
        reader.open()
        total = Expectation(manifests, reader.slice_values, reader.times_after).total
        with closing(reader), stopped_by_signals(stop), Verification(total) as verification:
            findings = verify(manifests, reader, stop, verification.advance)
    except TargetUnusable as error:
        return unusable(error)
    show_findings(findings, manifests, reader.name, verification.seconds)
    return DELIVERED if findings.matches else UNDELIVERED


def _target(options: argparse.Namespace, manifests: "list[Manifest]") -> "TargetOptions":
    """The table to read: as the options say, or as the manifests do.

    Raises :class:`ValueError` with a sentence where they do not go together.
    """
    from fleetstream.sinks.targets import TargetOptions

    models = {manifest.record_model for manifest in manifests}
    if len(models) > 1:
        raise ValueError(
            "These runs have different record models, so they can't have written to one table; "
            "verify them one by one."
        )
    model = options.record_model
    if model != options.default_of("record_model") and model not in models:
        raise ValueError(
            f"The record model of the run is {models.pop()}, as its manifest says; leave out "
            "--record-model."
        )
    given = target_of(options)
    if given != TargetOptions():
        return given
    targets = {manifest.target_options() for manifest in manifests}
    if len(targets) > 1:
        raise ValueError(
            "These runs have written to different targets; name the one to verify with --to, or "
            "verify them one by one."
        )
    return targets.pop()
