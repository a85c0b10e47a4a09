"""``fleetstream estimate``: what a run would send to Amazon Timestream, and its price."""

import argparse
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetstream.cli.display_options import add_instance_price_option, add_price_option
from fleetstream.cli.parser import CommandParser, reader
from fleetstream.cli.run_options import add_run_options, run_spec
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.run.notation import read_duration
from fleetstream.run.options import Group
from fleetstream.targets.timestream.prices import MILLION_WRITES, SOURCE

if TYPE_CHECKING:
    from fleetstream.report.estimate import Estimates, InstanceHours
    from fleetstream.run.spec import RunSpec

SUMMARY = "estimate what a run would send to Amazon Timestream, and its price"

DESCRIPTION = """\
Estimate what a run would send to Amazon Timestream, and what that would cost, in both record
models.

Takes the options of `fleetstream ingest`, also those that do not change the cost. A run without
--interval is taken to sweep once per second, the most that a run does, or as often as --rate
allows.

Examples:
  fleetstream estimate
  fleetstream estimate --for 7d --interval 60s
  fleetstream estimate --autostop 60 --seed 7 -d testDb -t testTable
  fleetstream estimate --for 30d --interval 60s --instance-price 0.5
"""

DEFAULT_SPAN = 30 * 86_400.0
"""Seconds that are estimated where no option limits the run."""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    extent = parser.add_argument_group("Extent")
    extent.add_argument(
        "--for",
        dest="span",
        metavar="TIME",
        type=reader(read_duration),
        default=None,
        help="how long the run goes on, from --start or now (default: until its end, or 30d)",
    )
    add_run_options(parser)
    shown = parser.add_argument_group(str(Group.DISPLAY))
    add_price_option(shown, shown=True)
    add_instance_price_option(shown)
    shown.add_argument(
        "--format", choices=("text", "json"), default="text", help="the form (default: text)"
    )


def run(options: argparse.Namespace) -> int:
    from fleetstream.api import estimate_writes
    from fleetstream.report.estimate import estimates_json, progress_of, show_estimates
    from fleetstream.report.facts import connectivity_by_level

    spec, seconds = _extent(run_spec(options), options.span)
    if spec.to not in (None, "timestream"):
        raise ValueError(
            f"Only writes to Amazon Timestream are metered, but --to is {spec.to!r}; leave it out."
        )
    generator = spec.generator()
    step = _step(spec, generator.values_per_sweep)
    sweeps = None if seconds is None else int(seconds * MICROSECONDS / step)
    if sweeps == 0:
        raise ValueError("--for is shorter than the time between two sweeps.")
    estimates = {
        model: estimate_writes(replace(spec, record_model=model), sweeps, track=progress_of(model))
        for model in RecordModel
    }
    instances = _instances(estimates, step, options.instance_price)
    if options.format == "json":
        print(estimates_json(estimates, options.write_price, instances))
    else:
        source = SOURCE if options.write_price == MILLION_WRITES else "as given"
        connectivity = connectivity_by_level(generator)
        show_estimates(estimates, options.write_price, source, instances, connectivity)
    return 0


def _instances(estimates: "Estimates", step: float, price: float | None) -> "InstanceHours | None":
    """The hours that sweeps ``step`` microseconds apart span, None where they have no price."""
    from fleetstream.report.estimate import InstanceHours

    if price is None:
        return None
    sweeps = next(iter(estimates.values())).sweeps
    return InstanceHours(sweeps * step / MICROSECONDS / 3_600, price)


def _extent(spec: "RunSpec", span: float | None) -> "tuple[RunSpec, float | None]":
    """The run, and how many seconds of it are estimated: None for all of one that ends by itself.

    Raises ValueError where options contradict each other.
    """
    if span is not None and spec.start is not None and spec.end is None:
        end = spec.start + int(span * MICROSECONDS)
        spec, span = replace(spec, end=end, follow=False, max_lag=None), None
    spec = spec.resolved()
    limited = bool(spec.autostop) or spec.end is not None
    if limited and span is not None:
        raise ValueError("--for, and --autostop or --end, both limit the run; give only one.")
    if limited:
        return spec, None
    return spec, DEFAULT_SPAN if span is None else span


def _step(spec: "RunSpec", values_per_sweep: int) -> float:
    """Microseconds between two sweeps: those of history are as far apart at any rate."""
    step = spec.interval or MICROSECONDS
    if not spec.rate or spec.end is not None:
        return step
    return max(step, values_per_sweep / spec.rate * MICROSECONDS)
