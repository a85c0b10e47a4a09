"""What incidents do to values.

A value with incidents differs from the value without them only where a label says so, since both
follow from the same occurrences.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Booleans, Numbers
from fleetstream.generate.lattice import Times
from fleetstream.generate.moments import LATEST, MICROSECONDS
from fleetstream.generate.occurrences import IncidentSource, Occurrences, Places, numbered
from fleetstream.model import Measure, Variable
from fleetstream.model.incidents import Effect

TOGETHER = 8_192
"""Cells at other times that are computed together, although not all of them are needed."""

NOWHERE = -1
"""Stands for a time at which no incident is going on."""


@dataclass(frozen=True, slots=True)
class IncidentView:
    """Incidents as series suffer them: ``of`` is the row of each series."""

    source: IncidentSource
    of: npt.NDArray[np.intp]

    def part(self, series: slice) -> "IncidentView":
        """The view of some of the series, with no more rows than they have."""
        rows, of = np.unique(self.of[series], return_inverse=True)
        return IncidentView(self.source.part(rows), of)

    def active(self, times: Times) -> "Iterator[Active]":
        """What is going on at the times; of incidents that overlap at a row, each by itself."""
        if len(times) and len(self.of):
            found = self.source.between(int(times.min()), int(times.max()) + 1)
            if len(found):
                for layer in found.layers():
                    active = self._active(times, layer)
                    if active is not None:
                        yield active

    def _active(self, times: Times, found: Occurrences) -> "Active | None":
        hit = np.zeros(self.source.count, np.bool_)
        hit[found.rows] = True
        series = np.flatnonzero(hit[self.of])
        if not len(series):
            return None
        rows, columns = np.unique(self.of[series], return_inverse=True)
        number = _numbers(times, found, numbered(rows, self.source.count), len(rows))
        cells = number[:, columns]
        names = self._names(times, found, cells)
        return Active(self.source.effects, len(self.of), series, cells >= 0, names, times, columns)

    def _names(
        self, times: Times, found: Occurrences, cells: npt.NDArray[np.intp]
    ) -> dict[str, Numbers]:
        """What the effects' expressions use of the incident in each cell."""
        expressions = [each.expression for each in self.source.effects if each.expression]
        used = frozenset[str]().union(*(each.names for each in expressions))
        names: dict[str, Numbers] = {}
        if "severity" in used:
            names["severity"] = found.severities[cells]
        if not used.isdisjoint({"elapsed", "progress"}):
            names["elapsed"] = (times[:, np.newaxis] - found.starts[cells]) / MICROSECONDS
        if "progress" in used:
            spans = (found.ends - found.starts)[cells] / MICROSECONDS
            names["progress"] = names["elapsed"] / np.maximum(spans, 1e-6)
        return names


def _numbers(
    times: Times, found: Occurrences, column_of: Places, columns: int
) -> npt.NDArray[np.intp]:
    """The number of the incident that is going on at each time in each column, −1 for none.

    ``column_of`` has the column of each row, −1 for rows without one.
    """
    places = column_of[found.rows]
    order = np.argsort(times, kind="stable")
    firsts, lasts = (
        np.searchsorted(times, moments, sorter=order) for moments in (found.starts, found.ends)
    )
    ordered = np.full((len(times), columns), -1)
    concerned = np.flatnonzero((places >= 0) & (firsts < lasts))
    for number, first, last, place in zip(
        concerned.tolist(),
        firsts[concerned].tolist(),
        lasts[concerned].tolist(),
        places[concerned].tolist(),
        strict=True,
    ):
        ordered[first:last, place] = number
    numbers = np.empty_like(ordered)
    numbers[order] = ordered
    return numbers


