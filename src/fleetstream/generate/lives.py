"""Life cycles: which instances are in a level's slots when.

Replacements and releases are events on a lattice of cells of time: a cell has an event with the
probability one quarter, at a hashed time within it, so four cells make the mean distance. What is
there at the beginning of a stretch of time is found by looking back to the latest event, in as many
cells as it takes, but not more than :data:`CELLS_BACK`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import (
    Bits,
    Booleans,
    Numbers,
    cell_bits,
    cell_uniforms,
    mix,
    name_key,
    uniform,
)
from fleetstream.generate.lattice import Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Life

CELLS_PER_EVENT = 4
"""Cells per event on average."""

CELLS_BACK = 64
"""An event is assumed this many cells back; there is none since with probability 1e-8."""

CELLS_AT_ONCE, EVENTS_AT_ONCE = 16, 65_536
"""Cells of a key, and of all keys, whose events are found at once: nearly every key has one in so
many."""

BEGINNING = 1_577_836_800 * MICROSECONDS
"""2020-01-01, when series begin that nothing replaces."""

NEVER = np.iinfo(np.int64).max
"""The time of what does not happen."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Residents:
    """Instances in slots, ordered by slot and birth: one element per instance.

    ``slots`` are places of slots. An instance is there from its birth until before its end, both in
    microseconds. ``releases`` are numbers that grow.
    """

    slots: Rows
    births: Times
    ends: Times
    releases: Times

    def where(self, wanted: Booleans) -> "Residents":
        """Those that are wanted."""
        return Residents(
            self.slots[wanted], self.births[wanted], self.ends[wanted], self.releases[wanted]
        )

    def there(self, times: Times) -> Booleans:
        """Which instances are there at each time, of shape (times, instances).

        What nothing replaces is there before :data:`BEGINNING`, too.
        """
        begins = np.where(self.births == BEGINNING, -NEVER, self.births)
        there = begins <= times[:, np.newaxis]
        there &= self.ends > times[:, np.newaxis]
        return there


