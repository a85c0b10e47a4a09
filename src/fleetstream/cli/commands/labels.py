"""``fleetstream labels``: which incidents happen where and when."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options
from fleetstream.run.options import Group

if TYPE_CHECKING:
    import pyarrow as pa

    from fleetstream.model import Model

SUMMARY = "list the incidents of a run or of any stretch of time"

DESCRIPTION = """\
List the incidents that a model has under a seed: what happened where, from when to when, and how
severe it was. No values are generated; a value differs from that of a run with --incidents off only
where a label says so. With --magnitudes, say by how much; with --points, label each value of some
measures instead.

Examples:
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05
  fleetstream labels --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05 --out labels.csv
  fleetstream labels fleetstream-7.json
  fleetstream labels fleetstream-7.json --magnitudes
  fleetstream labels fleetstream-7.json --points service.latency_p50 --out points.parquet
  fleetstream labels fleetstream-7.json --points service.latency_p50 --format nab --out corpus
"""

ALERTMANAGER = "alertmanager"
SERIES_FORMATS = ("nab", "tsb-ad")
"""Formats of points with one file per series."""


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
        "listing incidents: [KIND.]MEASURE,… or KIND for all but words",
    )
    shown.add_argument(
        "--magnitudes",
        action="store_true",
        help="also generate the values of affected series at the timestamps of the run, and say by "
        "how much each incident changes each measure",
    )
    shown.add_argument(
        "--format",
        choices=("text", "json", ALERTMANAGER, *SERIES_FORMATS),
        default="text",
        help="the form of incidents: text, json, or alertmanager (the alerts that are to fire, as "
        "its API takes them); of points, besides CSV and Parquet: nab (Numenta Anomaly Benchmark) "
        "or tsb-ad, a folder with a file per series (default: text)",
    )
    shown.add_argument(
        "--out",
        metavar="PATH",
        type=Path,
        help="write the labels into a file: .csv, .parquet, or of incidents .json; with --format "
        "nab or tsb-ad into a new folder (default: print a table, or of points CSV)",
    )
    add_run_options(parser, groups=(Group.FLEET, Group.VALUES, Group.SCHEDULE))


def run(options: argparse.Namespace) -> int:
    given = run_options(options)
    if options.manifest is None and (given.get("seed") is None or given.get("start") is None):
        raise ValueError(
            "Name the manifest of a run, or describe the time with --model, --seed and --start."
        )
    if options.points is not None:
        _label_points(options, given)
    elif options.format in SERIES_FORMATS:
        raise ValueError(
            f"--format {options.format} is for points; name measures with --points, such as "
            "service.latency_p50."
        )
    else:
        _label_incidents(options, given)
    return 0


def _label_incidents(options: argparse.Namespace, given: dict[str, Any]) -> None:
    from fleetstream.api import labels
    from fleetstream.report.labels.incidents import print_json, show_labels, write_labels

    found = labels(options.manifest, magnitudes=options.magnitudes, **given)
    if options.format == ALERTMANAGER:
        _write_alerts(found, options, given)
    elif options.out is not None:
        write_labels(found, options.out)
    elif options.format == "json":
        print_json(found)
    elif not (model := _model(options, given)).incidents:
        print(f"The model {model.name!r} has no incidents; `fleetstream model list` lists others.")
    else:
        show_labels(found)


def _write_alerts(found: "pa.Table", options: argparse.Namespace, given: dict[str, Any]) -> None:
    from fleetstream.report.labels.alertmanager import alerts_json
    from fleetstream.report.labels.points import labels_written

    text = alerts_json(found, _model(options, given))
    if options.out is None:
        print(text, end="")
        return
    with labels_written(options.out):
        options.out.write_text(text)


def _label_points(options: argparse.Namespace, given: dict[str, Any]) -> None:
    from fleetstream.api import point_labels
    from fleetstream.report.labels.points import chosen_measures, print_points, write_points

    _check_points(options)
    model = _model(options, given)
    kind, measures = chosen_measures(model, options.points)
    points = point_labels(kind, measures, manifest=options.manifest, **given)
    if options.format in SERIES_FORMATS:
        _write_series(points, options, model.name)
    elif options.out is not None:
        write_points(points, options.out)
    else:
        print_points(points)


def _check_points(options: argparse.Namespace) -> None:
    """Raises ValueError where points are not to be had in a format."""
    if options.magnitudes:
        raise ValueError(
            "--magnitudes is for incidents; leave out it or --points, whose labels have each value "
            "with and without incidents."
        )
    if options.format in ("json", ALERTMANAGER):
        raise ValueError(f"--format {options.format} lists incidents; leave out it or --points.")
    if options.format in SERIES_FORMATS and options.out is None:
        raise ValueError(f"--format {options.format} needs --out, the folder for its files.")


def _write_series(points: "pa.RecordBatchReader", options: argparse.Namespace, name: str) -> None:
    from fleetstream.report.labels.nab import write_nab
    from fleetstream.report.labels.points import labels_written
    from fleetstream.report.labels.tsb_ad import write_tsb_ad

    with labels_written(options.out):
        if options.format == "nab":
            print(f"Wrote {write_nab(points, options.out):,} files with their windows.")
            return
        files = write_tsb_ad(points, options.out, name)
        print(
            f"Wrote {files.written:,} series; incidents affect none of {files.unaffected:,} others."
        )


def _model(options: argparse.Namespace, given: dict[str, Any]) -> "Model":
    """The model of the run."""
    from fleetstream.model import DEFAULT_MODEL, load_model
    from fleetstream.run.manifest import read_manifest

    if options.manifest is not None:
        return load_model(read_manifest(options.manifest).spec.model)
    return load_model(given.get("model", DEFAULT_MODEL))
