"""Plots on a terminal, as rows of block characters that need no colour.

A measure fits a terminal of 80 columns and 24 lines; a larger one shows more bins and columns.
"""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, log10

import numpy as np
from rich.text import Text

from fleetstream.report.console import OutputConsole
from fleetstream.report.plot.figures import BinShares, MeasureFigure, TimeLines, WordShares
from fleetstream.report.series import Values

COLOURS = ("blue", "green", "magenta", "cyan", "red")

BLOCKS = " ▁▂▃▄▅▆▇█"

MISSING = "·"

NO_BREAK = "\N{NO-BREAK SPACE}"

MIN_BINS, MAX_BINS = 6, 25

PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

SHORTENED = 10_000
"""From this value on, numbers beside a plot have one of the prefixes."""

SCALE_COLUMNS = 8
_SHARE_COLUMNS = 9


def show_measure(figure: MeasureFigure, *, coloured: bool) -> None:
    """Print a measure over time, and below it its distribution."""
    columns, height = shutil.get_terminal_size()
    lines = list(_over_time(figure.lines, columns))
    title = "share of values"
    if figure.distribution.stated is not None:
        title += "; │ is the stated share"
    if isinstance(figure.distribution, BinShares):
        title += f": {figure.law}"
    heading = [Text(line, "bold") for line in textwrap.wrap(title, columns)]
    left = height - 1 - len(lines) - len(heading)
    rows = _distribution(figure.distribution, columns, max(left, MIN_BINS))
    print_lines([*lines, *heading, *rows], coloured=coloured)


def show_signals(panels: Sequence[TimeLines], *, coloured: bool) -> None:
    """Print signals one below the other."""
    columns, _ = shutil.get_terminal_size()
    lines: list[Text] = []
    for panel in panels:
        lines.append(Text(f"{panel.title}, {span_text(panel)}", "bold"))
        lines += strip(panel.values[:, 0], 0.0, 100.0, columns, COLOURS[0], rows=3)
    print_lines(lines, coloured=coloured)


def _over_time(lines: TimeLines, columns: int) -> Iterator[Text]:
    """Each series as a strip below its name."""
    yield Text(f"{lines.title}, {span_text(lines)}", "bold")
    if lines.words:
        yield from word_legend(lines.words, columns)
    elif len(lines.times) > strip_columns(columns):
        each = f"{len(lines.times) / strip_columns(columns):.2g}"
        yield Text(f"Each column is the mean of about {each} values.")
    finite = lines.values[np.isfinite(lines.values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    for place, name in enumerate(lines.names):
        colour, values = COLOURS[place % len(COLOURS)], lines.values[:, place]
        yield Text(name, colour)
        if lines.words:
            yield Text(word_letters(values, columns), colour)
        else:
            yield from strip(values, low, high, columns, colour, rows=2)


def word_legend(words: Sequence[str], columns: int) -> Iterator[Text]:
    """The letter of each word, on the same line as it."""
    letters = ", ".join(f"{letter(place)}{NO_BREAK}{word}" for place, word in enumerate(words))
    for line in textwrap.wrap(letters, columns):
        yield Text(line.replace(NO_BREAK, " "))


def span_text(lines: TimeLines) -> str:
    begin, end = lines.times[0], lines.times[-1]
    last = end if end.date() != begin.date() else end.time()
    return f"{begin:%Y-%m-%d %H:%M:%S} to {str(last).removesuffix('+00:00')} UTC"


def strip(
    values: Values, low: float, high: float, columns: int, colour: str, *, rows: int
) -> Iterator[Text]:
    """The values as columns of blocks between ``low`` and ``high``, ``rows`` lines high."""
    means = column_means(values, min(strip_columns(columns), len(values)))
    steps = len(BLOCKS) - 1
    heights = (means - low) / ((high - low) or 1.0) * rows * steps
    scale = {0: _scaled(high), rows - 1: _scaled(low)}
    for row in range(rows):
        below = (rows - 1 - row) * steps
        blank = MISSING if row == rows - 1 else " "
        cells = "".join(
            blank if np.isnan(height) else BLOCKS[int(np.clip(np.rint(height) - below, 0, steps))]
            for height in np.maximum(heights, 1)  # the lowest value is visible too
        )
        label = scale.get(row, "").rjust(SCALE_COLUMNS)
        yield Text.assemble((label, "dim"), " ", (cells, colour))


def _scaled(value: float) -> str:
    """A number with four digits and, from 10,000 on, a prefix: it fits the scale's columns."""
    for size, prefix in PREFIXES:
        if abs(value) >= max(size, SHORTENED):
            return f"{value / size:.4g}{prefix}"
    return f"{value:,.4g}"


def strip_columns(columns: int) -> int:
    return max(columns - SCALE_COLUMNS - 1, 1)


def _parts(values: Values, count: int) -> list[Values]:
    """The values in ``count`` consecutive parts, as equal and as evenly spread as possible."""
    bounds = np.arange(1, count) * len(values) // count
    return np.split(values, bounds)


def column_means(values: Values, count: int) -> Values:
    """The mean of each of ``count`` parts, NaN where all of its values are missing."""
    means = [part[~np.isnan(part)] for part in _parts(values, count)]
    return np.array([part.mean() if len(part) else np.nan for part in means])


def word_letters(values: Values, columns: int) -> str:
    """The values as the letters of their words, the first of each column."""
    firsts = [part[0] for part in _parts(values, min(columns, len(values)))]
    return "".join(MISSING if np.isnan(first) else letter(int(first)) for first in firsts)


def letter(place: int) -> str:
    return chr(ord("A") + place % 26)


def _distribution(shown: BinShares | WordShares, columns: int, rows: int) -> Iterator[Text]:
    """One bar per word or bin."""
    stated: Values | None
    if isinstance(shown, WordShares):
        names, generated, stated = list(shown.words), shown.generated, shown.stated
    else:
        names, generated, stated = _bins(shown, min(rows, MAX_BINS))
    name_columns = max(map(len, names))
    width = max(columns - name_columns - _SHARE_COLUMNS - 2, 1)
    known = () if stated is None else stated
    most = max(*generated, *known, 1e-9)
    for place, (name, share) in enumerate(zip(names, generated, strict=True)):
        bar = list(f"{'█' * round(share / most * width):<{width + 1}}")
        if stated is not None:
            bar[round(stated[place] / most * width)] = "│"
        yield Text.assemble(
            name.rjust(name_columns), " ", ("".join(bar), COLOURS[0]), f"{share:8.2%}"
        )


def _bins(histogram: BinShares, wanted: int) -> tuple[list[str], Values, Values | None]:
    """The histogram with neighbouring bins joined to ``wanted``, and their bounds as text."""
    edges, count = histogram.edges, len(histogram.generated)
    firsts = np.arange(min(wanted, count)) * count // min(wanted, count)
    digits = max(1 - floor(log10(edges[-1] - edges[0])), 0)
    # Edges lie between the numbers that a value can be, so rounding them is no loss.
    texts = [f"{round(edge, digits) + 0.0:,.{digits}f}" for edge in [*edges[firsts], edges[-1]]]
    names = [f"{low} to {high}" for low, high in pairwise(texts)]
    stated = histogram.stated
    return (
        names,
        np.add.reduceat(histogram.generated, firsts),
        None if stated is None else np.add.reduceat(stated, firsts),
    )


def print_lines(lines: Sequence[Text], *, coloured: bool) -> None:
    """Print lines, without any escape sequences where they are not ``coloured``."""
    console = OutputConsole(coloured=coloured)
    for line in lines:
        console.print(line if coloured else line.plain, markup=False)
