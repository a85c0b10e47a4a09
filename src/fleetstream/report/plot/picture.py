"""Plots as pictures, drawn with matplotlib."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fleetstream.report.plot.sketch import Lines, Sketch, Words

DOTS_PER_INCH = 120

LEGENDS = 10
"""Lines that have a legend, at most: the colours of more can't be told apart."""

LAW_WIDTH = 48
"""Characters of a line of a law."""


def draw_sketch(path: Path, sketch: Sketch) -> None:
    """A measure over time, and beside it its distribution with the law; raises OSError."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    over_time, distribution = figure.subplots(1, 2, width_ratios=(3, 2))
    unit = f", {sketch.measure.unit}" if sketch.measure.unit else ""
    _draw_lines(over_time, sketch.lines)
    over_time.set_ylabel(f"{sketch.measure.name}{unit}")
    if len(sketch.lines.names) <= LEGENDS:
        names = over_time.get_legend_handles_labels()
        figure.legend(*names, fontsize="small", loc="outside lower left", ncols=2)
    if isinstance(sketch.distribution, Words):
        words = sketch.distribution.words
        over_time.set_yticks(range(len(words)), words, fontsize="small")
    _draw_distribution(distribution, sketch)
    _save(figure, path)


def draw_signals(path: Path, panels: Sequence[Lines]) -> None:
    """Signals one below the other; raises OSError."""
    figure = Figure(figsize=(9, 1.9 * len(panels)), layout="constrained")
    for axes, lines in zip(figure.subplots(len(panels)), panels, strict=True):
        _draw_lines(axes, lines)
        axes.set_title(lines.title, fontsize="medium", loc="left")
        axes.set_ylim(-5, 105)
        axes.set_ylabel("cpu_user, %")
    _save(figure, path)


def _draw_lines(axes: Axes, lines: Lines) -> None:
    for name, values in zip(lines.names, lines.values.T, strict=True):
        axes.plot(np.array(lines.times), values, linewidth=1.2, label=name)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(x=0.01)
    axes.grid(visible=True, alpha=0.3)


def _draw_distribution(axes: Axes, sketch: Sketch) -> None:
    shown = sketch.distribution
    if isinstance(shown, Words):
        places = np.arange(len(shown.words))
        axes.barh(places, shown.found, alpha=0.6, label="generated")
        axes.plot(shown.stated, places, "k|", markersize=12, label="stated")
        axes.set_yticks(places, shown.words, fontsize="small")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        axes.stairs(shown.found, shown.edges, fill=True, alpha=0.6, label="generated")
        axes.stairs(shown.stated, shown.edges, color="black", linewidth=1.2, label="stated")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(sketch.measure.unit)
    axes.set_title(_broken(sketch.law), fontsize="small")
    axes.legend(fontsize="small")
    axes.grid(visible=True, alpha=0.3)


def _broken(law: str) -> str:
    """A law over several lines, one for each of its parts."""
    parts = law.replace("`", "").split("; ")
    return "\n".join(textwrap.fill(part, LAW_WIDTH) for part in parts)


def _save(figure: Figure, path: Path) -> None:
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise ValueError(
            f"{path} does not end like a picture; end it with one of .{', .'.join(sorted(known))}."
        )
    # Without the name of the program, a picture depends on its data alone.
    metadata = {"Software": None} if path.suffix == ".png" else None
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata=metadata)
