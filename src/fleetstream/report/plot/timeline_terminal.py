"""Measures over time with incidents marked, on a terminal.

Below each series, a row of letters says which incident changes it where; a list has their names,
places and times. In colour, columns during an incident are yellow.
"""

import shutil
from collections.abc import Iterator, Sequence
from math import ceil
from string import ascii_letters

import numpy as np
from rich.text import Text

from fleetstream.generate.moments import MICROSECONDS, next_multiple, to_datetime
from fleetstream.report.plot.terminal import (
    COLOURS,
    SCALE_COLUMNS,
    column_means,
    print_lines,
    span_text,
    strip,
    strip_columns,
    word_legend,
    word_letters,
)
from fleetstream.report.plot.timeline import (
    ROUND_STEPS,
    ShadedIncident,
    TimePanel,
    incidents_of,
)
from fleetstream.report.series import Values

DURING = "yellow"

MAX_LISTED = 20
"""Incidents that are listed, at most."""

MIN_ROWS, MAX_ROWS = 2, 8
"""Lines that a series is high."""

TICKS, TICK_COLUMNS = 6, 12
"""Times below the plot, about, and the columns of each."""

DAY = ROUND_STEPS[-1] * MICROSECONDS

Letters = dict[ShadedIncident, str]


def show_timeline(panels: Sequence[TimePanel], *, coloured: bool) -> None:
    """Print panels one below the other, and below them the incidents."""
    columns, height = shutil.get_terminal_size()
    incidents = incidents_of(panels)
    letters = {
        each: ascii_letters[place % len(ascii_letters)] for place, each in enumerate(incidents)
    }
    marked = sum(bool(panel.incidents) for panel in panels)
    strips = sum(len(panel.lines.names) * (1 + (panel.baseline is not None)) for panel in panels)
    listed = list(_list(letters))
    list_height = sum(-(-len(line.plain) // columns) for line in listed)  # long lines are wrapped
    fixed = 2 * len(panels) + strips + marked + list_height + 4
    rows = int(np.clip((height - fixed) // strips, MIN_ROWS, MAX_ROWS))
    lines: list[Text] = []
    for panel in panels:
        lines += _panel(panel, letters, columns, rows)
    lines.append(_axis(panels[0], columns))
    lines += listed
    print_lines(lines, coloured=coloured)


def _panel(panel: TimePanel, letters: Letters, columns: int, rows: int) -> Iterator[Text]:
    lines = panel.lines
    yield Text(f"{lines.title}, {span_text(lines)}", "bold")
    each = len(lines.times) / strip_columns(columns)
    if not lines.words and each > 1:
        yield Text(f"Each column is the mean of about {each:.2g} values.")
    if lines.words:
        yield from word_legend(lines.words, columns)
    every = [lines.values, *([] if panel.baseline is None else [panel.baseline])]
    low, high = _bounds(every, columns)
    during = _columns_during(panel, columns)
    for place, name in enumerate(lines.names):
        colour = COLOURS[place % len(COLOURS)]
        for number, values in enumerate(every):
            yield Text(f"{name}, without incidents" if number else name, colour)
            if lines.words:
                cells = word_letters(values[:, place], strip_columns(columns))
                drawn = [Text(" " * (SCALE_COLUMNS + 1) + cells, colour)]
            else:
                drawn = list(strip(values[:, place], low, high, columns, colour, rows=rows))
            for line in drawn:
                if not number and not lines.words:
                    _mark(line, during)
                yield line
    if panel.incidents:
        yield _letter_row(panel, letters, columns)


def _bounds(every: Sequence[Values], columns: int) -> tuple[float, float]:
    """The lowest and the highest of what columns show, (0, 0) for nothing."""
    means = [
        column_means(series, min(strip_columns(columns), len(series)))
        for values in every
        for series in values.T
    ]
    finite = np.concatenate(means)
    finite = finite[np.isfinite(finite)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _columns_during(panel: TimePanel, columns: int) -> list[tuple[int, int]]:
    """The columns of each incident of a panel."""
    width = min(strip_columns(columns), len(panel.timestamps))
    begin, length = panel.timestamps.start, panel.end - panel.timestamps.start
    found = []
    for each in panel.incidents:
        first = (max(each.start, begin) - begin) * width // length
        last = -(-(min(each.end, panel.end) - begin) * width // length)
        found.append((first, max(last, first + 1)))
    return found


def _mark(line: Text, during: Sequence[tuple[int, int]]) -> None:
    offset = SCALE_COLUMNS + 1
    for first, last in during:
        line.stylize(DURING, offset + first, offset + last)


def _letter_row(panel: TimePanel, letters: Letters, columns: int) -> Text:
    """The letter of the incident of each column; ``*`` where there are several."""
    cells = [" "] * (min(strip_columns(columns), len(panel.timestamps)) + 1)
    spans = _columns_during(panel, columns)
    for incident, (first, last) in zip(panel.incidents, spans, strict=True):
        for column in range(first, min(last, len(cells))):
            cells[column] = letters[incident] if cells[column] == " " else "*"
    text = "".join(cells).rstrip()
    return Text("incident".rjust(SCALE_COLUMNS) + " " + text, DURING)


def _axis(panel: TimePanel, columns: int) -> Text:
    """Round times in UTC, each at its column."""
    width = min(strip_columns(columns), len(panel.timestamps))
    begin, length = panel.timestamps.start, panel.end - panel.timestamps.start
    form = "%m-%d %H:%M" if length > DAY else "%H:%M:%S"
    least = length / max(min(TICKS, width // TICK_COLUMNS), 1)
    step = next((each * MICROSECONDS for each in ROUND_STEPS if each * MICROSECONDS >= least), DAY)
    step *= max(ceil(least / step), 1)
    text = "UTC".rjust(SCALE_COLUMNS) + " "
    for tick in range(next_multiple(begin, step), panel.end, step):
        column = SCALE_COLUMNS + 1 + (tick - begin) * width // length
        if column + TICK_COLUMNS <= columns:
            text = text.ljust(column) + "╵" + to_datetime(tick).strftime(form)
    return Text(text, "dim")


def _list(letters: Letters) -> Iterator[Text]:
    for incident, letter in list(letters.items())[:MAX_LISTED]:
        start, end = (to_datetime(each) for each in (incident.start, incident.end))
        last = end.strftime("%H:%M:%S" if end.date() == start.date() else "%m-%d %H:%M:%S")
        cause = "" if incident.cause is None else f", from {incident.cause}"
        yield Text.assemble(
            (letter, DURING),
            f" {incident.name} {incident.place}, {start:%m-%d %H:%M:%S} to {last}, "
            f"severity {incident.severity:.2f}{cause}",
        )
    if len(letters) > MAX_LISTED:
        yield Text(f"and {len(letters) - MAX_LISTED:,} more; `fleetstream labels` lists all.")
