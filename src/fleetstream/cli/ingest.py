"""`fleetstream ingest`: the continuous generator."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.disorder import add_disorder_options, disorder_of
from fleetstream.cli.display import add_display_options, check_writable, show_end, shown
from fleetstream.cli.options import (
    add_cluster_options,
    add_delivery_options,
    add_fleet_options,
    add_processes_option,
    add_target_options,
    add_value_options,
    at_least,
    target_of,
    workload_of,
)
from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stopped_by_signals, unusable, warn_of
from fleetstream.cli.pace import add_pace_options, check_window, clock_of, pace_of, sweeps_left
from fleetstream.cli.repeat import repeating, verifying

if TYPE_CHECKING:
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.pipeline import Stop
    from fleetstream.run.manifest import Manifest
    from fleetstream.run.undelivered import Losses
    from fleetstream.targets.sink import Sink
    from fleetstream.run.workers import Crew
    from fleetstream.workload import Workload

DESCRIPTION = """\
Stream a simulated fleet's telemetry, sweep after sweep, at most one a second, until Ctrl-C.

Examples:
  fleetstream ingest
  fleetstream ingest --autostop 3 --include-region eu-central-1
  fleetstream ingest -r us-east-1 -d testDb -t testTable -c 30
  fleetstream ingest --start -24h --interval 10s --follow
  fleetstream ingest --resume fleetstream-1795489292.json
"""

FIXED = (
    *("seed", "host_scale", "include_region", "include_ms", "shard", "missing_cpu", "autostop"),
    *("sin_signal_cpu", "sin_frq_cpu", "saw_signal_cpu", "saw_frq_cpu", "record_model"),
    *("start", "end", "interval", "follow", "max_lag", "late", "out_of_order", "duplicate"),
    *("to", "database_name", "table_name", "region", "endpoint_url", "profile", "manifest"),
)
"""Options that a manifest answers."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.set_defaults(default_of=parser.get_default)
    add_target_options(parser)
    add_fleet_options(parser)
    add_value_options(parser)
    pace = parser.add_argument_group("its pace")
    pace.add_argument(
        "--autostop",
        metavar="N",
        type=at_least(0),
        default=0,
        help="stop after N measurements of every series (default: 0, never)",
    )
    add_processes_option(pace)
    add_cluster_options(pace)
    add_pace_options(pace)
    add_disorder_options(parser)
    add_delivery_options(parser)
    add_display_options(parser)
    recovery = parser.add_argument_group("its manifest")
    recovery.add_argument(
        "--manifest",
        metavar="PATH",
        type=Path,
        default=None,
        help="the file that names what the run writes (default: fleetstream-SEED.json here)",
    )
    recovery.add_argument(
        "--resume",
        metavar="PATH",
        type=Path,
        default=None,
        help="go on with the run of this manifest: finish the sweep that was cut, then continue",
    )
    preview = parser.add_argument_group("a look beforehand")
    preview.add_argument(
        "--dry-run", action="store_true", help="show what would be written, and write nothing"
    )
    preview.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="how --dry-run shows it (default: text)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    if options.dry_run:
        from fleetstream.report.preview import preview_json, show_preview

        workload = _workload(options)
        # What can't be run can't be previewed either.
        pace_of(options)
        disorder_of(options)
        if options.format == "json":
            print(preview_json(workload, options.record_model))
        else:
            show_preview(workload, options.record_model)
        return DELIVERED
    return _ingest(options)


def _ingest(options: argparse.Namespace) -> int:
    from fleetstream.report.run import Run
    from fleetstream.report.summary import summarise
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.pipeline import Stop
    from fleetstream.targets.sink import TargetUnusable
    from fleetstream.targets.registry import open_sink

    check_writable("--summary", options.summary)
    check_writable("--report", options.report)
    manifest, path = _manifest(options)
    workload = manifest.workload()
    try:
        sink = open_sink(manifest.target_options(), manifest.record_model)
        crew, count = _crew(options, sink)
        warn_of(manifest.target_options())
        sink.open()
        check_window(manifest.pace, manifest.last, sink)
        if crew:
            crew.open(count)
    except TargetUnusable as error:
        return unusable(error)
    command = repeating(options.given, manifest, resumed=options.resume is not None)
    run = Run(
        workload,
        sink,
        manifest.record_model,
        sweeps_left(manifest),
        command,
        verifying(path),
        options.write_price,
    )
    stop, ledger = Stop(), Ledger()
    with closing(sink), stopped_by_signals(stop), shown(options, run, ledger, stop) as history:
        work = (crew, count, manifest, path, workload, sink, ledger, stop)
        losses, failure = _stream(options, *work)
    if failure:
        print(f"The manifest could not be kept: {failure}", file=sys.stderr)
    show_end(options, run, history, summarise(run, ledger, stop.reason, losses))
    # A run that failed before it generated anything has delivered all of it, which was nothing.
    return DELIVERED if ledger.totals().delivered and not stop.reason else UNDELIVERED


