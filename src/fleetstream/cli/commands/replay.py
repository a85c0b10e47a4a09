"""``fleetstream replay``: delivers what earlier runs could not."""

import argparse
from contextlib import closing
from pathlib import Path

from fleetstream.cli.outcome import (
    DELIVERED,
    UNDELIVERED,
    stop_on_signals,
    unusable,
    warn_if_unencrypted,
)
from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_spec
from fleetstream.run.options import Group

SUMMARY = "write what an earlier run could not deliver"

DESCRIPTION = """\
Write what an earlier run could not deliver, and remove the files whose records are all stored.

Examples:
  fleetstream replay fleetstream-undelivered -r us-east-1 -d testDb -t testTable
  fleetstream replay fleetstream-undelivered --to duckdb:fleetstream.duckdb
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.full_help = True
    parser.add_argument(
        "folder", metavar="PATH", type=Path, help="the folder of undelivered records"
    )
    add_run_options(parser, (Group.TARGET, Group.DELIVERY), without=["undelivered"])


def run(options: argparse.Namespace) -> int:
    from fleetstream.report.summary import show_replay_summary
    from fleetstream.run.replay import open_replay
    from fleetstream.targets.sink import TargetUnusable

    spec = run_spec(options)
    try:
        replay = open_replay(spec, options.folder)
    except TargetUnusable as error:
        return unusable(error)
    warn_if_unencrypted(spec.target)
    stop_on_signals(replay.control)
    with closing(replay.sink):
        left = replay.execute()
        show_replay_summary(
            replay.sink, replay.ledger, replay.control.reason, replay.unreadable, left
        )
    return UNDELIVERED if left else DELIVERED
