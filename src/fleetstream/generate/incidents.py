"""What incidents do to values.

A value with incidents differs from the value without them only where a label says so, since both
follow from the same occurrences.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
        before = values[:, self.series]
        amount = effect.expression.evaluate(self.names)
        match effect.operation:
            case "multiply":
                after = before * amount
            case "add":
                after = before + amount
            case "delay":
                after = self._delayed(np.broadcast_to(amount, before.shape), at)
            case _:
                after = amount
        changed = values.copy()
        changed[:, self.series] = np.where(self.where, after, before)
        return changed

    def _delayed(self, seconds: Numbers, at: "ValuesAt") -> Numbers:
        """The values of so many seconds earlier, where an incident is going on."""
        values = np.zeros(self.where.shape)
        for row in range(int(self.rows.max()) + 1):
            columns = np.flatnonzero(self.rows == row)
            during = np.flatnonzero(self.where[:, columns[0]])
            if len(during):
                shifts = np.rint(seconds[during, columns[0]] * MICROSECONDS)
                shifts = np.nan_to_num(shifts).clip(-LATEST, LATEST).astype(np.int64)
                times = (self.times[during] - shifts).clip(0, LATEST)
                values[np.ix_(during, columns)] = at(times, self.series[columns])
        return values


ValuesAt = Callable[[Times, npt.NDArray[np.intp]], Numbers]
"""Returns values at other times, of shape (times, series), of series at some places."""
