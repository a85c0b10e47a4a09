"""``fleetstream labels``: which incidents happen where and when."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options
from fleetstream.run.options import Group

if TYPE_CHECKING:
    import pyarrow as pa

SUMMARY = "list the incidents of a run or of any stretch of time"

DESCRIPTION = """\
List the incidents that a model has under a seed: what happened where, from when to when, and how
severe it was. No values are generated; a value differs from that of a run with --incidents off only
where a label says so. With --points, label each value of some measures instead.

Examples:
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05 --out labels.csv
  fleetstream labels fleetstream-7.json
  fleetstream labels fleetstream-7.json --points service.latency_p50 --out points.parquet
"""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    parser.add_argument(
        "manifest", metavar="MANIFEST", type=Path, nargs="?", help="the manifest of a run"
    )
    shown = parser.add_argument_group("Labels")
    shown.add_argument(
        "--points",
        metavar="MEASURES",
        help="label each point of measures of one kind, such as service.latency_p50, instead of "
        "listing incidents: [KIND.]MEASURE,… or KIND for all that are numbers",
    )
    shown.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the labels into a file: .csv, .parquet, or without --points .json (default: "
        "print a table, or with --points CSV)",
    )
    shown.add_argument(
        "--format", choices=("text", "json"), default="text", help="the form (default: text)"
    )
    add_run_options(parser, groups=(Group.FLEET, Group.VALUES, Group.SCHEDULE))


def run(options: argparse.Namespace) -> int:
    given = run_options(options)
    if options.manifest is None and (given.get("seed") is None or given.get("start") is None):
        raise ValueError(
            "Name the manifest of a run, or describe the time with --model, --seed and --start."
        )
    if options.points is None:
        _label_incidents(options, given)
    else:
        _label_points(options, given)
    return 0


def _label_incidents(options: argparse.Namespace, given: dict[str, Any]) -> None:
    from fleetstream.api import labels
    from fleetstream.report.labels.incidents import print_json, show_labels, write_labels

    found = labels(options.manifest, **given)
    if options.out is not None:
        write_labels(found, options.out)
    elif options.format == "json":
        print_json(found)
    else:
        show_labels(found)


def _label_points(options: argparse.Namespace, given: dict[str, Any]) -> None:
    from fleetstream.report.labels.points import print_points, write_points

    if options.format != "text":
        raise ValueError(f"--format {options.format} lists incidents; leave it out, or --points.")
    points = _points(options, given)
    if options.out is not None:
        write_points(points, options.out)
    else:
        print_points(points)


def _points(options: argparse.Namespace, given: dict[str, Any]) -> "pa.RecordBatchReader":
    from fleetstream.api import point_labels
    from fleetstream.model import DEFAULT_MODEL, load_model
    from fleetstream.report.labels.points import chosen_measures
    from fleetstream.run.manifest import read_manifest

    if options.manifest is None:
        name = given.get("model", DEFAULT_MODEL)
    else:
        name = read_manifest(options.manifest).spec.model
    kind, measures = chosen_measures(load_model(name), options.points)
    return point_labels(kind, measures, manifest=options.manifest, **given)
