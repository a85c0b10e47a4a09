"""When incidents happen to the rows of a level: drawn at random, and scheduled.

The drawn incidents of a row are events on a lattice, as those of life cycles are; start, duration
and severity are hashes of the row and the cell of time. So they are found without generating
values, for any stretch of time alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, Booleans, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import CELLS_PER_EVENT, EVENTS_AT_ONCE, NEVER, events_in
from fleetstream.model.incidents import Effect, Incident, Rate

Places = npt.NDArray[np.intp]

CELLS_AHEAD = 8
"""Cells whose incidents are found before their time comes, unless there are many rows."""


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Incidents of one kind: one element per incident, ordered by row and start.

    ``rows`` are the rows that they affect; times are in microseconds, and ``ends`` the first moment
    that is not affected. ``tokens`` tell the incidents of a row apart. Where they have spread from
    other rows, these are the ``causes``, and ``steps`` those that they came from directly.
    """

    rows: Places
    starts: Times
    ends: Times
    severities: Numbers
    tokens: Bits
    causes: Places | None = None
    steps: Places | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, wanted: "Booleans | Places") -> "Occurrences":
        """Those that are wanted, or those at places."""
        return Occurrences(
            self.rows[wanted],
            self.starts[wanted],
            self.ends[wanted],
            self.severities[wanted],
            self.tokens[wanted],
            None if self.causes is None else self.causes[wanted],
            None if self.steps is None else self.steps[wanted],
        )

    def between(self, begin: int, end: int) -> "Occurrences":
        """Those that affect any moment from ``begin`` until before ``end``."""
        return self.where((self.starts < end) & (self.ends > begin))

    def among(self, numbers: Places) -> "Occurrences":
        """Those at rows that have a number from 0 on, with these numbers as their rows."""
        rows = numbers[self.rows]
        kept = self.where(rows >= 0)
        return Occurrences(
            rows[rows >= 0],
            kept.starts,
            kept.ends,
            kept.severities,
            kept.tokens,
            kept.causes,
            kept.steps,
        ).ordered()

    def ordered(self) -> "Occurrences":
        """The same, ordered by row, start and token."""
        return self.where(np.lexsort((self.tokens, self.starts, self.rows)))

    def layers(self) -> Iterator["Occurrences"]:
        """Parts in which no two overlap at a row; of two that overlap, the later one comes later.

        Which of two is the later does not depend on what others there are, so effects are applied
        in the same order in every batch.
        """
        if not np.any((self.rows[1:] == self.rows[:-1]) & (self.starts[1:] < self.ends[:-1])):
            yield self
            return
        layers = np.zeros(len(self), np.intp)
        for place in range(1, len(self)):
            before = np.flatnonzero(
                (self.rows[:place] == self.rows[place]) & (self.ends[:place] > self.starts[place])
            )
            layers[place] = layers[before].max(initial=-1) + 1
        for layer in range(int(layers.max()) + 1):
            yield self.where(layers == layer)


class IncidentSource(Protocol):
    """Where incidents with certain effects come from: they happen to rows, or spread to them.

    ``name`` is that of the incident in the model, ``count`` the number of rows.
    """

    @property
    def name(self) -> str: ...
    @property
    def incident(self) -> Incident: ...
    @property
    def effects(self) -> Sequence[Effect]: ...
    @property
    def count(self) -> int: ...
    def between(self, begin: int, end: int) -> Occurrences:
        """All incidents that affect any moment from ``begin`` until before ``end``."""

    def part(self, rows: Places) -> "IncidentSource":
        """The incidents of some rows, which are distinct and in ascending order."""


@dataclass(frozen=True)
class IncidentRows:
    """A kind of incident, and the seeded keys of the rows that it happens to.

    ``scheduled`` are those that do not depend on chance; ``drawn`` says to which rows others
    happen.
    """

    name: str
    incident: Incident
    keys: Bits
    drawn: Booleans
    scheduled: Occurrences | None = None
    _known: dict[range, Occurrences] = field(default_factory=dict, compare=False)
    """The incidents that were found last, by the cells of time that they begin in."""

    @property
    def effects(self) -> Sequence[Effect]:
        return self.incident.effects

    @property
    def count(self) -> int:
        return len(self.keys)

    def between(self, begin: int, end: int) -> Occurrences:
        """All incidents that affect any moment from ``begin`` until before ``end``."""
        found = []
        if self.scheduled is not None:
            found.append(self.scheduled.between(begin, end))
        if self.incident.rate is not None and self.drawn.any():
            found.append(self._drawn(self.incident.rate, begin, end))
        if len(found) == 1:
            return found[0]
        return joined(found)

    def part(self, rows: Places) -> "IncidentRows":
        """The incidents of some rows, which are distinct and in ascending order."""
        scheduled = self.scheduled
        if scheduled is not None:
            scheduled = scheduled.among(numbered(rows, self.count))
        return IncidentRows(self.name, self.incident, self.keys[rows], self.drawn[rows], scheduled)

    def _drawn(self, rate: Rate, begin: int, end: int) -> Occurrences:
        length = max(rate.every_us // CELLS_PER_EVENT, 1)
        first, last = begin // length - 1, (end - 1) // length + 1
        for cells, known in self._known.items():
            if first in cells and last in cells:
                return known.between(begin, end)
        self._known.clear()
        cells = range(first, last + 1 + min(CELLS_AHEAD, EVENTS_AT_ONCE // self.count))
        known = self._known[cells] = self._occurrences(rate, length, cells[0], cells[-1])
        return known.between(begin, end)

    def _occurrences(self, rate: Rate, length: int, first: int, last: int) -> Occurrences:
        """The incidents that begin in the cells from ``first`` to ``last``."""
        drawn = np.flatnonzero(self.drawn)
        keys = self.keys[drawn] + name_key("incident", self.name)
        events = events_in(keys, length, first, last)
        columns, places = np.nonzero(events.T != NEVER)
        tokens, starts = mix((first + places).astype(np.uint64)), events[places, columns]
        rows, own = drawn[columns], keys[columns] + tokens
        draws = uniform(mix(own + name_key("duration")))
        spans = rate.shortest_us + draws * (rate.longest_us - rate.shortest_us)
        ends = starts + spans.astype(np.int64)
        follows = np.append(rows[1:] == rows[:-1], [False])
        ends = np.where(follows, np.minimum(ends, np.append(starts[1:], [NEVER])), ends)
        draws = uniform(mix(own + name_key("severity")))
        mildest, worst = self.incident.mildest, self.incident.worst
        return Occurrences(rows, starts, ends, mildest + draws * (worst - mildest), tokens)


def joined(parts: Sequence[Occurrences]) -> Occurrences:
    """All incidents of some parts, in order."""
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Occurrences(
            nothing.astype(np.intp), nothing, nothing, np.zeros(0), nothing.astype(np.uint64)
        )
    causes = [each.causes for each in parts if each.causes is not None]
    steps = [each.steps for each in parts if each.steps is not None]
    return Occurrences(
        np.concatenate([each.rows for each in parts]),
        np.concatenate([each.starts for each in parts]),
        np.concatenate([each.ends for each in parts]),
        np.concatenate([each.severities for each in parts]),
        np.concatenate([each.tokens for each in parts]),
        np.concatenate(causes) if causes else None,
        np.concatenate(steps) if steps else None,
    ).ordered()


def numbered(rows: Places, count: int) -> Places:
    """The place of each of ``count`` rows among some of them, −1 for the others."""
    numbers = np.full(count, -1, np.intp)
    numbers[rows] = np.arange(len(rows))
    return numbers
