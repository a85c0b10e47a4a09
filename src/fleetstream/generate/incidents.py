"""What incidents do to values.

A value with incidents differs from the value without them only where a label says so, since both
follow from the same occurrences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Numbers
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import Booleans
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.occurrences import IncidentSource, Occurrences
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
        return Active(self.source.effects, len(self.of), series, cells >= 0, names)


@dataclass(frozen=True, slots=True)
class Active:
    """Incidents of one kind that are going on.

    ``series`` are the places of the affected ones among ``count``; ``where`` and ``names`` have the
    shape (times, affected series).
    """

    effects: Sequence[Effect]
    count: int
    series: npt.NDArray[np.intp]
    where: Booleans
    names: Mapping[str, Numbers]

    def on_driver(self, driver: str, values: Numbers) -> Numbers:
        """The values of a driver under these incidents."""
        for effect in self.effects:
            if effect.driver == driver:
                values = self._changed(effect, values)
        return values

    def on_target(self, kind: str, target: str, values: Numbers) -> Numbers:
        """The values of a measure or variable under these incidents."""
        for effect in self.effects:
            if (effect.kind, effect.target) == (kind, target) and not effect.drop:
                values = self._changed(effect, values)
        return values

    def drops(self, kind: str, measure: str) -> Booleans | None:
        """Which values of a measure are missing because of these incidents, None for none."""
        for effect in self.effects:
            if effect.drop and effect.kind == kind and effect.target in (None, measure):
                dropped = np.zeros((len(self.where), self.count), np.bool_)
                dropped[:, self.series] = self.where
                return dropped
        return None

    def _changed(self, effect: Effect, values: Numbers) -> Numbers:
        assert effect.expression is not None
        before = values[:, self.series]
        amount = effect.expression.evaluate(self.names)
        match effect.operation:
            case "multiply":
                after = before * amount
            case "add":
                after = before + amount
            case _:
                after = amount
        changed = values.copy()
        changed[:, self.series] = np.where(self.where, after, before)
        return changed