@dataclass(frozen=True, slots=True)
class Active:
    """Incidents of one kind that are going on.

    ``series`` are the places of the affected ones among ``count``; ``where`` and ``names`` have the
    shape (times, affected series). ``rows`` tells which of these series suffer the same incident.
    """

    effects: Sequence[Effect]
    count: int
    series: npt.NDArray[np.intp]
    where: Booleans
    names: Mapping[str, Numbers]
    times: Times
    rows: npt.NDArray[np.intp]
    delays: "dict[str, list[DelayedTogether]]" = field(default_factory=dict)
    """What is known about delays, by their expression."""

    def on_driver(self, driver: str, values: Numbers, at: "ValuesAt") -> Numbers:
        """The values of a driver under these incidents; ``at`` returns those without."""
        for effect in self.effects:
            if effect.driver == driver:
                values = self._changed(effect, values, at)
        return values

    def on_target(
        self, kind: str, source: Variable | Measure, values: Numbers, at: "ValuesAt"
    ) -> Numbers:
        """The values of a measure or variable under these incidents; ``at`` returns those without.

        An effect without a target acts on measures only.
        """
        targets = (None, source.name) if isinstance(source, Measure) else (source.name,)
        for effect in self.effects:
            if effect.kind == kind and effect.target in targets and not effect.drop:
                values = self._changed(effect, values, at)
        return values

    def drops(self, kind: str, measure: str) -> Booleans | None:
        """Which values of a measure are missing because of these incidents, None for none."""
        for effect in self.effects:
            if effect.drop and effect.kind == kind and effect.target in (None, measure):
                dropped = np.zeros((len(self.where), self.count), np.bool_)
                dropped[:, self.series] = self.where
                return dropped
        return None

    def _changed(self, effect: Effect, values: Numbers, at: "ValuesAt") -> Numbers:
        assert effect.expression is not None
        values = np.broadcast_to(values, (len(self.times), self.count))
        before = values[:, self.series]
        match effect.operation:
            case "multiply":
                after = before * effect.expression.evaluate(self.names)
            case "add":
                after = before + effect.expression.evaluate(self.names)
            case "delay":
                after = self._delayed(effect, at)
            case _:
                after = effect.expression.evaluate(self.names)
        changed = values.copy()
        changed[:, self.series] = np.where(self.where, after, before)
        return changed

    def _delayed(self, effect: Effect, at: "ValuesAt") -> Numbers:
        """The values of so many seconds earlier, where an incident is going on."""
        values = np.zeros(self.where.shape)
        text = effect.delay or ""
        if text not in self.delays:
            self.delays[text] = [*self._delayed_together(effect)]
        for part in self.delays[text]:
            found = at(part.times, self.series[part.columns], effect.target is not None)
            values[:, part.columns] = np.take_along_axis(found, part.places, axis=0)
        return values

    def _delayed_together(self, effect: Effect) -> "Iterator[DelayedTogether]":
        """The affected series in parts, each of which is evaluated at all times that it needs.

        Series that are delayed alike need the same times; others share a part with them as long as
        it is small, since a call costs more than some values that nothing needs.
        """
        assert effect.expression is not None
        _, firsts = np.unique(self.rows, return_index=True)
        amounts = effect.expression.evaluate(self.names)
        seconds = np.broadcast_to(amounts, self.where.shape)[:, firsts]
        shifts = np.rint(seconds * MICROSECONDS)
        shifts = np.where(np.isnan(shifts), 0.0, shifts).clip(-LATEST, LATEST)
        times = (self.times[:, np.newaxis] - shifts.astype(np.int64)).clip(0, LATEST)
        times[~self.where[:, firsts]] = NOWHERE
        # One column of bytes per row, which are compared faster than arrays are.
        stamped = np.ascontiguousarray(times.T).view(f"V{times.itemsize * len(times)}")[:, 0]
        _, firsts, groups = np.unique(stamped, return_index=True, return_inverse=True)
        alike, of = times[:, firsts], groups[self.rows]
        for some in _small_parts(_different(alike), np.bincount(of)):
            needed, places = np.unique(alike[:, some], return_inverse=True)
            if needed[0] == NOWHERE:
                needed, places = needed[1:], np.maximum(places - 1, 0)
            columns = np.flatnonzero((of >= some.start) & (of < some.stop))
            if len(needed):
                places = places.reshape(len(times), -1)[:, of[columns] - some.start]
                yield DelayedTogether(columns, needed, places)


@dataclass(frozen=True, slots=True)
class DelayedTogether:
    """Affected series, by their ``columns``, that have the values of other ``times``.

    ``places`` has which of these times each cell has, of shape (times, columns).
    """

    columns: npt.NDArray[np.intp]
    times: Times
    places: npt.NDArray[np.intp]


def _different(times: Times) -> npt.NDArray[np.intp]:
    """How many different times each column has."""
    ordered = np.sort(times, axis=0)
    different: npt.NDArray[np.intp] = 1 + np.count_nonzero(ordered[1:] != ordered[:-1], axis=0)
    return different


def _small_parts(times: npt.NDArray[np.intp], series: npt.NDArray[np.intp]) -> Iterator[slice]:
    """Consecutive groups whose times and series make at most :data:`TOGETHER` cells, if possible.

    ``times`` and ``series`` are the numbers of each group.
    """
    first, height, width = 0, 0, 0
    for place, (more, wider) in enumerate(zip(times.tolist(), series.tolist(), strict=True)):
        if place > first and (height + more) * (width + wider) > TOGETHER:
            yield slice(first, place)
            first, height, width = place, 0, 0
        height, width = height + more, width + wider
    yield slice(first, len(times))


ValuesAt = Callable[[Times, Places, bool], Numbers]
"""Returns values at other times, of shape (times, series), of series at some places.

The last argument says whether nothing else is wanted of these series at these times.
"""
