"""`fleetstream verify`: proves that a target holds what runs must have written."""

import argparse
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.options import (
    add_fleet_options,
    add_target_options,
    add_value_options,
    target_of,
    workload_of,
)
from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stopped_by_signals, unusable
from fleetstream.cli.pace import add_stretch_options, pace_of

if TYPE_CHECKING:
    from fleetstream.run.manifest import Manifest
    from fleetstream.targets.registry import TargetOptions

DESCRIPTION = """\
Compare what a table holds with what runs must have written, every value of it: what is missing,
extra, different or there twice. Each run has left a manifest that says what it wrote, and where. A
table that several runs have written to needs all their manifests. For history, the options of the
run do as well.

Examples:
  fleetstream verify fleetstream-1795489292.json
  fleetstream verify monday.json tuesday.json --to duckdb:copy.duckdb
  fleetstream verify --seed 7 --interval 60s --start 2026-11-23 --end 2026-11-24

Exit code 0: it matches. 1: it does not. 3: it can't be read.
"""


DESCRIBING = (
    *("seed", "host_scale", "include_region", "include_ms", "shard", "missing_cpu"),
    *("sin_signal_cpu", "sin_frq_cpu", "saw_signal_cpu", "saw_frq_cpu"),
    *("start", "end", "interval"),
)
"""Options that say what was written, where no manifest does."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.set_defaults(default_of=parser.get_default)
    parser.add_argument(
        "manifests", metavar="MANIFEST", type=Path, nargs="*", help="the manifest of a run"
    )
    add_target_options(parser)
    add_fleet_options(parser)
    add_value_options(parser)
    add_stretch_options(
        parser.add_argument_group("its sweeps, without a manifest"),
        "the time between two sweeps, such as 10s",
        "where history begins",
    )
    parser.set_defaults(follow=False, max_lag=None)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from fleetstream.report.verification import Verification, show_findings
    from fleetstream.run.pipeline import Stop
    from fleetstream.targets.sink import TargetUnusable
    from fleetstream.verify import Expectation, verify
    from fleetstream.verify.readers import open_reader

    manifests = _manifests(options)
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


def _manifests(options: argparse.Namespace) -> "list[Manifest]":
    """What was written: as manifests say, or as the options do."""
    from fleetstream.run.manifest import Run, describe, read_manifest

    if options.manifests:
        for name in DESCRIBING:
            if getattr(options, name) != options.default_of(name):
                raise ValueError(
                    f"--{name.replace('_', '-')} can't be given with a manifest, since the "
                    "manifest says it; leave it out."
                )
        return [read_manifest(path) for path in options.manifests]
    if options.seed is None or options.start is None or options.interval is None:
        raise ValueError(
            "Name the manifest of a run, or say with --seed, --interval and --start what was "
            "written."
        )
    pace = pace_of(options)
    assert pace is not None
    assert pace.start is not None
    assert pace.end is not None
    sweeps = range(pace.start, pace.end, pace.step)
    manifest = describe(workload_of(options), target_of(options), options.record_model, 0, pace)
    manifest.swept = [Run(sweeps.start, sweeps.step, len(sweeps))]
    manifest.finished = True
    return [manifest]


def _target(options: argparse.Namespace, manifests: "list[Manifest]") -> "TargetOptions":
    """The table to read: as the options say, or as the manifests do.

    Raises :class:`ValueError` with a sentence where they do not go together.
    """
    models = {manifest.record_model for manifest in manifests}
    if len(models) > 1:
        raise ValueError(
            "These runs have different record models, so they can't have written to one table; "
            "verify them one by one."
        )
    model = options.record_model
    if options.manifests and model != options.default_of("record_model") and model not in models:
        raise ValueError(
            f"The record model of the run is {models.pop()}, as its manifest says; leave out "
            "--record-model."
        )
    given = target_of(options)
    if given.to is not None:
        return given
    targets = {manifest.target_options() for manifest in manifests}
    if len(targets) > 1:
        raise ValueError(
            "These runs have written to different targets; name the one to verify with --to, or "
            "verify them one by one."
        )
    changes = {name: value for name, value in asdict(given).items() if value is not None}
    return replace(targets.pop(), **changes)
