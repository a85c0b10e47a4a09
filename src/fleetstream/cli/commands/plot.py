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
from fleetstream.cli.run_options import add_run_options, run_options, run_spec
from fleetstream.generate.choices import Shape
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.moments import now as current_time
from fleetstream.run.notation import at_least, read_duration
from fleetstream.run.options import make_spec, merged

if TYPE_CHECKING:
    from fleetstream.run.spec import RunSpec

SUMMARY = "draw what would be generated"

DESCRIPTION = """\
Draw what would be generated: a measure of a few series over time, and the distribution of its
values over all series beside the law that they are to follow. Takes the options of `fleetstream
ingest`. With --over-time, draw any measures of chosen series over any stretch of time instead,
with incidents shaded and named.

Examples:
  fleetstream plot
  fleetstream plot --measure metrics.NAME --series 2 --duration 1h --out picture.png
  fleetstream plot --sin-signal-cpu 20 --out sine.png
  fleetstream plot --signals --out signals.png
  fleetstream plot --over-time --model web-shop --seed 7 --include service=cart --start 2026-11-02
  fleetstream plot --over-time fleetstream-7.json --include DIMENSION=VALUE --series 3
"""

DEFAULT_SERIES, DEFAULT_DURATION = 4, 300.0

OVER_TIME_DURATION = 86_400.0
"""Seconds that --over-time draws until now, where nothing says from when on."""

ADDED_TO_MANIFEST = ("include", "include_region", "include_ms", "exclude", "start", "end")
"""Options of a run that choose a part of what a manifest describes."""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_help_all()
    parser.add_argument(
        "manifest",
        metavar="MANIFEST",
        type=Path,
        nargs="?",
        help="the manifest of a run, for --over-time instead of the options of a run",
    )
    picture = parser.add_argument_group("Picture")
    picture.add_argument(
        "--measure",
        metavar="NAME",
        action="append",
        default=None,
        help="the measure, or KIND.NAME where several kinds have it; with --over-time it can be "
        "repeated (default: the model's first)",
    )
    picture.add_argument(
        "--series",
        "--hosts",
        dest="series",
        metavar="N",
        type=reader(at_least(1)),
        default=None,
        help=f"how many series are drawn over time, from the first on (default: {DEFAULT_SERIES}; "
        "with --over-time all, if they are not too many)",
    )
    picture.add_argument(
        "--duration",
        metavar="TIME",
        type=reader(read_duration),
        default=None,
        help="the time drawn (default: from --start to --end, or 5m; with --over-time the last "
        "day)",
    )
    picture.add_argument(
        "--over-time",
        action="store_true",
        help="measures over time with the incidents that affect them, without a distribution",
    )
    picture.add_argument(
        "--baseline",
        action="store_true",
        help="with --over-time, draw also what each series would be without incidents",
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
    try:
        if options.over_time:
            _plot_over_time(options)
        elif options.signals:
            _plot_signals(options, *_spec_and_start(options))
        else:
            _plot_measure(options, *_spec_and_start(options))
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
        for name in ("measure", "series", "duration", "over_time"):
            if getattr(options, name):
                option = name.replace("_", "-")
                raise ValueError(f"--{option} has no meaning for --signals; leave one of them out.")
    if options.duration is not None and options.duration < 1:
        raise ValueError("--duration is shorter than one second.")
    if not options.over_time:
        for name, given in (
            ("A manifest", options.manifest is not None),
            ("--baseline", options.baseline),
            ("More than one --measure", len(options.measure or ()) > 1),
        ):
            if given:
                raise ValueError(f"{name} needs --over-time; add it.")


def _spec_and_start(options: argparse.Namespace) -> "tuple[RunSpec, int]":
    """The resolved run that options describe, and where it begins."""
    spec = run_spec(options).resolved()
    start = current_time() // MICROSECONDS * MICROSECONDS if spec.start is None else spec.start
    return spec, start


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
        kind, measure = find_measure(generator.model, options.measure[0])
    series = options.series or DEFAULT_SERIES
    figure = measure_figure(generator, kind, measure, series, start, _seconds(options, spec, start))
    if options.out is None:
        from fleetstream.report.plot.terminal import show_measure

        show_measure(figure, coloured=_coloured())
    else:
        from fleetstream.report.plot.pictures import save_measure

        with _written(options.out):
            save_measure(options.out, figure)


def _plot_over_time(options: argparse.Namespace) -> None:
    from msgspec.structs import replace

    from fleetstream.generate.choices import IncidentChoice
    from fleetstream.report.plot.timeline import Stretch, points_between
    from fleetstream.report.series import find_measure, first_measure

    spec, begin, end = _part_of_run(options) if options.manifest else _described(options)
    generator = spec.generator()
    stretch = Stretch(
        generator,
        replace(spec, incidents=IncidentChoice.OFF).generator(),
        options.series,
        points_between(begin, end, spec.interval or MICROSECONDS),
        end,
        options.baseline,
    )
    measures = [find_measure(generator.model, name) for name in options.measure or ()]
    panels = [stretch.panel(*each) for each in measures or [first_measure(generator)]]
    if options.out is None:
        from fleetstream.report.plot.timeline_terminal import show_timeline

        show_timeline(panels, coloured=_coloured())
    else:
        from fleetstream.report.plot.timeline_picture import save_timeline

        with _written(options.out):
            save_timeline(options.out, panels)


def _described(options: argparse.Namespace) -> "tuple[RunSpec, int, int]":
    """The run that options describe, and the stretch to draw in microseconds."""
    spec = run_spec(options).resolved()
    length = int((options.duration or OVER_TIME_DURATION) * MICROSECONDS)
    if spec.start is None:
        end = current_time()
        return spec, end - length, end
    if options.duration is not None:
        return spec, spec.start, spec.start + length
    return spec, spec.start, spec.end or current_time()


def _part_of_run(options: argparse.Namespace) -> "tuple[RunSpec, int, int]":
    """The run of a manifest, or a part of it, and the stretch to draw."""
    from fleetstream.run.manifest import read_manifest

    given = run_options(options)
    if other := [name for name in given if name not in ADDED_TO_MANIFEST]:
        raise ValueError(
            f"A manifest has all options of its run; leave out --{other[0].replace('_', '-')}, or "
            "leave out the manifest and describe the fleet by options."
        )
    manifest = read_manifest(options.manifest)
    filters = {name: value for name, value in given.items() if name not in ("start", "end")}
    spec = _filtered(manifest.spec, make_spec(**filters))
    if not (manifest.swept or manifest.unsettled):
        raise ValueError(f"The run of {options.manifest} has no sweeps yet, so none can be drawn.")
    first = min([*(each.first for each in manifest.swept[:1]), *manifest.unsettled])
    begin = given.get("start", first)
    end = given.get("end", manifest.last + (spec.interval or MICROSECONDS))
    if options.duration is not None:
        end = begin + int(options.duration * MICROSECONDS)
    if end <= begin:
        raise ValueError("--end must be later than --start.")
    return spec, begin, end


def _filtered(spec: "RunSpec", filters: "RunSpec") -> "RunSpec":
    """A run with the filters of another one too."""
    from msgspec.structs import replace

    include = dict(spec.include)
    for dimension, values in filters.include.items():
        kept = [each for each in values if each in include.get(dimension, values)]
        if not kept:
            raise ValueError(f"The run has no {dimension} {values[0]!r}, which --include names.")
        include[dimension] = tuple(kept)
    return replace(spec, include=include, exclude=merged(spec.exclude, filters.exclude))


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
