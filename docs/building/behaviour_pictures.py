"""Draws the pictures of `docs/behaviour.md` from the values of the models."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from docs.building.record import IMAGES
from docs.building.statistics import Values, autocorrelation
from fleetstream.generate.choices import IncidentChoice, ScheduledIncident
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Label
from fleetstream.generate.moments import to_datetime
from fleetstream.generate.points import reached_measures
from fleetstream.model import DataType, Measure, builtin_models, load_model
from fleetstream.model.dynamics import Counter
from fleetstream.report.plot.figures import labelled
from fleetstream.report.plot.timeline_picture import LARGE
from fleetstream.report.series import find_measure, values_over_time

SEED = 7

BEGIN = 1_793_577_600_000_000
"""Monday, 2 November 2026, in microseconds."""

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000

SERIES = 3
"""Series that are drawn."""

AVERAGED = 10
"""Series that the mean by hour is taken over, all of one place."""

COLOURS, DOTS_PER_INCH = 64, 90

SEARCHED = 180 * DAY
"""How much time is searched for an incident to show."""

COMPARED = 16
"""Occurrences of an incident of which one is shown."""

EXHIBIT_POINTS = 240

EXHIBITED = {
    ("aws-devops-realistic", "traffic-surge"): "network_bytes_in",
    ("aws-devops-realistic", "expired-certificate"): "network_bytes_in",
    ("aws-devops-realistic", "zone-outage"): "network_bytes_in",
    ("aws-devops-realistic", "silo-outage"): "network_bytes_in",
    ("aws-devops-realistic", "cpu-saturation"): "cpu_user",
    ("aws-devops-realistic", "bad-deployment"): "task_completed",
    ("aws-devops-realistic", "noisy-neighbour"): "latency_per_read",
    ("aws-devops-realistic", "stuck-sensor"): "cpu_user",
    ("kubernetes", "noisy-neighbour"): "node_cpu_utilization",
    ("kubernetes", "clock-skew"): "node_load1",
    ("web-shop", "traffic-surge"): "requests_per_second",
    ("web-shop", "region-outage"): "requests_per_second",
}
"""The measures that are drawn of some incidents, where another one changes more."""


@dataclass(frozen=True)
class Portrait:
    """What the picture of a model shows: a measure, and one that depends on another.

    ``zone`` is the UTC offset of the local time of the first series, in hours. ``together`` is the
    kind whose measures are correlated, by default that of the measure.
    """

    model: str
    measure: str
    cause: str
    effect: str
    zone: int = 0
    together: str | None = None


PORTRAITS = (
    Portrait("aws-devops-realistic", "metrics.cpu_user", "cpu_user", "latency_per_read", -5),
    Portrait("kubernetes", "node.node_cpu_utilization", "node_cpu_utilization", "node_load1"),
    Portrait("web-shop", "service.requests_per_second", "requests_per_second", "latency_p50", -5),
    Portrait("iot-trucks", "truck.speed", "speed", "engine_rpm", -8),
    Portrait("smart-meters", "transformer.transformer_load", "transformer_load",
             "oil_temperature", 1, "meter"),
)  # fmt: skip


@cache
def generator(model: str, incidents: IncidentChoice = IncidentChoice.OFF) -> Generator:
    """The fleet of a model, of the sample fleet one region.

    Incidents that happen only when they are scheduled are scheduled once, for all places.
    """
    include = {"region": ["us-east-2"]} if model.startswith("aws") else {}
    loaded = load_model(model)
    scheduled = [
        ScheduledIncident(name, {}, BEGIN + 3 * DAY + 8 * HOUR, 2 * HOUR)
        for name, incident in loaded.incidents.items()
        if incident.rate is None and not incident.scheduled
    ]
    return Generator(loaded, SEED, include=include, incidents=incidents, scheduled=scheduled)


@cache
def week(model: str, measure: str, series: int = SERIES, minutes: int = 5) -> Values:
    """A measure of the first series every so many minutes for a week, without incidents."""
    source = generator(model)
    kind, found = find_measure(source.model, measure)
    return values_over_time(
        source,
        kind,
        found.name,
        min(series, len(source.tables[kind])),
        range(BEGIN, BEGIN + 7 * DAY, minutes * MINUTE),
    )


def draw_portrait(portrait: Portrait) -> None:
    """A week, its shape by hour, correlations, autocorrelation, spectrum, cause and effect."""
    drawing = Figure(figsize=(12, 6.6), layout="constrained")
    (over_time, daily, matrix), (memory, spectrum, pair) = drawing.subplots(2, 3)
    kind, measure = find_measure(load_model(portrait.model), portrait.measure)
    values = week(portrait.model, portrait.measure)
    _draw_week(over_time, portrait, kind, measure, values)
    _draw_daily(daily, portrait, measure)
    _draw_matrix(matrix, portrait.model, portrait.together or kind)
    _draw_autocorrelation(memory, portrait, kind)
    _draw_spectrum(spectrum, measure, values)
    _draw_pair(pair, portrait, kind)
    save(drawing, portrait_path(portrait.model))


def portrait_path(model: str) -> Path:
    return IMAGES / f"behaviour-{model}.png"


def _draw_week(axes: Axes, portrait: Portrait, kind: str, measure: Measure, values: Values) -> None:
    names = generator(portrait.model).tables[kind].titles(values.shape[1])
    hours = np.arange(len(values)) / 12
    for name, series in zip(names, values.T, strict=True):
        axes.plot(hours / 24, series, linewidth=0.9, label=name)
    axes.set_xticks(np.arange(7) + 0.5, ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"])
    axes.set_xlim(0, 7)
    axes.legend(fontsize="x-small", loc="upper right")
    _finish(axes, "a week, days in UTC", "", labelled(measure))


def _draw_daily(axes: Axes, portrait: Portrait, measure: Measure) -> None:
    """Means by hour of the local day over the first series, which are of one place."""
    mean = np.nanmean(week(portrait.model, portrait.measure, AVERAGED), axis=1)
    minutes = (np.arange(len(mean)) * 5 + portrait.zone * 60) % (7 * 1_440)
    hours, weekend = minutes % 1_440 // 60, minutes >= 5 * 1_440
    for days, name in ((~weekend, "Monday to Friday"), (weekend, "weekend")):
        means = [np.nanmean(mean[days & (hours == hour)]) for hour in range(24)]
        axes.plot(range(24), means, marker=".", label=name)
    axes.set_xticks(range(0, 24, 6))
    axes.legend(fontsize="x-small")
    _finish(axes, "mean by hour", "hour, local time", labelled(measure))


def _draw_matrix(axes: Axes, model: str, kind: str) -> None:
    names, matrix = correlations(model, kind)
    noun = load_model(model).kinds[kind].noun
    image = axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_xticks([])  # in the order of the rows
    axes.set_yticks(range(len(names)), names, fontsize=6)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, shrink=0.8)
    axes.set_title(f"correlations, first of {noun}", fontsize="medium", loc="left")


@cache
def correlations(model: str, kind: str) -> tuple[list[str], Values]:
    """The correlations of the measures of the first series; of counters, of their rates."""
    names, columns = [], []
    for measure in load_model(model).kinds[kind].measures:
        if measure.type is DataType.VARCHAR or "bucket" in measure.name:
            continue
        values = week(model, f"{kind}.{measure.name}")[:, 0]
        if isinstance(measure.value, Counter) or measure.name.endswith(("_count", "_sum")):
            values = np.diff(values, append=np.nan)
        if np.nanstd(values) > 0:
            names.append(measure.name)
            columns.append(values)
    table = np.array(columns)
    return names, np.corrcoef(table[:, ~np.isnan(table).any(axis=0)])


def _draw_autocorrelation(axes: Axes, portrait: Portrait, kind: str) -> None:
    lags = np.arange(1, 48 * 12, 3)
    for name in dict.fromkeys((portrait.measure.rpartition(".")[2], portrait.effect)):
        series = week(portrait.model, f"{kind}.{name}")[:, 0]
        found = [autocorrelation(series, int(lag)) for lag in lags]
        axes.plot(lags / 12, found, linewidth=1.2, label=name)
    axes.set_xticks(range(0, 49, 12))
    axes.axhline(0, color="black", linewidth=0.6)
    axes.legend(fontsize="x-small")
    _finish(axes, "autocorrelation, first series", "lag, hours", "")


def _draw_spectrum(axes: Axes, measure: Measure, values: Values) -> None:
    """The mean periodogram of the drawn series, in cycles per day, averaged in narrow bands."""
    filled = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
    centred = (filled - filled.mean(axis=0)) * np.hanning(len(filled))[:, np.newaxis]
    power = (np.abs(np.fft.rfft(centred, axis=0)) ** 2).mean(axis=1)[1:]
    frequencies = np.fft.rfftfreq(len(filled), 5 / 1_440)[1:]
    edges = np.unique(np.geomspace(1, len(power), 60).astype(int)) - 1
    bands = np.add.reduceat(power, edges) / np.diff(np.append(edges, len(power)))
    axes.loglog(frequencies[edges], bands / bands.max(), linewidth=1.2)
    for cycles, name in ((1, "day"), (24, "hour")):
        axes.axvline(cycles, color="black", linewidth=0.6, linestyle=":")
        axes.text(cycles * 1.1, 1, name, fontsize="x-small", verticalalignment="top")
    _finish(axes, f"spectrum of {measure.name}", "cycles per day", "power, relative")


def _draw_pair(axes: Axes, portrait: Portrait, kind: str) -> None:
    model = load_model(portrait.model)
    cause, effect = (
        week(portrait.model, f"{kind}.{name}") for name in (portrait.cause, portrait.effect)
    )
    for one, other in zip(cause.T, effect.T, strict=True):
        axes.plot(one, other, ".", markersize=2, alpha=0.4)
    x, y = (model.kinds[kind].measure(name) for name in (portrait.cause, portrait.effect))
    assert x is not None
    assert y is not None
    _finish(axes, f"{y.name} against {x.name}", labelled(x), labelled(y))


def _finish(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize="medium", loc="left")
    axes.set_xlabel(across, fontsize="small")
    axes.set_ylabel(up, fontsize="small")
    axes.tick_params(labelsize="small")
    axes.grid(visible=True, alpha=0.3)


@dataclass(frozen=True)
class Exhibit:
    """An incident of a model in the measure that shows it best, of a series by its ``row``."""

    label: Label
    kind: str
    measure: Measure
    row: int
    timestamps: range
    values: Values
    without: Values


def models_with_incidents() -> list[str]:
    return [name for name in builtin_models() if load_model(name).incidents]


@cache
def exhibits(model: str) -> dict[str, Exhibit]:
    """A severe occurrence of each kind of incident of a model, by its name.

    It is that of at most :data:`COMPARED` about as severe as the most severe one which changes the
    measure most. Those that others overlap are left out: what they do to values is not in the label
    that is shaded.
    """
    labels = generator(model, IncidentChoice.ON).labels(BEGIN, BEGIN + SEARCHED)
    found = {}
    for name in load_model(model).incidents:
        of_kind = [
            each
            for each in labels
            if each.incident == name and each.start > BEGIN + DAY and each.parent is None
        ]
        of_kind.sort(key=lambda each: -each.severity)
        shown = (_exhibit(model, label) for label in of_kind)
        alone = (each for each in shown if each is not None and _is_alone(model, each, labels))
        compared = [*islice(alone, COMPARED)]
        alike = [
            each
            for each in compared
            if each.measure == compared[0].measure
            and each.label.severity > compared[0].label.severity - 0.1
        ]
        if alike:
            found[name] = max(alike, key=_change)
    return found


def _change(exhibit: Exhibit) -> float:
    """By how much an incident changes values on average, 0 where it makes them missing."""
    changes = np.abs(exhibit.values - exhibit.without)
    return float(np.nan_to_num(changes).mean())


def _is_alone(model: str, exhibit: Exhibit, labels: Sequence[Label]) -> bool:
    """Whether no other incident happens to the series of an exhibit while it is shown."""
    source, shown = generator(model, IncidentChoice.ON), exhibit.timestamps
    above = source.model.above(source.model.kinds[exhibit.kind].level)
    for label in labels:
        if label.start < shown.stop and label.end > shown.start and label.id != exhibit.label.id:
            level = source.model.incidents[label.incident].level
            if level in above and source.rows_above(exhibit.kind, level)[exhibit.row] == label.row:
                return False
    return True


def _exhibit(model: str, label: Label) -> Exhibit | None:
    """The measure that an incident changes most, None where nothing is there to be changed."""
    real, calm = generator(model, IncidentChoice.ON), generator(model)
    around = max(int(0.7 * (label.end - label.start)), 30 * MINUTE)
    step = max((label.end - label.start + 2 * around) // EXHIBIT_POINTS // 1_000_000, 1) * 1_000_000
    first = (label.start - around) // step * step
    timestamps = range(first, label.end + around, step)
    best, shown = 0.0, None
    incident = real.model.incidents[label.incident]
    for key, kind in real.model.kinds.items():
        if incident.level not in real.model.above(kind.level):
            continue
        below = np.flatnonzero(real.rows_above(key, incident.level) == label.row).tolist()
        reached = reached_measures(key, kind, incident.effects) if below else frozenset()
        for measure in kind.measures:
            if measure.name not in reached or measure.type is DataType.VARCHAR:
                continue
            values, without = (
                values_over_time(each, key, measure.name, below[0] + 1, timestamps)[:, below[0]]
                for each in (real, calm)
            )
            direct = any(each.endswith(f" {key}.{measure.name}") for each in label.effects)
            chosen = EXHIBITED.get((model, label.incident)) == measure.name
            score = _visibility(values, without) * (1_000 if direct else 1) * (1e9 if chosen else 1)
            if score > best:
                best = score
                shown = Exhibit(label, key, measure, below[0], timestamps, values, without)
    return shown


def _visibility(values: Values, without: Values) -> float:
    """How far values are from those without incidents, in steps from point to point of these.

    So a measure that is smooth without the incident shows it better than a noisy one.
    """
    known = ~np.isnan(without)
    if known.sum() < len(without) / 2:
        return 0.0
    steps = np.diff(without[known]).std() + 1e-4 * np.abs(without[known]).max() + 1e-12
    if (np.isnan(values) & known).any():
        return 10.0  # all measures are missing, and the first of them is shown
    differing = known & (values != without)
    return float(np.abs(values - without)[differing].mean() / steps) if differing.any() else 0.0


def draw_gallery(model: str) -> None:
    """One panel per kind of incident, with its label shaded and the values without it dotted."""
    shown = exhibits(model)
    columns = 3
    rows = -(-len(shown) // columns)
    drawing = Figure(figsize=(12, 2.3 * rows), layout="constrained")
    panels = drawing.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, exhibit) in zip(panels, shown.items(), strict=False):
        _draw_exhibit(axes, name, exhibit)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    save(drawing, gallery_path(model), ", ".join(shown))


def gallery_path(model: str) -> Path:
    return IMAGES / f"incidents-{model}.png"


def _draw_exhibit(axes: Axes, name: str, exhibit: Exhibit) -> None:
    times = np.array([to_datetime(each) for each in exhibit.timestamps])
    axes.plot(times, exhibit.without, color="black", linewidth=0.9, linestyle=":")
    axes.plot(times, exhibit.values, linewidth=1.2)
    label = exhibit.label
    axes.axvspan(
        to_datetime(label.start), to_datetime(label.end), color="tab:pink", alpha=0.3, linewidth=0
    )
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if np.nanmax(np.abs(exhibit.values)) >= LARGE:
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    _finish(axes, name, "", labelled(exhibit.measure))
    axes.yaxis.label.set_size("x-small")


def save(drawing: Figure, path: Path, description: str = "") -> None:
    """Write a picture with few colours, which makes it a third as large.

    The description is kept in the file.
    """
    buffer, details = io.BytesIO(), PngInfo()
    details.add_text("Description", description)
    drawing.savefig(buffer, dpi=DOTS_PER_INCH, metadata={"Software": None})
    Image.open(buffer).convert("RGB").quantize(COLOURS).save(path, optimize=True, pnginfo=details)


def pictures() -> Sequence[Path]:
    """All pictures of the page."""
    return [
        *(portrait_path(each.model) for each in PORTRAITS),
        *(gallery_path(model) for model in models_with_incidents()),
    ]


def build() -> None:
    """Draw all of them."""
    for portrait in PORTRAITS:
        draw_portrait(portrait)
    for model in models_with_incidents():
        draw_gallery(model)
