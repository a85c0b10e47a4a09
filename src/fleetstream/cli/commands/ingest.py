"""``fleetstream ingest``: the continuous generator."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from fleetstream.cli.display_options import (
    add_display_options,
    check_writable,
    help_if,
    show_end,
    shown,
)
from fleetstream.cli.outcome import (
    DELIVERED,
    UNDELIVERED,
    stop_on_signals,
    unusable,
    warn_if_unencrypted,
)
from fleetstream.cli.parser import CommandParser
from fleetstream.cli.repeat import repeat_command, replay_command, resume_command, verify_command
from fleetstream.cli.run_options import add_run_options, run_options, run_spec
from fleetstream.run.options import Group

if TYPE_CHECKING:
    from fleetstream.run.manifest import Manifest
    from fleetstream.run.runner import Run
    from fleetstream.run.spec import RunSpec

SUMMARY = "stream a simulated fleet's telemetry into a database"

DESCRIPTION = """\
Stream a simulated fleet's telemetry until Ctrl-C, by default into the file fleetstream.duckdb.
A sweep measures every series of the fleet once; there is at most one per second.

Examples:
  fleetstream ingest
  fleetstream ingest --autostop 3 --host-scale 2
  fleetstream ingest --model web-shop --to parquet:lake --start 24h --interval 60s
  fleetstream ingest -r us-east-1 -d testDb -t testTable -c 30
  fleetstream ingest --start 24h --interval 10s --follow
  fleetstream ingest --resume fleetstream-1795489292.json
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    add_run_options(parser)
    add_display_options(parser)
    manifest = parser.add_argument_group(str(Group.MANIFEST))
    manifest.add_argument(
        "--manifest",
        metavar="PATH",
        type=Path,
        default=None,
        help=help_if(
            parser.full_help,
            "the file that describes what the run writes (default: fleetstream-SEED.json in the "
            "current folder)",
        ),
    )
    manifest.add_argument(
        "--resume",
        metavar="PATH",
        type=Path,
        default=None,
        help="continue the run of this manifest: finish interrupted sweeps, then go on",
    )
    manifest.add_argument(
        "--labels",
        metavar="PATH",
        type=Path,
        default=None,
        help=help_if(
            parser.full_help,
            "write the incidents of the sweeps that were made to this file when the run ends, as "
            ".csv, .json or .parquet; those of a history with an end also when it begins",
        ),
    )
    preview = parser.add_argument_group(str(Group.PREVIEW))
    preview.add_argument(
        "--dry-run", action="store_true", help="show what would be written, and write nothing"
    )
    preview.add_argument(
        "--format",
        choices=("text", "json"),
        help=help_if(parser.full_help, "the form of --dry-run (default: text)"),
    )


def run(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _preview(options)
    if options.format is not None:
        raise ValueError(
            "--format is the form of --dry-run; add that, or choose the form of a run's lines with "
            "--log-format."
        )
    from fleetstream.targets.sink import TargetUnusable

    check_writable("--summary", options.summary)
    check_writable("--report", options.report)
    check_writable("--manifest", options.manifest)
    _check_labels(options.labels)
    try:
        run = _open(options)
    except TargetUnusable as error:
        return unusable(error)
    with run:
        warn_if_unencrypted(run.spec.target)
        if options.resume is None:
            _warn_of_missed_incidents(run.spec)
        return _carry_out(run, options)


def _preview(options: argparse.Namespace) -> int:
    from fleetstream.report.preview import preview_json, show_preview
    from fleetstream.targets.registry import check_limits

    spec = run_spec(options).resolved()
    generator = spec.generator()
    check_limits(spec.target, spec.record_model, generator)
    _warn_of_missed_incidents(spec)
    if options.format == "json":
        print(preview_json(generator, spec.record_model, spec.target))
    else:
        show_preview(generator, spec.record_model, spec.target)
    return DELIVERED


def _open(options: argparse.Namespace) -> "Run":
    """The run, ready to begin. Raises ValueError and TargetUnusable."""
    from fleetstream.run.runner import new_run, resumed_run

    if options.resume is None:
        return new_run(run_spec(options), options.manifest)
    if options.manifest is not None:
        raise ValueError("--resume keeps its own manifest up to date; leave out --manifest.")
    return resumed_run(options.resume, **run_options(options))


def _carry_out(run: "Run", options: argparse.Namespace) -> int:
    from fleetstream.report.facts import RunFacts
    from fleetstream.report.summary import summarise

    facts = RunFacts(
        generator=run.generator,
        parameters=run.spec.set,
        include=run.spec.include,
        exclude=run.spec.exclude,
        sink=run.sink,
        record_model=run.spec.record_model,
        sweeps=run.sweeps,
        command=repeat_command(_to_repeat(run.spec, options)),
        resume=resume_command(run.manifest_path),
        replay=replay_command(run.spec),
        verification=verify_command(run),
        write_price=options.write_price,
        has_latency=not run.spec.target.discarded,
    )
    if run.sweeps == 0:
        print(
            f"The run of {run.manifest_path} had finished; nothing is left to do.", file=sys.stderr
        )
    stop_on_signals(run.control)
    if options.labels is not None and run.spec.end is not None:
        _write_labels(options.labels, _plan(run.spec))
    with shown(options, facts, run.ledger, run.control) as history:
        result = run.execute()
    if options.labels is not None:
        _write_labels(options.labels, run.manifest)
    if result.manifest_failure:
        print(f"The manifest could not be kept: {result.manifest_failure}", file=sys.stderr)
        facts = dataclasses.replace(facts, resume=None, verification=None)
    summary = summarise(facts, run.ledger, result.reason, result.kept)
    show_end(options, run.spec, facts, history, summary)
    return DELIVERED if result.delivered else UNDELIVERED


def _to_repeat(spec: "RunSpec", options: argparse.Namespace) -> "RunSpec":
    """What repeats a run: a later live run has its incidents as long after its own beginning."""
    if spec.start is not None or options.resume is not None:
        return spec
    return structs.replace(spec, incident=run_spec(options).incident)


def _warn_of_missed_incidents(spec: "RunSpec") -> None:
    """Print a warning for each incident of a new run whose time lies outside of it."""
    from fleetstream.generate.moments import now
    from fleetstream.run.notation import write_incident

    begin = now() if spec.start is None else spec.start
    for each in spec.incident:
        if each.start + each.duration <= begin:
            where = "is over before the run begins"
        elif spec.end is not None and each.start >= spec.end:
            where = "begins after the run ends"
        else:
            continue
        print(f"Warning: the incident {write_incident(each)!r} {where}.", file=sys.stderr)


def _check_labels(path: Path | None) -> None:
    """Raises ValueError where labels cannot be written at ``path``."""
    check_writable("--labels", path)
    if path is not None:
        from fleetstream.report.labels.incidents import check_suffix

        check_suffix(path)


def _plan(spec: "RunSpec") -> "Manifest":
    """The manifest of a history as it is to be when the run is finished."""
    from fleetstream.run.manifest import Manifest, TimeSeries
    from fleetstream.run.schedule import planned_timestamps

    planned = planned_timestamps(spec)
    return Manifest(spec=spec, swept=[TimeSeries(planned.start, planned.step, len(planned))])


def _write_labels(path: Path, manifest: "Manifest") -> None:
    """Write the labels of a run; where that fails, its data is safe, so it is only reported."""
    from fleetstream.api import labels
    from fleetstream.report.labels.incidents import write_labels

    try:
        write_labels(labels(manifest), path)
    except ValueError as error:
        print(error, file=sys.stderr)