@dataclass(frozen=True)
class Slots:
    """Slots with a life cycle; all arrays have one element per slot.

    ``keys`` and ``release_keys`` are seeded keys of the slots and of the rows whose releases they
    run. ``places`` is the position of each slot among its siblings as a share from 0 to 1.
    """

    life: Life
    keys: Bits
    release_keys: Bits
    places: Numbers

    @property
    def stretch(self) -> int:
        """Microseconds in which a slot gets one new instance on average."""
        releases = self.life.releases
        gaps = [self.life.lifetime_us, None if releases is None else releases.every_us]
        changes = sum(1 / gap for gap in gaps if gap is not None)
        return max(int(1 / changes), 1) if changes else NEVER

    def during(self, begin: int, end: int) -> Residents:
        """The instances that are there at any moment from ``begin`` until before ``end``."""
        life, count = self.life, len(self.keys)
        changes: list[tuple[Rows, Times]] = []
        if life.lifetime_us is not None:
            keys = self.keys + name_key("replaced")
            changes.append(_cells_between(keys, life.lifetime_us, begin, end).listed())
        released: EventCells | None = None
        if life.releases is not None:
            keys, every = self.release_keys + name_key("released"), life.releases.every_us
            released = _cells_between(keys, every, begin - life.releases.rollout_us, end)
            rows, times = released.listed()
            changes.append((rows, times + self._delays[rows]))
        if not changes:
            changes.append((np.arange(count), np.full(count, BEGINNING)))
        slots, births = map(np.concatenate, zip(*changes, strict=True))
        order = np.lexsort((births, slots))
        slots, births = slots[order], births[order]
        ends = np.full(len(births), NEVER)
        ends[:-1] = np.where(slots[1:] == slots[:-1], births[1:], NEVER)
        there = np.flatnonzero((births < end) & (ends > begin) & (ends > births))
        slots, births, ends = slots[there], births[there], ends[there]
        releases = np.zeros(len(births), np.int64)
        if released is not None:
            releases = released.latest(slots, births - self._delays[slots])
        return Residents(slots, births, ends, releases)

    def in_use(self, times: Times, scale: Callable[[Times], Numbers] | None) -> Booleans | None:
        """Which slots are in use at each time, of shape (times, slots); None if all are.

        ``scale`` returns the values of the scaling driver at other times, of shape (times, slots).
        """
        life, used = self.life, None
        if scale is not None:
            decisions, of = np.unique(times // life.hold_us, return_inverse=True)
            used = (self.places < scale(decisions * life.hold_us) / life.full_at)[of]
        if life.presence < 1:
            periods, of = np.unique(times // life.presence_period_us, return_inverse=True)
            keys = self.keys + name_key("presence")
            present = (cell_uniforms(keys, mix(periods.astype(np.uint64))) < life.presence)[of]
            used = present if used is None else used & present
        return used

    @cached_property
    def _delays(self) -> Times:
        """How many microseconds after the beginning of a rollout each slot restarts."""
        assert self.life.releases is not None
        places = uniform(mix(self.keys + name_key("rollout")))
        return (places * self.life.releases.rollout_us).astype(np.int64)


@dataclass(frozen=True, slots=True)
class EventCells:
    """The events of keys in the cells of time from ``first`` on.

    ``events`` has their times, of shape (cells, keys), :data:`NEVER` where there is none;
    ``before`` is the time and the cell of each key's latest event in an earlier cell.
    """

    first: int
    events: Times
    before: tuple[Times, Times]

    def listed(self) -> tuple[Rows, Times]:
        """The place of the key and the time of each event, with the latest one before."""
        cells, keys = np.nonzero(self.events != NEVER)
        times, _ = self.before
        rows = np.concatenate([np.arange(len(times)), keys])
        return rows, np.concatenate([times, self.events[cells, keys]])

    def latest(self, rows: Rows, times: Times) -> Times:
        """The cell of the latest event of some keys until a time, one for each."""
        found = self.before[1][rows]
        for place, events in enumerate(self.events):
            found[events[rows] <= times] = self.first + place
        return found


def _cells_between(keys: Bits, mean_gap: int, begin: int, end: int) -> EventCells:
    """The cells of all events from ``begin`` until before ``end``."""
    length = max(mean_gap // CELLS_PER_EVENT, 1)
    return event_cells(keys, length, begin // length, (end - 1) // length)


def events_in(keys: Bits, length: int, first: int, last: int) -> Times:
    """:attr:`EventCells.events` of keys in the cells from ``first`` to ``last``."""
    events = np.empty((last - first + 1, len(keys)), np.int64)
    at_once = _cells_at_once(keys)
    for start in range(first, last + 1, at_once):
        cells = np.arange(start, min(start + at_once, last + 1))
        happens, times = _events(keys, cells, length)
        events[cells - first] = np.where(happens, times, NEVER)
    return events


def event_cells(keys: Bits, length: int, first: int, last: int) -> EventCells:
    """The events of keys in the cells from ``first`` to ``last``, of ``length`` microseconds."""
    events = events_in(keys, length, first, last)
    before, found = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    missing, cell, earliest = np.arange(len(keys)), first, first - CELLS_BACK
    while len(missing):
        stop = max(cell - _cells_at_once(keys[missing]), earliest)
        cells = np.arange(cell - 1, stop - 1, -1)  # the latest first
        happens, times = _events(keys[missing], cells, length)
        if stop == earliest:
            happens[-1] = True
        there = happens.any(axis=0)
        rows, latest = missing[there], happens.argmax(axis=0)[there]
        before[rows], found[rows] = times[latest, np.flatnonzero(there)], cells[latest]
        missing, cell = missing[~there], stop
    return EventCells(first, events, (before, found))


def _cells_at_once(keys: Bits) -> int:
    """Cells for which the events of keys are found at once: few for many keys."""
    return min(max(EVENTS_AT_ONCE // max(len(keys), 1), 1), CELLS_AT_ONCE)


def _events(keys: Bits, cells: Times, length: int) -> tuple[Booleans, Times]:
    """Whether each key has an event in each of some cells, and when, of shape (cells, keys)."""
    bits = cell_bits(keys, mix(cells.astype(np.uint64)))
    happens: Booleans = (bits & np.uint64(CELLS_PER_EVENT - 1)) == 0
    within = (uniform(mix(bits)) * length).astype(np.int64)
    return happens, cells[:, np.newaxis] * length + within
