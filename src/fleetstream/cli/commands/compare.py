"""``fleetstream compare``: proves that a migration lost, changed and added nothing."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetstream.cli.outcome import DELIVERED, UNDELIVERED, stop_on_signals, unusable
from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_options
from fleetstream.run.options import Group
from fleetstream.targets.registry import layout_names

if TYPE_CHECKING:
    from fleetstream.run.manifest import Manifest
    from fleetstream.targets.registry import TargetOptions

SUMMARY = "prove that two targets hold the same, after a migration from one to the other"

DESCRIPTION = """\
Compare what two targets hold of the same runs, value by value: what is missing, extra, different or
duplicate in either. What the runs have written is generated again from their manifests, so it is
known which of two values is right, and what is missing in both is found too. Nothing is changed.

The source is the target of the manifests, unless --from names another. --to names the destination,
with the other options of the target.

Exit code 0: they match. 1: they do not. 3: one of them cannot be read.

Examples:
  fleetstream compare fleetstream-7.json --to postgresql://fleet@127.0.0.1/fleet
  fleetstream compare fleetstream-7.json --layout aws --to influx:http://127.0.0.1:8086 -d db -t t
  fleetstream compare fleetstream-7.json --from duckdb:copy.duckdb --to parquet:lake --format json
"""

_SOURCE = {
    "from": ("URL", "the source (default: the target of the manifest)"),
    "from-database-name": ("NAME", "its database"),
    "from-table-name": ("NAME", "its table"),
    "from-region": ("REGION", "its AWS region"),
    "from-endpoint-url": ("URL", "its endpoint"),
    "from-read-url": ("URL", "where it is read, if that is another address"),
    "from-profile": ("NAME", "its AWS profile"),
}
"""Options of the source: metavar and help."""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument(
        "manifests", metavar="MANIFEST", type=Path, nargs="+", help="the manifest of a run"
    )
    compared = parser.add_argument_group("Comparison")
    compared.add_argument(
        "--layout",
        choices=layout_names(),
        help="the layout of the destination: aws is that of AWS's migration scripts, in InfluxDB "
        "and PostgreSQL (default: the one that fleetstream writes)",
    )
    compared.add_argument(
        "--format", choices=("text", "json"), default="text", help="the form (default: text)"
    )
    source = parser.add_argument_group("Source")
    for name, (metavar, text) in _SOURCE.items():
        source.add_argument(f"--{name}", dest=_field(name), metavar=metavar, help=text)
    add_run_options(parser, groups=(Group.TARGET,), without=("record_model",), full_help=True)


def run(options: argparse.Namespace) -> int:
    from fleetstream.report.migration import print_migration, show_migration
    from fleetstream.report.verification import VerificationProgress
    from fleetstream.run.control import Control
    from fleetstream.run.manifest import read_manifests
    from fleetstream.targets.registry import TargetOptions
    from fleetstream.targets.sink import TargetUnusable
    from fleetstream.verify import Expectation, compare_targets, opened_targets

    destination = TargetOptions(**run_options(options))
    if destination.to is None:
        raise ValueError("Name the destination with --to.")
    manifests = read_manifests(options.manifests)
    expectation = Expectation(manifests)
    source = _source(options, manifests)
    control = Control()
    try:
        with opened_targets(expectation, source, destination, options.layout) as readers:
            stop_on_signals(control)
            with VerificationProgress(expectation.total) as progress:
                findings = compare_targets(expectation, *readers, control, progress.advance)
    except TargetUnusable as error:
        return unusable(error)
    show = print_migration if options.format == "json" else show_migration
    show(findings, sum(manifest.sweeps for manifest in manifests), progress.seconds)
    return DELIVERED if findings.matches else UNDELIVERED


def _field(option: str) -> str:
    """The name of an option's value in the namespace."""
    return option.replace("-", "_")


def _source(options: argparse.Namespace, manifests: "list[Manifest]") -> "TargetOptions":
    """The source: as its options say, or as the manifests do.

    Raises ValueError where the manifests differ and the options do not decide.
    """
    from fleetstream.targets.registry import TargetOptions

    values = {name: getattr(options, name) for name in map(_field, _SOURCE)}
    given = {
        name.removeprefix("from_"): value for name, value in values.items() if value is not None
    }
    url = given.pop("from", None)
    if url is not None:
        return TargetOptions(to=url, **given)
    targets = {manifest.spec.target for manifest in manifests}
    if len(targets) > 1:
        raise ValueError(
            "These runs have written to different targets; name the source with --from, or compare "
            "them one by one."
        )
    return replace(targets.pop(), **given)
