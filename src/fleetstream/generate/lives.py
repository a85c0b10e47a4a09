"""Life cycles: which instances of a level's slots exist when.

Replacements and releases are events on a lattice of cells of time: a cell has an event with the
probability one quarter, at a hashed time within it, so four cells make the mean distance. What is
alive is found by looking back to the latest event, in as many cells as it takes, but not more than
:data:`CELLS_BACK`.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Life

CELLS_PER_EVENT = 4
"""Cells per event on average."""

CELLS_BACK = 64
"""An event is assumed this many cells back; there is none since with probability 1e-8."""

BEGINNING = 1_577_836_800 * MICROSECONDS
"""2020-01-01, when series begin that nothing replaces."""

NEVER = np.iinfo(np.int64).max
"""The time of what does not happen."""

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SlotLives:
    """What is in each slot at each time, with the shape (times, slots).

    ``births`` are in microseconds, ``tokens`` tell the instances of a slot apart, ``releases`` are
    numbers that grow; ``alive`` says which slots are in use.
    """

    births: Times
    tokens: Bits
    releases: Times
    alive: Booleans

    def during(self, first: int, last: int) -> "SlotLives":
        """The same at the times ``[first, last)`` only."""
        times = slice(first, last)
        return SlotLives(
            self.births[times], self.tokens[times], self.releases[times], self.alive[times]
        )


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
    _memory: dict[str, "EventCells"] = field(default_factory=dict, compare=False)

    def at(self, times: Times, scale: Numbers | None) -> SlotLives:
        """The instances at ``times``; ``scale`` has the values of the scaling driver.

        ``scale`` has the shape (times, slots), evaluated at :meth:`decisions`.
        """
        life = self.life
        shape = (len(times), len(self.keys))
        births = np.full(shape, BEGINNING)
        tokens = np.zeros(shape, np.uint64)
        releases = np.zeros(shape, np.int64)
        if life.lifetime_us is not None:
            births, cells = self._latest("replaced", self.keys, times, life.lifetime_us, None)
            tokens = cells.astype(np.uint64)
        if life.releases is not None:
            every = life.releases.every_us
            released, releases = self._latest(
                "released", self.release_keys, times, every, self._delays
            )
            births = np.maximum(births, released)
            tokens = mix(tokens + mix(releases.astype(np.uint64)))
        alive = np.ones(shape, np.bool_)
        if life.scale is not None:
            assert scale is not None
            alive &= self.places < scale / life.full_at
        if life.presence < 1:
            periods = times // life.presence_period_us
            keys = self.keys + name_key("presence")
            drawn = uniform(mix(keys + mix(periods.astype(np.uint64))[:, np.newaxis]))
            alive &= drawn < life.presence
        return SlotLives(births, tokens, releases, alive)

    @cached_property
    def _delays(self) -> Times:
        """How many microseconds after the beginning of a rollout each slot restarts."""
        assert self.life.releases is not None
        places = uniform(mix(self.keys + name_key("rollout")))
        return (places * self.life.releases.rollout_us).astype(np.int64)

    def decisions(self, times: Times) -> Times:
        """When an autoscaler decided last before each of the times."""
        return times // self.life.hold_us * self.life.hold_us

    def _latest(
        self, name: str, keys: Bits, times: Times, mean_gap: int, shifts: Times | None
    ) -> tuple[Times, Times]:
        length = max(mean_gap // CELLS_PER_EVENT, 1)
        first, last = cell_range(times, length, shifts)
        known = self._memory.get(name)
        if known is None or (known.first, known.last) != (first, last):
            known = event_cells(keys + name_key(name), length, first, last)
            self._memory[name] = known
        return known.latest(times, shifts)


@dataclass(frozen=True, slots=True)
class EventCells:
    """The events of keys in the cells from ``first`` to ``last``.

    ``events`` has their times, of shape (cells, keys), :data:`NEVER` where there is none;
    ``before`` is the time and the cell of each key's latest event in an earlier cell.
    """

    first: int
    last: int
    events: Times
    before: tuple[Times, Times]

    def latest(self, times: Times, shifts: Times | None = None) -> tuple[Times, Times]:
        """The latest event of each key until each time, and its cell, of shape (times, keys).

        The events of a key come ``shifts`` microseconds later than those of its lattice.
        """
        latest, found = (
            np.repeat(values[np.newaxis, :], len(times), axis=0) for values in self.before
        )
        wanted = times[:, np.newaxis] - (0 if shifts is None else shifts)
        for place, events in enumerate(self.events):
            happened = events <= wanted
            np.copyto(latest, events, where=happened)
            np.copyto(found, self.first + place, where=happened)
        if shifts is not None:
            latest += shifts
        return latest, found


def cell_range(times: Times, length: int, shifts: Times | None) -> tuple[int, int]:
    """The first and the last cell in which an event may lie between the first and last time."""
    earliest, latest = int(times.min()), int(times.max())
    if shifts is not None and len(shifts):
        earliest, latest = earliest - int(shifts.max()), latest - int(shifts.min())
    return earliest // length, latest // length


def event_cells(keys: Bits, length: int, first: int, last: int) -> EventCells:
    """The events of keys in cells of ``length`` microseconds."""
    events = np.full((last - first + 1, len(keys)), NEVER)
    for place, cell in enumerate(range(first, last + 1)):
        happens, at = _events(keys, cell, length)
        events[place, happens] = at[happens]
    before, found = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    missing = np.arange(len(keys))
    for back in range(1, CELLS_BACK + 1):
        happens, at = _events(keys[missing], first - back, length)
        if back == CELLS_BACK:
            happens[:] = True
        before[missing[happens]], found[missing[happens]] = at[happens], first - back
        missing = missing[~happens]
        if not len(missing):
            break
    return EventCells(first, last, events, (before, found))


def _events(keys: Bits, cell: int, length: int) -> tuple[Booleans, Times]:
    """Whether each key has an event in a cell, and when."""
    bits = mix(keys + mix(np.array([cell], np.int64).astype(np.uint64)))
    happens: Booleans = (bits & np.uint64(CELLS_PER_EVENT - 1)) == 0
    return happens, cell * length + (uniform(mix(bits)) * length).astype(np.int64)
