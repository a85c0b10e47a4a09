"""Life cycles: which instances of a level's slots exist when.

Replacements and releases are events on a lattice of cells of time: a cell has an event with the
probability one quarter, at a hashed time within it, so four cells make the mean distance. What is
alive is found by looking back to the latest event, in as many cells as it takes, but not more than
:data:`CELLS_BACK`.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Slots:
    """Slots with a life cycle; all arrays have one element per slot.

    ``keys`` and ``release_keys`` are seeded keys of the slots and of the rows whose releases they
    run. ``places`` is the position of each slot among its siblings as a share from 0 to 1, and
    ``presence_keys`` decide about presence.
    """

    life: Life
    keys: Bits
    release_keys: Bits
    places: Numbers

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
            births, cells = latest_events(self.keys, "replaced", times, life.lifetime_us)
            tokens = cells.astype(np.uint64)
        if life.releases is not None:
            delays = uniform(mix(self.keys + name_key("rollout")))
            shifts = (delays * life.releases.rollout_us).astype(np.int64)
            released, releases = latest_events(
                self.release_keys, "released", times, life.releases.every_us, shifts
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

    def decisions(self, times: Times) -> Times:
        """When an autoscaler decided last before each of the times."""
        return times // self.life.hold_us * self.life.hold_us


def latest_events(
    keys: Bits, name: str, times: Times, mean_gap: int, shifts: Times | None = None
) -> tuple[Times, Times]:
    """The latest event of each key until each time: its time and its cell.

    Both have the shape (times, keys). The events of a key come ``shifts`` microseconds later than
    those of its lattice.
    """
    length = max(mean_gap // CELLS_PER_EVENT, 1)
    shape = (len(times), len(keys))
    shifted = np.broadcast_to(times[:, np.newaxis], shape) - (0 if shifts is None else shifts)
    shifted = shifted.reshape(-1)
    wide = np.broadcast_to(keys + name_key(name), shape).reshape(-1)
    cells = shifted // length
    events, found = np.zeros(len(wide), np.int64), np.zeros(len(wide), np.int64)
    open_ = np.arange(len(wide))
    for back in range(CELLS_BACK):
        candidates = cells[open_] - back
        bits = mix(wide[open_] + mix(candidates.astype(np.uint64)))
        happens = (bits & np.uint64(CELLS_PER_EVENT - 1)) == 0
        at = candidates * length + (uniform(mix(bits)) * length).astype(np.int64)
        hit = (happens if back < CELLS_BACK - 1 else True) & (at <= shifted[open_])
        rows = open_[hit]
        events[rows], found[rows] = at[hit], candidates[hit]
        open_ = open_[~hit]
        if not len(open_):
            break
    events = events.reshape(shape) + (0 if shifts is None else shifts)
    return events, found.reshape(shape)
