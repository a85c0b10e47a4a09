"""What incidents do to values.

A value with incidents differs from the value without them only where a label says so, since both
follow from the same occurrences.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Numbers
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import Booleans
from fleetstream.generate.moments import LATEST, MICROSECONDS
from fleetstream.generate.occurrences import IncidentSource, Occurrences
from fleetstream.model import Measure, Variable
from fleetstream.model.incidents import Effect


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
        number = np.full((len(times), len(rows)), -1)
        column_of = dict(zip(rows.tolist(), range(len(rows)), strict=True))
        for place, row in enumerate(found.rows.tolist()):
            if row in column_of:
                during = (times >= found.starts[place]) & (times < found.ends[place])
                number[during, column_of[row]] = place
        cells = number[:, columns]
        elapsed = (times[:, np.newaxis] - found.starts[cells]) / MICROSECONDS
        spans = (found.ends - found.starts)[cells] / MICROSECONDS
        names = {
            "severity": found.severities[cells],
            "elapsed": elapsed,
            "progress": elapsed / np.maximum(spans, 1e-6),
        }
        return Active(self.source.effects, len(self.of), series, cells >= 0, names, times, columns)


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
    delays: "dict[str, list[DelayedAlike]]" = field(default_factory=dict)
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
            self.delays[text] = [*self._groups(effect)]
        for group in self.delays[text]:
            values[group.cells] = at(group.times, group.series)[group.places]
        return values

    def _groups(self, effect: Effect) -> "Iterator[DelayedAlike]":
        """The series that are delayed alike, which are evaluated together."""
        assert effect.expression is not None
        _, firsts = np.unique(self.rows, return_index=True)
        amounts = effect.expression.evaluate(self.names)
        seconds = np.broadcast_to(amounts, self.where.shape)[:, firsts]
        shifts = np.nan_to_num(np.rint(seconds * MICROSECONDS)).clip(-LATEST, LATEST)
        times = (self.times[:, np.newaxis] - shifts.astype(np.int64)).clip(0, LATEST)
        times[~self.where[:, firsts]] = NOWHERE
        # One column of bytes per row, which are compared faster than arrays are.
        stamped = np.ascontiguousarray(times.T).view(f"V{times.itemsize * len(times)}")[:, 0]
        _, firsts, groups = np.unique(stamped, return_index=True, return_inverse=True)
        alike = times[:, firsts]
        of = groups[self.rows]
        for group in range(alike.shape[1]):
            during = np.flatnonzero(alike[:, group] != NOWHERE)
            if len(during):
                columns = np.flatnonzero(of == group)
                distinct, places = np.unique(alike[during, group], return_inverse=True)
                yield DelayedAlike(np.ix_(during, columns), distinct, places, self.series[columns])


@dataclass(frozen=True, slots=True)
class DelayedAlike:
    """The cells of some series that have the values of other ``times``, which are distinct.

    ``cells`` selects the affected ones, ``places`` has the place of the other time of each of their
    times, and ``series`` the places of the series.
    """

    cells: tuple[npt.NDArray[np.intp], ...]
    times: Times
    places: npt.NDArray[np.intp]
    series: npt.NDArray[np.intp]


NOWHERE = -1
"""Stands for a time at which no incident is going on."""

ValuesAt = Callable[[Times, npt.NDArray[np.intp]], Numbers]
"""Returns values at other times, of shape (times, series), of series at some places."""
