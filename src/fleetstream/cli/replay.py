"""`fleetstream replay`: delivers what an earlier run could not."""

import argparse
from contextlib import closing
from pathlib import Path

from fleetstream.cli.options import add_delivery_options, add_target_options, target_of
from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stopped_by_signals, unusable, warn_of

DESCRIPTION = """\
Write what an earlier run could not deliver, and remove the files whose records are all stored.

Examples:
  fleetstream replay fleetstream-undelivered -r us-east-1 -d testDb -t testTable
  fleetstream replay fleetstream-undelivered --to duckdb:fleetstream.duckdb
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "folder", metavar="PATH", type=Path, help="the folder of undelivered records"
    )
    add_target_options(parser)
    add_delivery_options(parser, undelivered=False)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from fleetstream.report.summary import show_replay_summary
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.pipeline import Stop
    from fleetstream.run.undelivered import undelivered_files
    from fleetstream.run.replay import replay
    from fleetstream.targets.sink import TargetUnusable
    from fleetstream.targets.registry import open_sink

    if not options.folder.is_dir():
        raise ValueError(
            f"There is no folder {str(options.folder)!r}; the summary of a run names "
            "the one that it left."
        )
    if not undelivered_files(options.folder):
        raise ValueError(f"There are no undelivered records in {str(options.folder)!r}.")
    try:
        sink = open_sink(target_of(options), options.record_model)
        warn_of(target_of(options))
        sink.open()
    except TargetUnusable as error:
        return unusable(error)
    stop, ledger = Stop(), Ledger()
    with closing(sink), stopped_by_signals(stop):
        unreadable = replay(
            options.folder,
            sink,
            ledger,
            stop,
            concurrency=options.concurrency,
            give_up_after=options.give_up_after,
        )
    left = len(undelivered_files(options.folder))
    show_replay_summary(sink, ledger, stop.reason, unreadable, left)
    return UNDELIVERED if left else DELIVERED
