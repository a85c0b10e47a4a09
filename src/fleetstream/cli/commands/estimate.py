"""`fleetstream estimate`: what a run would send to Amazon Timestream, and what that would cost."""

import argparse
import os
import time

from fleetstream.cli.display import add_price_options
from fleetstream.cli.options import (
    add_delivery_options,
    add_fleet_options,
    add_processes_option,
    add_target_options,
    add_value_options,
    at_least,
    duration,
    moment,
    target_of,
    workload_of,
)
from fleetstream.targets.timestream.prices import MILLION_WRITES, SOURCE
from fleetstream.generate.records import RecordModel
from fleetstream.generate.moments import MICROSECONDS

DESCRIPTION = """\
Tell what a run would send to Amazon Timestream, and what that would cost, in both record models.

Takes the options of `fleetstream ingest`, those that change nothing about the cost included, and
assumes a sweep a second, the most that a run makes.

Examples:
  fleetstream estimate
  fleetstream estimate --for 7d --include-region us-east-1
  fleetstream estimate --autostop 60 --seed 7 -d testDb -t testTable
"""

DEFAULT_SPAN = 30 * 86_400.0
"""Seconds that are estimated where neither a time nor a number of sweeps is given."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    extent = parser.add_argument_group("how much")
    extent.add_argument(
        "--for",
        dest="span",
        metavar="TIME",
        type=duration,
        default=None,
        help="how long the run goes on, at a sweep a second (default: 30d)",
    )
    extent.add_argument(
        "--autostop",
        metavar="N",
        type=at_least(1),
        default=None,
        help="the number of sweeps, instead of --for",
    )
    extent.add_argument(
        "--start",
        metavar="TIME",
        type=moment,
        default=None,
        help="the time of the first sweep, such as 2026-11-01T00:00:00Z (default: now)",
    )
    add_processes_option(extent)
    add_fleet_options(parser)
    add_value_options(parser)
    add_target_options(parser)
    add_delivery_options(parser)
    shown = parser.add_argument_group("what is shown")
    add_price_options(shown)
    shown.add_argument(
        "--format", choices=("text", "json"), default="text", help="how (default: text)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from fleetstream.report.estimate import estimates_json, show_estimates, tracked
    from fleetstream.targets.timestream.estimate import Table, estimate

    target = target_of(options)
    if target.to not in (None, "timestream"):
        raise ValueError(
            f"Only writes to Amazon Timestream are metered, but --to names {target.to!r}; leave it "
            "out."
        )
    workload = workload_of(options)
    start = int(time.time()) * MICROSECONDS if options.start is None else options.start
    timestamps = range(start, start + _sweeps(options) * MICROSECONDS, MICROSECONDS)
    table = Table(target.database_name or "", target.table_name or "")
    processes = options.processes or len(os.sched_getaffinity(0))
    estimates = {
        model: estimate(
            workload, model, table, timestamps, processes=processes, track=tracked(model)
        )
        for model in RecordModel
    }
    if options.format == "json":
        print(estimates_json(estimates, options.write_price))
    else:
        source = SOURCE if options.write_price == MILLION_WRITES else "as given"
        show_estimates(estimates, options.write_price, source)
    return 0


def _sweeps(options: argparse.Namespace) -> int:
    if options.autostop is not None and options.span is not None:
        raise ValueError("Both --for and --autostop say how much; give one of the two.")
    if options.autostop is not None:
        return int(options.autostop)
    span = DEFAULT_SPAN if options.span is None else options.span
    if span < 1:
        raise ValueError("--for is shorter than a second; there is at most one sweep a second.")
    return int(span)
