"""``fleetstream labels``: which incidents happen where and when."""

import argparse
from pathlib import Path

from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options
from fleetstream.run.options import Group

SUMMARY = "list the incidents of a run or of any stretch of time"

DESCRIPTION = """\
List the incidents that a model has under a seed: what happened where, from when to when, and how
severe it was. No values are generated; a value differs from that of a run with --incidents off only
where a label says so.

Examples:
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05 --out labels.csv
  fleetstream labels fleetstream-7.json
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    parser.add_argument(
        "manifest", metavar="MANIFEST", type=Path, nargs="?", help="the manifest of a run"
    )
    shown = parser.add_argument_group("Labels")
    shown.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the labels into a file: .csv, .json or .parquet (default: print a table)",
    )
    shown.add_argument(
        "--format", choices=("text", "json"), default="text", help="the form (default: text)"
    )
    add_run_options(parser, groups=(Group.FLEET, Group.VALUES, Group.SCHEDULE))


def run(options: argparse.Namespace) -> int:
    from fleetstream.api import labels
    from fleetstream.report.labels import print_json, show_labels, write_labels

    given = run_options(options)
    if options.manifest is None and (given.get("seed") is None or given.get("start") is None):
        raise ValueError(
            "Name the manifest of a run, or describe the time with --model, --seed and --start."
        )
    found = labels(options.manifest, **given)
    if options.out is not None:
        write_labels(found, options.out)
    elif options.format == "json":
        print_json(found)
    else:
        show_labels(found)
    return 0
