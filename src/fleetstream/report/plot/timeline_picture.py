"""Measures over time with incidents shaded, as picture files, drawn with matplotlib."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from fleetstream.generate.moments import to_datetime
from fleetstream.report.plot.pictures import MAX_LEGEND, draw_lines, draw_marks, save_drawing
from fleetstream.report.plot.timeline import TimePanel, incidents_of
from fleetstream.report.series import unit_of

WIDTH, PANEL_HEIGHT, LEGEND_HEIGHT = 11.0, 2.7, 0.2
"""Inches; the legend's are per line."""

SHADES = (
    *("#e377c2", "#bcbd22", "#17becf", "#ff9896", "#98df8a", "#c5b0d5"),
    *("#ffbb78", "#9edae5", "#c49c94", "#dbdb8d", "#aec7e8", "#7f7f7f"),
)
"""Colours of incidents by their name, none of which is that of one of the first six lines."""

NARROWEST = 0.002
"""The least width of what is shaded, as a share of the axes: enough to be seen."""

MAX_ROWS = 4
"""Rows of names of incidents in a panel, at most; those without room are named by their colour."""

CHARACTER = 0.0062
"""The width of a character of a name, about, as a share of the axes."""

LARGE = 100_000
"""From this value on, an axis has prefixes such as k and M."""


def save_timeline(path: Path, panels: Sequence[TimePanel]) -> None:
    """Draw panels one below the other, on one axis of time.

    Raises OSError, and ValueError for an unknown suffix.
    """
    handles = list(_legend(panels))
    columns = 3 if len(handles) > 2 else len(handles) or 1
    rows = -(-len(handles) // columns)
    height = PANEL_HEIGHT * len(panels) + LEGEND_HEIGHT * rows
    drawing = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = drawing.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    colours = _colours(panels)
    for each, panel in zip(axes, panels, strict=True):
        _draw_panel(each, panel, colours)
        if not _share_series(panels) and 1 < len(panel.lines.names) <= MAX_LEGEND:
            each.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    axes[-1].set_xlabel("time (UTC)", fontsize="small")
    if handles:
        drawing.legend(handles=handles, fontsize="small", loc="outside lower center", ncols=columns)
    save_drawing(drawing, path)


def _colours(panels: Sequence[TimePanel]) -> dict[str, str]:
    """A colour for each name of an incident."""
    names = dict.fromkeys(each.name for each in incidents_of(panels))
    return {name: SHADES[place % len(SHADES)] for place, name in enumerate(sorted(names))}


def _legend(panels: Sequence[TimePanel]) -> Iterator[Artist]:
    """Series, if all panels have the same, the line without incidents, and names of incidents."""
    names = panels[0].lines.names
    if _share_series(panels) and 1 < len(names) <= MAX_LEGEND:
        for place, name in enumerate(names):
            yield Line2D([], [], color=f"C{place}", label=name)
    if any(panel.baseline is not None for panel in panels):
        yield Line2D([], [], color="black", linestyle=":", label="without incidents")
    for name, colour in _colours(panels).items():
        yield Patch(facecolor=colour, alpha=0.35, label=name)


def _share_series(panels: Sequence[TimePanel]) -> bool:
    return len({tuple(panel.lines.names) for panel in panels}) == 1


def _draw_panel(axes: Axes, panel: TimePanel, colours: dict[str, str]) -> None:
    lines = panel.lines
    if lines.words:
        draw_marks(axes, lines)
    else:
        draw_lines(axes, lines)
        if panel.baseline is not None:
            _draw_baseline(axes, panel)
        if np.nanmax(np.abs(lines.values), initial=0) >= LARGE:
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_ylabel(unit_of(panel.measure))
    one = f": {lines.names[0]}" if len(lines.names) == 1 else ""
    axes.set_title(f"{panel.measure.name}{one}", fontsize="medium", loc="left")
    axes.set_xlim(_number(panel.timestamps.start), _number(panel.end))
    least = round(NARROWEST * (panel.end - panel.timestamps.start))
    for incident in panel.incidents:
        axes.axvspan(
            _number(incident.start),
            _number(max(incident.end, incident.start + least)),
            color=colours[incident.name],
            alpha=0.35,
            linewidth=0,
            zorder=0,
        )
    _draw_names(axes, panel)


def _draw_baseline(axes: Axes, panel: TimePanel) -> None:
    """The values without incidents where they differ, joined to the others."""
    assert panel.baseline is not None
    times = np.array(panel.lines.times)
    differs = panel.baseline != panel.lines.values
    differs[1:] |= differs[:-1]
    differs[:-1] |= differs[1:]
    for place, values in enumerate(np.where(differs, panel.baseline, np.nan).T):
        axes.plot(times, values, color=f"C{place}", linewidth=1.2, linestyle=":")


def _draw_names(axes: Axes, panel: TimePanel) -> None:
    """The name of each incident where it begins, above the lines."""
    placed = list(_placed_names(panel))
    rows = max((row + 1 for _, _, row in placed), default=0)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.09 * rows * (high - low))
    for name, left, row in placed:
        axes.text(
            left + 0.002,
            0.98 - row * 0.075,
            name,
            transform=axes.transAxes,
            fontsize="x-small",
            verticalalignment="top",
        )


def _placed_names(panel: TimePanel) -> Iterator[tuple[str, float, int]]:
    """Names in rows so that none covers another: each with its left end and its row.

    Names that would need more than :data:`MAX_ROWS` are left out.
    """
    begin, length = panel.timestamps.start, panel.end - panel.timestamps.start
    free = [0.0] * MAX_ROWS
    for incident in panel.incidents:
        name = incident.name
        if len(panel.lines.names) > 1:
            name += f" {incident.place}"
        width = CHARACTER * len(name) + 0.005
        left = min(max(incident.start - begin, 0) / length, max(1 - width, 0))
        row = next((row for row, until in enumerate(free) if until <= left), None)
        if row is not None:
            free[row] = left + width
            yield name, left, row


def _number(timestamp: int) -> float:
    return float(date2num(to_datetime(timestamp)))  # type: ignore[no-untyped-call]
