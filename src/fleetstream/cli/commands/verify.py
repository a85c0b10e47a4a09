"""``fleetstream verify``: proves that a target holds what runs must have written."""

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stop_on_signals, unusable
from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options, run_spec
from fleetstream.run.options import BY_FIELD, Group

if TYPE_CHECKING:
    from fleetstream.run.manifest import Manifest
    from fleetstream.targets.registry import TargetOptions

SUMMARY = "prove that a target holds what runs have written, value by value"

DESCRIPTION = """\
Compare what a table holds with what runs must have written, value by value: what is missing, extra,
different or duplicate. Each run has left a manifest that describes what it wrote, and where. A
table that several runs have written to needs all their manifests. For history, the options of the
run are enough.

Exit code 0: it matches. 1: it does not. 3: it cannot be read.

Examples:
  fleetstream verify fleetstream-1795489292.json
  fleetstream verify monday.json tuesday.json --to duckdb:copy.duckdb
  fleetstream verify --seed 7 --interval 60s --start 2026-11-23 --end 2026-11-24
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    parser.add_argument(
        "manifests", metavar="MANIFEST", type=Path, nargs="*", help="the manifest of a run"
    )
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    from fleetstream.report.verification import VerificationProgress, show_findings
    from fleetstream.run.control import Control
    from fleetstream.run.interruptible import interruptible
    from fleetstream.targets.registry import open_reader
    from fleetstream.targets.sink import TargetUnusable
    from fleetstream.verify import Expectation, verify

    manifests = _manifests(options)
    expectation = Expectation(manifests)
    target = _target(options, manifests)
    control = Control()
    try:
        schemas = expectation.columns.schemas
        reader = interruptible(lambda: open_reader(target, expectation.record_model, schemas))
        interruptible(reader.open)
        stop_on_signals(control)
        with closing(reader), VerificationProgress(expectation.total) as progress:
            findings = verify(expectation, reader, control, progress.advance)
    except TargetUnusable as error:
        return unusable(error)
    sweeps = sum(manifest.sweeps for manifest in manifests)
    show_findings(findings, sweeps, reader.name, progress.seconds)
    return DELIVERED if findings.matches else UNDELIVERED


def _manifests(options: argparse.Namespace) -> "list[Manifest]":
    """What was written: as manifests say, or as the options do."""
    from fleetstream.run.manifest import Manifest, read_manifests
    from fleetstream.run.schedule import planned_timestamps

    given = run_options(options)
    if not options.manifests:
        spec = run_spec(options)
        if spec.seed is None or spec.start is None or spec.interval is None or spec.follow:
            raise ValueError(
                "Name the manifest of a run, or describe the history that was written with --seed, "
                "--interval and --start."
            )
        manifest = Manifest(spec=spec.resolved(), finished=True)
        manifest.settle(planned_timestamps(manifest.spec))
        return [manifest]
    for field in given:
        option = BY_FIELD[field]
        if option.changes_data and option.group is not Group.TARGET:
            raise ValueError(
                f"{option.name} cannot be given with a manifest, since the manifest has it; leave "
                "it out."
            )
    manifests = read_manifests(options.manifests)
    model = given.get("record_model")
    if model is not None and any(each.spec.record_model != model for each in manifests):
        raise ValueError(
            f"The record model of the run is {manifests[0].spec.record_model}, as its manifest "
            "says; leave out --record-model."
        )
    return manifests


def _target(options: argparse.Namespace, manifests: "list[Manifest]") -> "TargetOptions":
    """The table to read: as the options say, or as the manifests do.

    Raises ValueError where the manifests differ and the options do not decide.
    """
    from fleetstream.run.spec import TARGET_FIELDS
    from fleetstream.targets.registry import TargetOptions

    fields = {name: value for name, value in run_options(options).items() if name in TARGET_FIELDS}
    given = TargetOptions(**fields)
    if given.to is not None:
        return given
    targets = {manifest.spec.target for manifest in manifests}
    if len(targets) > 1:
        raise ValueError(
            "These runs have written to different targets; name the one to verify with --to, or "
            "verify them one by one."
        )
    changes = {name: value for name, value in asdict(given).items() if value is not None}
    return replace(targets.pop(), **changes)
