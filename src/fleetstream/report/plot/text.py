"""Plots on a terminal, drawn with plotext."""

import shutil
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotext
from rich.console import Console
from rich.text import Text

from fleetstream.report.plot.sketch import Lines, Sketch, Words

HEIGHT = 18
"""Lines of a plot."""

TICKS = 6
"""Numbers along an axis."""

MARKER = "braille"

_COLOURS = ("blue", "green", "magenta", "cyan", "red")

_SPANS = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "hours"), (300, 60, "minutes"))
"""From how many seconds on time is told in a unit of how many seconds, and its name."""


def show_sketch(sketch: Sketch, *, coloured: bool) -> None:
    """Print a measure over time, and below it its distribution with the law."""
    unit = f", {sketch.measure.unit}" if sketch.measure.unit else ""
    shown, lines = sketch.distribution, sketch.lines
    _begin(f"{sketch.measure.name}{unit}")
    _plot_lines(lines)
    if isinstance(shown, Words):
        plotext.yticks(list(range(len(shown.words))), list(shown.words))
    _print(coloured=coloured)
    legend = Text("\n").join(
        Text(name, _COLOURS[place % len(_COLOURS)]) for place, name in enumerate(lines.names)
    )
    Console(no_color=not coloured, soft_wrap=True).print(legend, "", sep="\n")

    _begin("share of all values, %")
    if isinstance(shown, Words):
        places = list(range(1, len(shown.words) + 1))
        plotext.bar(list(shown.words), _percent(shown.found), width=0.5)
        plotext.scatter(places, _percent(shown.stated), marker="o")
    else:
        middles = ((shown.edges[1:] + shown.edges[:-1]) / 2).tolist()
        plotext.bar(middles, _percent(shown.found), width=1.0)
        plotext.plot(middles, _percent(shown.stated), marker=MARKER)
        ticks = np.linspace(shown.edges[0], shown.edges[-1], TICKS)
        plotext.xticks(ticks.tolist(), [f"{tick:,.4g}" for tick in ticks])
    _print(coloured=coloured)
    mark = "o" if isinstance(shown, Words) else "line"
    print(f"The {mark} is what is stated: {sketch.law.replace('`', '')}")


def show_signals(panels: Sequence[Lines], *, coloured: bool) -> None:
    """Print signals one below the other."""
    for lines in panels:
        _begin(lines.title)
        _plot_lines(lines)
        plotext.ylim(0, 100)
        _print(coloured=coloured)


def _percent(shares: npt.NDArray[np.float64]) -> list[float]:
    percentages: list[float] = (100 * shares).tolist()
    return percentages


def _begin(title: str) -> None:
    plotext.clear_figure()
    plotext.title(title)
    plotext.theme("clear")
    plotext.plot_size(shutil.get_terminal_size().columns, HEIGHT)


def _plot_lines(lines: Lines) -> None:
    begin = lines.times[0]
    seconds = np.array([(time - begin).total_seconds() for time in lines.times])
    length, name = next(
        ((length, name) for span, length, name in _SPANS if seconds[-1] >= span), (1, "seconds")
    )
    for place in range(len(lines.names)):
        values = lines.values[:, place]
        there = ~np.isnan(values)
        plotext.plot(
            (seconds[there] / length).tolist(),
            values[there].tolist(),
            marker=MARKER,
            color=_COLOURS[place % len(_COLOURS)],
        )
    plotext.xlabel(f"{name} from {begin:%Y-%m-%d %H:%M:%S} UTC")


def _print(*, coloured: bool) -> None:
    text = plotext.build()
    sys.stdout.write((text if coloured else plotext.uncolorize(text)) + "\n")
