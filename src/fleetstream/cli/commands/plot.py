"""``fleetstream plot``: pictures of what would be generated."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.display_options import check_writable
from fleetstream.cli.parser import CommandParser, reader
from fleetstream.cli.run_options import add_run_options, run_spec
from fleetstream.generate.choices import Shape
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.moments import now as current_time
from fleetstream.run.notation import at_least, read_duration

if TYPE_CHECKING:
    from fleetstream.run.spec import RunSpec

SUMMARY = "draw what would be generated"

DESCRIPTION = """\
Draw what would be generated: a measure of a few series over time, and the distribution of its
values over all series beside the law that they are to follow. Takes the options of `fleetstream
ingest`.

Examples:
  fleetstream plot
  fleetstream plot --measure metrics.NAME --series 2 --duration 1h --out picture.png
  fleetstream plot --sin-signal-cpu 20 --out sine.png
  fleetstream plot --signals --out signals.png
"""

DEFAULT_SERIES, DEFAULT_DURATION = 4, 300.0


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    picture = parser.add_argument_group("Picture")
    picture.add_argument(
        "--measure",
        metavar="NAME",
        default=None,
        help="the measure, or KIND.NAME where several kinds have it (default: the model's first)",
    )
    picture.add_argument(
        "--series",
        "--hosts",
        dest="series",
        metavar="N",
        type=reader(at_least(1)),
        default=None,
        help=f"how many series are drawn over time (default: {DEFAULT_SERIES})",
    )
    picture.add_argument(
        "--duration",
        metavar="TIME",
        type=reader(read_duration),
        default=None,
        help="the time drawn (default: from --start to --end, or 5m)",
    )
    picture.add_argument(
        "--signals",
        action="store_true",
        help="two periods of the signals that can overlay the CPU load, instead of a measure",
    )
    picture.add_argument(
        "--out",
        metavar="PATH",
        type=Path,
        default=None,
        help="the file to draw to, by its ending .png, .svg, .pdf … (default: the terminal)",
    )
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    _check(options)
    spec = run_spec(options).resolved()
    start = current_time() // MICROSECONDS * MICROSECONDS if spec.start is None else spec.start
    try:
        if options.signals:
            _plot_signals(options, spec, start)
        else:
            _plot_measure(options, spec, start)
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ValueError(
            f"Plots require the package {error.name!r}; install it with: "
            "pip install 'fleetstream[plot]'"
        ) from error
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises ValueError for options that contradict each other."""
    check_writable("--out", options.out)
    if options.signals:
        for name in ("measure", "series", "duration"):
            if getattr(options, name) is not None:
                raise ValueError(f"--{name} has no meaning for --signals; leave one of them out.")
    if options.duration is not None and options.duration < 1:
        raise ValueError("--duration is shorter than one second.")


def _plot_signals(options: argparse.Namespace, spec: "RunSpec", start: int) -> None:
    from fleetstream.model import load_model
    from fleetstream.report.plot.figures import signal_figures

    frequencies = {Shape.SINE: spec.sin_frq_cpu, Shape.SAWTOOTH: spec.saw_frq_cpu}
    assert spec.seed is not None
    figures = signal_figures(load_model(spec.model), spec.seed, frequencies, start)
    if options.out is None:
        from fleetstream.report.plot.terminal import show_signals

        show_signals(figures, coloured=_coloured())
    else:
        from fleetstream.report.plot.pictures import save_signals

        with _written(options.out):
            save_signals(options.out, figures)


def _plot_measure(options: argparse.Namespace, spec: "RunSpec", start: int) -> None:
    from fleetstream.report.plot.figures import measure_figure
    from fleetstream.report.series import find_measure, first_measure

    generator = spec.generator()
    kind, measure = first_measure(generator)
    if options.measure is not None:
        kind, measure = find_measure(generator.model, options.measure)
    series = options.series or DEFAULT_SERIES
    figure = measure_figure(generator, kind, measure, series, start, _seconds(options, spec, start))
    if options.out is None:
        from fleetstream.report.plot.terminal import show_measure

        show_measure(figure, coloured=_coloured())
    else:
        from fleetstream.report.plot.pictures import save_measure

        with _written(options.out):
            save_measure(options.out, figure)


def _seconds(options: argparse.Namespace, spec: "RunSpec", start: int) -> float:
    """How long a stretch of time is drawn."""
    if options.duration is not None:
        return float(options.duration)
    if "end" in options and spec.end is not None:
        return (spec.end - start) / MICROSECONDS
    return DEFAULT_DURATION


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Raises ValueError where the picture cannot be written."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}.") from error


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
