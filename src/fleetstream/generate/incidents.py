"""When incidents happen, and what they do to values.

The incidents of a row are events on a lattice, as those of life cycles are; start, duration and
severity are hashes of the row and the cell of time. So labels are found without generating values,
and a value with incidents differs from the value without them only where a label says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import CELLS_PER_EVENT, NEVER, Booleans, event_cells
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.incidents import Effect, Incident


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Incidents of one kind: one element per incident, ordered by row and time.

    ``rows`` are the rows that they happen to; times are in microseconds, and ``ends`` the first
    moment that is not affected.
    """

    rows: npt.NDArray[np.intp]
    cells: Times
    starts: Times
    ends: Times
    severities: Numbers

    def where(self, wanted: Booleans) -> "Occurrences":
        """Those that are wanted."""
        return Occurrences(
            self.rows[wanted],
            self.cells[wanted],
            self.starts[wanted],
            self.ends[wanted],
            self.severities[wanted],
        )


@dataclass(frozen=True)
class IncidentRows:
    """A kind of incident, and the seeded keys of the rows that it happens to."""

    name: str
    incident: Incident
    keys: Bits
    _memory: dict[tuple[int, int], Occurrences] = field(default_factory=dict, compare=False)

    def between(self, begin: int, end: int) -> Occurrences:
        """All incidents that affect any moment from ``begin`` until before ``end``."""
        length = max(self.incident.every_us // CELLS_PER_EVENT, 1)
        cells = begin // length - 1, (end - 1) // length + 1
        known = self._memory.get(cells)
        if known is None:
            self._memory.clear()
            known = self._memory[cells] = self._occurrences(length, *cells)
        return known.where((known.starts < end) & (known.ends > begin))

    def _occurrences(self, length: int, first: int, last: int) -> Occurrences:
        """The incidents that begin in the cells from ``first`` to ``last``."""
        keys = self.keys + name_key("incident", self.name)
        events = event_cells(keys, length, first, last).events
        rows, places = np.nonzero(events.T != NEVER)
        cells, starts = first + places, events[places, rows]
        incident, own = self.incident, keys[rows] + mix(cells.astype(np.uint64))
        draws = uniform(mix(own + name_key("duration")))
        spans = incident.shortest_us + draws * (incident.longest_us - incident.shortest_us)
        ends = starts + spans.astype(np.int64)
        follows = np.append(rows[1:] == rows[:-1], [False])
        ends = np.where(follows, np.minimum(ends, np.append(starts[1:], [NEVER])), ends)
        draws = uniform(mix(own + name_key("severity")))
        severities = incident.mildest + draws * (incident.worst - incident.mildest)
        return Occurrences(rows, cells, starts, ends, severities)


@dataclass(frozen=True, slots=True)
class IncidentView:
    """A kind of incident as series suffer it: ``of`` is the row of each series."""

    rows: IncidentRows
    of: npt.NDArray[np.intp]

    def part(self, series: slice) -> "IncidentView":
        """The view of some of the series, with no more rows than they have."""
        rows, of = np.unique(self.of[series], return_inverse=True)
        part = IncidentRows(self.rows.name, self.rows.incident, self.rows.keys[rows])
        return IncidentView(part, of)

    def active(self, times: Times) -> "Active | None":
        """What is going on at the times, None if nothing is."""
        if not len(times) or not len(self.of):
            return None
        found = self.rows.between(int(times.min()), int(times.max()) + 1)
        hit = np.zeros(len(self.rows.keys), np.bool_)
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
        return Active(self.rows.incident.effects, len(self.of), series, cells >= 0, names)


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
