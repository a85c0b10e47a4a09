"""Incidents that have spread: at which other rows an incident is felt, when, and how much.

Which rows an incident reaches follows from the topology without filters, so that a part of a fleet
is affected by what happens in another.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleetstream.generate.keys import Bits
from fleetstream.generate.lattice import Times
from fleetstream.generate.occurrences import (
    IncidentRows,
    IncidentSource,
    Occurrences,
    Places,
    joined,
    numbered,
)
from fleetstream.generate.topology import Topology
from fleetstream.model import Model
from fleetstream.model.incidents import Effect, Incident, Spread

Reached = tuple[Places, Times, Places]
"""Rows that an incident reaches, how many hops away each is, and the row that it came from."""


@dataclass(frozen=True)
class SpreadRows:
    """What one of the spreads of an incident does to rows.

    ``causes`` are the incidents at the rows of the topology ``whole``; ``numbers`` has the number
    of each of these rows among the ``count`` rows of this source, −1 for those that are not there.
    ``place`` is the spread's place among those of the incident.
    """

    causes: IncidentRows
    whole: Topology
    spread: Spread
    place: int
    numbers: Places
    count: int
    neighbours: Callable[[int], Sequence[int]]
    _reached: dict[int, Reached] = field(default_factory=dict, compare=False)
    _memory: dict[tuple[int, int], Occurrences] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return self.causes.name

    @property
    def incident(self) -> Incident:
        return self.causes.incident

    @property
    def effects(self) -> Sequence[Effect]:
        return self.incident.effects_of(self.place)

    def between(self, begin: int, end: int) -> Occurrences:
        """All that affect any moment from ``begin`` until before ``end``."""
        known = self._memory.get((begin, end))
        if known is None:
            self._memory.clear()
            known = self._memory[begin, end] = self._occurrences(begin, end)
        return known

    def part(self, rows: Places) -> "SpreadPart":
        """What it does to some rows, which are distinct and in ascending order."""
        return SpreadPart(self, numbered(rows, self.count), len(rows))

    def _occurrences(self, begin: int, end: int) -> Occurrences:
        found = self.causes.between(begin - self.spread.delay_us * self.spread.hops, end)
        return joined([*self._spread(found)]).between(begin, end).among(self.numbers)

    def _spread(self, found: Occurrences) -> Iterator[Occurrences]:
        for place, cause in enumerate(found.rows.tolist()):
            rows, hops, steps = self._reach(cause)
            later = hops * self.spread.delay_us
            yield Occurrences(
                rows,
                found.starts[place] + later,
                found.ends[place] + later,
                found.severities[place] * self.spread.attenuation**hops,
                np.full(len(rows), found.tokens[place]),
                np.full(len(rows), cause),
                steps,
            )

    def _reach(self, cause: int) -> Reached:
        """The rows that an incident at a row reaches, each by the fewest hops."""
        known = self._reached.get(cause)
        if known is None:
            hops, steps, waiting = {cause: 0}, {cause: cause}, deque([cause])
            while waiting:
                row = waiting.popleft()
                if hops[row] == self.spread.hops:
                    break
                for other in self.neighbours(row):
                    if other not in hops:
                        hops[other], steps[other] = hops[row] + 1, row
                        waiting.append(other)
            del hops[cause], steps[cause]
            known = self._reached[cause] = (
                np.array([*hops], np.intp),
                np.array([*hops.values()], np.int64),
                np.array([*steps.values()], np.intp),
            )
        return known


@dataclass(frozen=True, slots=True)
class SpreadPart:
    """What a spread does to some of its rows, which have ``numbers`` from 0 on."""

    of: SpreadRows
    numbers: Places
    count: int

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def incident(self) -> Incident:
        return self.of.incident

    @property
    def effects(self) -> Sequence[Effect]:
        return self.of.effects

    def between(self, begin: int, end: int) -> Occurrences:
        """All that affect any moment from ``begin`` until before ``end``."""
        return self.of.between(begin, end).among(self.numbers)

    def part(self, rows: Places) -> IncidentSource:
        """What it does to some rows, which are distinct and in ascending order."""
        numbers = numbered(rows, self.count)
        return SpreadPart(
            self.of, np.where(self.numbers >= 0, numbers[self.numbers], -1), len(rows)
        )


def spread_rows(
    model: Model, causes: IncidentRows, whole: Topology, identities: Bits
) -> Iterator[SpreadRows]:
    """The spreads of an incident.

    ``causes`` are the incidents at the rows of the topology ``whole``, without filters;
    ``identities`` are those of the rows that are felt, of its level.
    """
    level = causes.incident.level
    known = whole.identities(level)
    order = np.argsort(identities)
    places = np.searchsorted(identities, known, sorter=order).clip(max=max(len(order) - 1, 0))
    numbers = np.full(len(known), -1, np.intp)
    if len(order):
        numbers = np.where(identities[order][places] == known, order[places], -1)
    for place, spread in enumerate(causes.incident.spreads):
        neighbours = _neighbours(model, whole, level, spread.to)
        yield SpreadRows(causes, whole, spread, place, numbers, len(identities), neighbours)


def _neighbours(
    model: Model, whole: Topology, level: str, to: str
) -> Callable[[int], Sequence[int]]:
    """A function that returns the rows to which an incident at a row spreads in one hop."""
    if to == "siblings":
        return lambda row: range(*whole.siblings(level, row))
    members = next(each.members for each in model.levels if each.name == level)
    assert isinstance(members, list)
    place = {str(member["name"]): index for index, member in enumerate(members)}
    edges: list[list[int]] = [[] for _ in members]
    for one, others in model.dependencies[level].items():
        for other in others:
            begin, end = (place[other], place[one])
            if to == "dependencies":
                begin, end = end, begin
            edges[begin].append(end)

    def neighbours(row: int) -> Sequence[int]:
        first, _ = whole.siblings(level, row)
        return [first + other for other in edges[row - first]]

    return neighbours
