"""Plots as picture files, drawn with matplotlib."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fleetstream.report.plot.figures import MeasureFigure, TimeLines, WordShares
from fleetstream.report.series import unit_of

DOTS_PER_INCH = 120

MAX_LEGEND = 10
"""Lines that have a legend, at most: more colours cannot be told apart."""

LAW_COLUMNS = 48
"""Characters per line of a law's description."""

SPREAD = 0.6
"""Height that the marks of several series at the same word are spread over."""


def save_measure(path: Path, figure: MeasureFigure) -> None:
    """Draw a measure over time, and beside it its distribution. Raises OSError, ValueError."""
    drawing = Figure(figsize=(11, 4), layout="constrained")
    over_time, distribution = drawing.subplots(1, 2, width_ratios=(3, 2))
    if figure.lines.words:
        draw_marks(over_time, figure.lines)
    else:
        draw_lines(over_time, figure.lines)
    over_time.set_title(figure.lines.label, fontsize="medium", loc="left")
    if len(figure.lines.names) <= MAX_LEGEND:
        handles = over_time.get_legend_handles_labels()
        drawing.legend(*handles, fontsize="small", loc="outside lower left", ncols=2)
    _draw_distribution(distribution, figure)
    save_drawing(drawing, path)


def save_signals(path: Path, panels: Sequence[TimeLines]) -> None:
    """Draw signals one below the other. Raises as :func:`save_measure` does."""
    drawing = Figure(figsize=(9, 1.9 * len(panels)), layout="constrained")
    for axes, lines in zip(drawing.subplots(len(panels)), panels, strict=True):
        draw_lines(axes, lines)
        axes.set_title(lines.title, fontsize="medium", loc="left")
        axes.set_ylim(-5, 105)
        axes.set_ylabel(lines.label)
    save_drawing(drawing, path)


def draw_lines(axes: Axes, lines: TimeLines) -> None:
    times = np.array(lines.times)
    for name, values in zip(lines.names, lines.values.T, strict=True):
        axes.plot(times, values, linewidth=1.2, label=name)
    _draw_grid(axes)


def draw_marks(axes: Axes, lines: TimeLines) -> None:
    """One mark per value at the height of its word, those of each series in a row of their own."""
    times = np.asarray(date2num(lines.times))  # type: ignore[no-untyped-call]
    count = len(lines.names)
    rows = SPREAD * ((np.arange(count) + 0.5) / count - 0.5)
    for name, values, row in zip(lines.names, lines.values.T, rows, strict=True):
        axes.plot(times, values + row, "|", markersize=7, label=name)
    axes.set_yticks(range(len(lines.words)), lines.words, fontsize="small")
    axes.set_ylim(len(lines.words) - 0.5, -0.5)
    _draw_grid(axes)


def _draw_grid(axes: Axes) -> None:
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(x=0.01)
    axes.grid(visible=True, alpha=0.3)


def _draw_distribution(axes: Axes, figure: MeasureFigure) -> None:
    shown = figure.distribution
    if isinstance(shown, WordShares):
        places = np.arange(len(shown.words))
        axes.barh(places, shown.generated, alpha=0.6, label="generated")
        if shown.stated is not None:
            axes.plot(shown.stated, places, "k|", markersize=12, label="stated")
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set_yticks(places, ["" for _ in places])  # the words are beside the other axes
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_title("share of values", fontsize="small")
    else:
        axes.stairs(shown.generated, shown.edges, fill=True, alpha=0.6, label="generated")
        if shown.stated is not None:
            axes.stairs(shown.stated, shown.edges, color="black", linewidth=1.2, label="stated")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(unit_of(figure.measure))
        axes.set_title(_wrapped(figure.law), fontsize="small")
    axes.legend(fontsize="small")
    axes.grid(visible=True, alpha=0.3)


def _wrapped(law: str) -> str:
    """A law over several lines, with each of its parts on a line of its own."""
    return "\n".join(textwrap.fill(part, LAW_COLUMNS) for part in law.split("; "))


def save_drawing(drawing: Figure, path: Path) -> None:
    known = sorted(drawing.canvas.get_supported_filetypes())
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(
            f"{path} does not have the suffix of a picture; choose from .{', .'.join(known)}."
        )
    # Without the program, the time and random identifiers, a picture depends on its data only.
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}}.get(path.suffix)
    with rc_context({"svg.hashsalt": "fleetstream"}):
        drawing.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata)
