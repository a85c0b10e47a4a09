"""`fleetstream ingest`: the continuous generator."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fleetstream.cli.options import (
    add_fleet_options,
    add_target_options,
    add_value_options,
    at_least,
    target_of,
    workload_of,
)
from fleetstream.workload import Workload

if TYPE_CHECKING:
    from fleetstream.pipeline import Stop

DELIVERED, UNDELIVERED, UNUSABLE = 0, 1, 3
"""Exit codes: all stored; something was not; the target can't be used and nothing was written."""

DESCRIPTION = """\
Stream a simulated fleet's telemetry, sweep after sweep, at most one a second, until Ctrl-C.

Examples:
  fleetstream ingest
  fleetstream ingest --autostop 3 --include-region eu-central-1
  fleetstream ingest -r us-east-1 -d testDb -t testTable -c 30
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    add_target_options(parser)
    add_fleet_options(parser)
    add_value_options(parser)
    pace = parser.add_argument_group("its pace")
    pace.add_argument(
        "-c",
        "--concurrency",
        metavar="N",
        type=at_least(1),
        default=10,
        help="requests in flight at once (default: 10)",
    )
    pace.add_argument(
        "--autostop",
        metavar="N",
        type=at_least(0),
        default=0,
        help="stop after N measurements of every series (default: 0, never)",
    )
    preview = parser.add_argument_group("a look beforehand")
    preview.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be written, and write nothing",
    )
    preview.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="how --dry-run shows it (default: text)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    workload = workload_of(options)
    if options.dry_run:
        from fleetstream.display.preview import preview_json, show_preview

        if options.format == "json":
            print(preview_json(workload, options.record_model))
        else:
            show_preview(workload, options.record_model)
        return DELIVERED
    return _stream(options, workload)


def _stream(options: argparse.Namespace, workload: Workload) -> int:
    from fleetstream.clock import LiveClock
    from fleetstream.display.progress import Progress
    from fleetstream.display.summary import show_summary
    from fleetstream.ledger import Ledger
    from fleetstream.pipeline import Pipeline, Stop
    from fleetstream.sinks import TargetUnusable
    from fleetstream.sinks.targets import open_sink

    try:
        sink = open_sink(target_of(options), options.record_model)
        sink.open()
    except TargetUnusable as error:
        print(f"Error: {error}", file=sys.stderr)
        return UNUSABLE
    stop, ledger = Stop(), Ledger()
    with closing(sink):
        pipeline = Pipeline(
            workload,
            LiveClock(stop.gently.wait),
            sink,
            ledger,
            stop,
            concurrency=options.concurrency,
            sweeps=options.autostop,
        )
        with _stopped_by_signals(stop), Progress(workload, sink, ledger):
            pipeline.run()
    show_summary(workload, sink, ledger, stop.reason)
    return DELIVERED if ledger.totals().delivered else UNDELIVERED


@contextmanager
def _stopped_by_signals(stop: "Stop") -> Iterator[None]:
    """SIGINT and SIGTERM stop the run: gently at first, at once when they come again."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.ask()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
