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
from fleetstream.generate.lives import CELLS_PER_EVENT, NEVER, Booleans, EventCells, event_cells
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


@dataclass(frozen=True)
class IncidentRows:
    """A kind of incident, and the seeded keys of the rows that it happens to."""

    name: str
    incident: Incident
    keys: Bits
    _memory: dict[tuple[int, int], EventCells] = field(default_factory=dict, compare=False)

    def between(self, begin: int, end: int) -> Occurrences:
        """All incidents that affect any moment from ``begin`` until before ``end``."""
        length = max(self.incident.every_us // CELLS_PER_EVENT, 1)
        keys = self.keys + name_key("incident", self.name)
        known = self._events(keys, length, begin // length - 1, (end - 1) // length + 1)
        rows, places = np.nonzero(known.events.T != NEVER)
        cells = known.first + places
        starts = known.events[places, rows]
        draws = uniform(mix(keys[rows] + mix(cells.astype(np.uint64)) + name_key("duration")))
        incident = self.incident
        spans = incident.shortest_us + draws * (incident.longest_us - incident.shortest_us)
        ends = starts + spans.astype(np.int64)
        follows = np.append(rows[1:] == rows[:-1], [False])
        ends = np.where(follows, np.minimum(ends, np.append(starts[1:], [NEVER])), ends)
        draws = uniform(mix(keys[rows] + mix(cells.astype(np.uint64)) + name_key("severity")))
        severities = incident.mildest + draws * (incident.worst - incident.mildest)
        affects = (starts < end) & (ends > begin)
        return Occurrences(
            rows[affects], cells[affects], starts[affects], ends[affects], severities[affects]
        )

    def _events(self, keys: Bits, length: int, first: int, last: int) -> EventCells:
        """The events of these cells, kept until others are asked for."""
        known = self._memory.get((first, last))
        if known is None:
            self._memory.clear()
            known = self._memory[first, last] = event_cells(keys, length, first, last)
        return known


@dataclass(frozen=True, slots=True)
class IncidentView:
    """A kind of incident as series suffer it: ``of`` is the row of each series."""

    rows: IncidentRows
    of: npt.NDArray[np.intp]

    def part(self, series: slice | npt.NDArray[np.intp]) -> "IncidentView":
        """The view of some of the series, with no more rows than they have."""
        rows, of = np.unique(self.of[series], return_inverse=True)
        part = IncidentRows(self.rows.name, self.rows.incident, self.rows.keys[rows])
        return IncidentView(part, of)

    def active(self, times: Times) -> "Active | None":
        """What is going on at the times, None if nothing is."""
        if not len(times) or not len(self.of):
            return None
        found = self.rows.between(int(times.min()), int(times.max()) + 1)
        if not len(found.rows):
            return None
        shape = (len(times), len(self.rows.keys))
        number = np.full(shape, -1)
        for place, (row, start, end) in enumerate(
            zip(found.rows.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True)
        ):
            number[(times >= start) & (times < end), row] = place
        cells = number[:, self.of]
        elapsed = (times[:, np.newaxis] - found.starts[cells]) / MICROSECONDS
        spans = (found.ends - found.starts)[cells] / MICROSECONDS
        names = {
            "severity": found.severities[cells],
            "elapsed": elapsed,
            "progress": elapsed / np.maximum(spans, 1e-6),
        }
        return Active(self.rows.incident.effects, cells >= 0, names)


@dataclass(frozen=True, slots=True)
class Active:
    """Incidents of one kind that are going on: ``where`` and ``names`` have the grid's shape."""

    effects: Sequence[Effect]
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
                return self.where
        return None

    def _changed(self, effect: Effect, values: Numbers) -> Numbers:
        assert effect.expression is not None
        amount = effect.expression.evaluate(self.names)
        match effect.operation:
            case "multiply":
                changed = values * amount
            case "add":
                changed = values + amount
            case _:
                changed = np.broadcast_to(np.asarray(amount, np.float64), values.shape)
        result: Numbers = np.where(self.where, changed, values)
        return result
