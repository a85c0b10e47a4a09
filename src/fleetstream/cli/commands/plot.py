"""`fleetstream plot`: pictures of what would be generated."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetstream.cli.display import check_writable
from fleetstream.cli.options import (
    add_fleet_options,
    add_value_options,
    at_least,
    duration,
    moment,
    workload_of,
)
from fleetstream.generate.signals import MICROSECONDS, Shape
from fleetstream.workload import Workload

DESCRIPTION = """\
Draw what would be generated: a measure of a few hosts over time, and how its values are distributed
over the whole fleet, beside the law that they are to follow.

Examples:
  fleetstream plot
  fleetstream plot --measure memory_used --hosts 2 --duration 1h --out memory.png
  fleetstream plot --sin-signal-cpu 20 --out sine.png
  fleetstream plot --signals --out signals.png
"""

DEFAULT_MEASURE, DEFAULT_HOSTS, DEFAULT_DURATION = "cpu_user", 4, 300.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    picture = parser.add_argument_group("the picture")
    picture.add_argument(
        "--measure",
        metavar="NAME",
        default=None,
        help="the measure; events.memory_free is the processes' one of that name "
        f"(default: {DEFAULT_MEASURE})",
    )
    picture.add_argument(
        "--hosts",
        metavar="N",
        type=at_least(1),
        default=None,
        help=f"how many hosts, or processes, are drawn over time (default: {DEFAULT_HOSTS})",
    )
    picture.add_argument(
        "--duration",
        metavar="TIME",
        type=duration,
        default=None,
        help="how long, at a sweep a second or as many as can be drawn (default: 5m)",
    )
    picture.add_argument(
        "--signals",
        action="store_true",
        help="two periods of the signals that can overlay the CPU load, instead of a measure",
    )
    picture.add_argument(
        "--start",
        metavar="TIME",
        type=moment,
        default=None,
        help="the time that it begins at, such as 2026-11-01T00:00:00Z (default: now)",
    )
    picture.add_argument(
        "--out",
        metavar="PATH",
        type=Path,
        default=None,
        help="the file to draw to, by its ending .png, .svg, .pdf … (default: the terminal)",
    )
    add_fleet_options(parser)
    add_value_options(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    _check(options)
    workload = workload_of(options)
    start = int(time.time()) * MICROSECONDS if options.start is None else options.start
    try:
        if options.signals:
            _plot_signals(options, workload, start)
        else:
            _plot_measure(options, workload, start)
    except ModuleNotFoundError as error:
        if error.name not in ("matplotlib", "plotext"):
            raise
        raise ValueError(
            f"Plots need the package {error.name!r}; install it with "
            "`pip install 'fleetstream[plot]'`."
        ) from error
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises :class:`ValueError` with a sentence for options that do not go together."""
    check_writable("--out", options.out)
    if options.signals:
        for name in ("measure", "hosts", "duration"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name} has no place in --signals; leave one of the two out.")
    if options.duration is not None and options.duration < 1:
        raise ValueError(
            "--duration is shorter than a second; there is at most one sweep a second."
        )


def _plot_signals(options: argparse.Namespace, workload: Workload, start: int) -> None:
    from fleetstream.report.plot.sketch import signal_lines

    frequencies = {Shape.SINE: options.sin_frq_cpu, Shape.SAWTOOTH: options.saw_frq_cpu}
    panels = signal_lines(workload.seed, frequencies, start)
    if options.out is None:
        from fleetstream.report.plot.text import show_signals

        show_signals(panels, coloured=_coloured())
    else:
        from fleetstream.report.plot.picture import draw_signals

        with _written(options.out):
            draw_signals(options.out, panels)


def _plot_measure(options: argparse.Namespace, workload: Workload, start: int) -> None:
    from fleetstream.report.plot.sketch import sketch
    from fleetstream.report.series import measure_named

    measure = measure_named(options.measure or DEFAULT_MEASURE)
    seconds = options.duration or DEFAULT_DURATION
    drawn = sketch(workload, measure, options.hosts or DEFAULT_HOSTS, start, seconds)
    if options.out is None:
        from fleetstream.report.plot.text import show_sketch

        show_sketch(drawn, coloured=_coloured())
    else:
        from fleetstream.report.plot.picture import draw_sketch

        with _written(options.out):
            draw_sketch(options.out, drawn)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Raises :class:`ValueError` with a sentence where the picture can't be written."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path} can't be written: {error.strerror or error}.") from error


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
