"""What a plot over time shows: measures of a few series, and the incidents that affect them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Label
from fleetstream.generate.moments import MICROSECONDS, next_multiple, to_datetime
from fleetstream.generate.points import reached_by_incident
from fleetstream.generate.rows import Indices
from fleetstream.model import Measure
from fleetstream.report.plot.figures import TimeLines, labelled
from fleetstream.report.series import Values, values_over_time, words_of

MAX_POINTS = 2_100
"""Points over time, at most: a week every five minutes."""

MAX_SERIES = 10
"""Series that are drawn unless more are asked for: more colours cannot be told apart."""

ROUND_STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    14_400,
    21_600,
    43_200,
    86_400,
)
"""Distances in seconds that points may have; beyond them, whole days."""

PROBES = 24
"""Moments within an incident at which values are compared with those without it."""


@dataclass(frozen=True, slots=True)
class ShadedIncident:
    """An incident that changes a drawn measure of some of the drawn series.

    ``place`` is the title of the series if it happened to one alone, else the texts of the row that
    it happened to. If it has spread there, ``cause`` has the texts of where it began. ``start`` and
    ``end`` (the first moment that is not affected) are in microseconds, and may lie outside the
    stretch that is drawn.
    """

    name: str
    place: str
    start: int
    end: int
    severity: float
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class TimePanel:
    """A measure of some series over time, at ``timestamps`` in microseconds.

    ``baseline`` has the values without incidents, in the shape of ``lines.values``; None where they
    were not asked for or the model has no incidents. ``end`` is where the stretch ends.
    """

    measure: Measure
    lines: TimeLines
    timestamps: range
    end: int
    incidents: list[ShadedIncident]
    baseline: Values | None = None


def points_between(begin: int, end: int, interval: int) -> range:
    """Timestamps from ``begin`` until before ``end``, at most :data:`MAX_POINTS` of them.

    They are multiples of a round distance that is at least ``interval`` (microseconds). Raises
    ValueError where there is none.
    """
    least = max((end - begin) / MAX_POINTS, interval)
    round_steps = (each * MICROSECONDS for each in ROUND_STEPS)
    day = ROUND_STEPS[-1] * MICROSECONDS
    step = next((each for each in round_steps if each >= least), next_multiple(int(least), day))
    if interval and step % interval:
        step = next_multiple(int(least), interval)
    stamps = range(next_multiple(begin, step), end, step)
    if not stamps:
        raise ValueError(
            "No multiple of the interval lies in the time to draw; choose a longer time or a "
            "shorter --interval."
        )
    return stamps


@dataclass(frozen=True, slots=True)
class Stretch:
    """The fleet and the stretch of time of a plot.

    ``calm`` generates the same fleet without incidents. ``series`` is how many series of a kind are
    drawn, None for all if they are not too many. Points are at ``timestamps``, and the stretch ends
    at ``end`` (microseconds). With ``baseline``, the values without incidents are drawn too.
    """

    generator: Generator
    calm: Generator
    series: int | None
    timestamps: range
    end: int
    baseline: bool = False

    def panel(self, kind: str, measure: Measure) -> TimePanel:
        """A measure of the first series of a kind.

        Raises ValueError where there are no series, or more than :data:`MAX_SERIES` and ``series``
        is None.
        """
        count = self._count(kind, measure)
        lines = TimeLines(
            title=labelled(measure),
            label=labelled(measure),
            times=[to_datetime(timestamp) for timestamp in self.timestamps],
            names=self.generator.tables[kind].titles(count),
            values=values_over_time(self.generator, kind, measure.name, count, self.timestamps),
            words=words_of(measure),
        )
        without = None
        if self.baseline and self.generator.model.incidents:
            without = values_over_time(self.calm, kind, measure.name, count, self.timestamps)
        incidents = self._incidents(kind, measure.name, count)
        return TimePanel(measure, lines, self.timestamps, self.end, incidents, without)

    def _count(self, kind: str, measure: Measure) -> int:
        """How many series are drawn."""
        available = len(self.generator.tables[kind])
        described = self.generator.model.kinds[kind]
        if not available:
            raise ValueError(
                f"There are no series of the kind {kind!r} to draw; choose other filters or a "
                "measure of another kind."
            )
        if self.series is None and available > MAX_SERIES:
            changing = self.generator.model.changing_dimensions(described)
            known = [name for name in described.dimensions if name not in changing]
            raise ValueError(
                f"{measure.name} has {available:,} {described.noun}, but at most {MAX_SERIES} can "
                f"be told apart; choose some with --include DIMENSION=VALUE ({', '.join(known)}), "
                "or the first N with --series N."
            )
        return min(available, self.series or available)

    def _incidents(self, kind: str, measure: str, count: int) -> list[ShadedIncident]:
        """The incidents that change values of a measure in the first ``count`` series."""
        rows = self._rows_reached(kind, measure, count)
        near = [
            (label, self._probes(label), below)
            for label in self.generator.labels(self.timestamps.start, self.end)
            if (label.incident, label.spread) in rows
            and len(below := np.flatnonzero(rows[label.incident, label.spread] == label.row))
        ]
        if not near:
            return []
        stamps = np.unique(np.concatenate([probes for _, probes, _ in near]))
        real, without = (
            values_over_time(each, kind, measure, count, stamps.tolist())
            for each in (self.generator, self.calm)
        )
        differs = ~((real == without) | (np.isnan(real) & np.isnan(without)))
        return [
            self._shaded(label, kind, below)
            for label, probes, below in near
            if differs[np.searchsorted(stamps, probes)][:, below].any()
        ]

    def _rows_reached(
        self, kind: str, measure: str, count: int
    ) -> dict[tuple[str, int | None], Indices]:
        """For each incident and spread that acts on a measure, its row for each of the series."""
        model = self.generator.model
        return {
            (name, spread): self.generator.rows_above(kind, model.incidents[name].level)[:count]
            for (name, spread), measures in reached_by_incident(model, kind).items()
            if measure in measures
        }

    def _probes(self, label: Label) -> npt.NDArray[np.int64]:
        """Moments within the part of an incident that is drawn."""
        first, last = max(label.start, self.timestamps.start), min(label.end, self.end) - 1
        return np.linspace(first, last, PROBES).astype(np.int64)

    def _shaded(self, label: Label, kind: str, below: npt.NDArray[np.intp]) -> ShadedIncident:
        model = self.generator.model
        place = _short(label.place)
        if model.incidents[label.incident].level == model.kinds[kind].level:
            place = self.generator.tables[kind].titles(int(below[0]) + 1)[-1]
        cause = None if label.parent is None else _short(label.cause)
        return ShadedIncident(label.incident, place, label.start, label.end, label.severity, cause)


def _short(place: Mapping[str, str]) -> str:
    """The texts of a place, without those that the text of the next level begins with."""
    texts = list(place.values())
    below = [*texts[1:], ""]
    return " ".join(
        text for text, next_ in zip(texts, below, strict=True) if not next_.startswith(text)
    )


def incidents_of(panels: Sequence[TimePanel]) -> list[ShadedIncident]:
    """The incidents of all panels, each once, by start."""
    found = {each for panel in panels for each in panel.incidents}
    return sorted(found, key=lambda each: (each.start, each.name, each.place))