def _crew(options: argparse.Namespace, sink: "Sink") -> "tuple[Crew | None, int]":
    """Who shares the work, None for this process alone, and how many they are.

    Raises :class:`ValueError` with a sentence where options do not go together.
    """
    from fleetstream.run.workers import ProcessCrew, processes_for

    if options.ray is None:
        if options.workers is not None:
            raise ValueError("--workers is for a Ray cluster; name one with --ray.")
        count = processes_for(options.processes, sink)
        return (ProcessCrew() if count > 1 else None), count
    if options.workers is None:
        raise ValueError("--ray needs --workers, the number of workers on the cluster.")
    if options.processes != options.default_of("processes"):
        raise ValueError("--processes and --ray both share the work; leave one of them out.")
    if sink.exclusive:
        raise ValueError(
            f"{sink.name} can be written by one process only, so --ray can't be used with it."
        )
    try:
        from fleetstream.run.workers.ray_crew import RayCrew
    except ModuleNotFoundError as error:
        raise ValueError(
            "--ray needs a library more; install it with: pip install 'fleetstream[ray]'"
        ) from error
    return RayCrew(options.ray), options.workers


def _manifest(options: argparse.Namespace) -> "tuple[Manifest, Path | None]":
    """What is to be done, and where that is noted: as the options say, or as a run left it."""
    from fleetstream.run.manifest import describe, read_manifest

    if options.resume:
        for name in FIXED:
            if getattr(options, name) != options.default_of(name):
                raise ValueError(
                    f"--{name.replace('_', '-')} can't be given with --resume, since the manifest "
                    "says it; leave it out."
                )
        return read_manifest(options.resume), options.resume
    workload = _workload(options)
    manifest = describe(
        workload,
        target_of(options),
        options.record_model,
        options.autostop,
        pace_of(options),
        disorder_of(options),
    )
    if options.manifest is None and manifest.target_options().url == "null:":
        return manifest, None
    shard = workload.fleet.shard
    part = f"-{shard.number}of{shard.count}" if shard else ""
    path = options.manifest or _unused(Path(f"fleetstream-{workload.seed}{part}.json"))
    return manifest, path


def _workload(options: argparse.Namespace) -> "Workload":
    """What the options describe; raises :class:`ValueError` where they name a part of no fleet."""
    if options.shard and options.seed is None:
        raise ValueError(
            "--shard needs --seed: the parts make one fleet only if all have the same seed."
        )
    return workload_of(options)


def _unused(path: Path) -> Path:
    """``path``, or if there is such a file already, the first with a number that there is not."""
    number, candidate = 2, path
    while candidate.exists():
        candidate = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return candidate


def _stream(
    options: argparse.Namespace,
    crew: "Crew | None",
    count: int,
    manifest: "Manifest",
    path: Path | None,
    workload: "Workload",
    sink: "Sink",
    ledger: "Ledger",
    stop: "Stop",
) -> "tuple[Losses, str | None]":
    """Run until the end; gives what was not stored, and why the manifest was not if so."""
    from fleetstream.run.clock import ResumedClock
    from fleetstream.generate.disorder import Disordered
    from fleetstream.run.pipeline import Pipeline, Sweeps
    from fleetstream.run.rate import limited
    from fleetstream.run.journal import Journal, Recorder
    from fleetstream.run.undelivered import Losses, UndeliveredStore
    from fleetstream.run.workers import Assignment, Workers

    workers = Workers(crew, count, ledger, stop) if crew else None
    wait = workers.wait if workers else stop.gently.wait
    onward, timed_from = clock_of(manifest.pace, manifest.last, wait, ledger)
    clock = ResumedClock(manifest.unsettled, onward)
    sweeps = manifest.autostop and max(manifest.autostop - manifest.sweeps, 0)
    if manifest.autostop and not sweeps:
        return Losses(), None

    if workers:
        assignment = Assignment(
            manifest,
            count,
            options.concurrency,
            options.give_up_after,
            options.undelivered.absolute(),
            options.rate,
            timed_from,
        )
        journal = Journal(manifest, path, ledger, lambda: workers.standings)
        workers.run(assignment, clock, journal.begin, sweeps=sweeps)
        losses = sum(workers.losses, start=Losses())
    else:
        recorder = Recorder(UndeliveredStore(options.undelivered))
        journal = Journal(manifest, path, ledger, lambda: [recorder.standing()])

        def end(timestamp: int) -> None:
            ledger.swept(timestamp)
            recorder.swept(timestamp)

        model, disordered = manifest.record_model, None
        if manifest.disorder is not None:
            disordered = Disordered(workload, manifest.disorder, model, ledger, recorder)
        source = Sweeps(
            workload, clock, sweeps, disordered=disordered, begin=journal.begin, end=end
        )
        Pipeline(
            limited(source, options.rate, stop),
            sink,
            ledger,
            stop,
            concurrency=options.concurrency,
            give_up_after=options.give_up_after,
            watcher=recorder,
            timed_from=timed_from,
            rest=source.rest,
        ).run()
        losses = recorder.store.losses
    journal.close(finished=not stop.gently.is_set())
    return losses, journal.failure
