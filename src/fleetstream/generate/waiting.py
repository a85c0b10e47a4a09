"""Rows of batches with the times at which they arrive, and those that wait for theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.lattice import Times

GONE = np.iinfo(np.int64).min
"""The time of rows that have gone, but not been taken out yet."""


class Arrival(IntEnum):
    """How a row arrives; rows that arrive in the same sweep are sent in this order.

    What has been buffered comes before what is measured now, so the measurements of a series that
    lost its connection stay in the order of time.
    """

    BUFFERED = 0
    PROMPT = 1
    LATE = 2
    OUT_OF_ORDER = 3
    END = 4


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Rows of a batch, when each arrives (microseconds, int64), and how (uint8)."""

    batch: pa.RecordBatch
    times: Times
    kinds: npt.NDArray[np.uint8]

    @property
    def are_prompt(self) -> bool:
        """Whether all rows arrive when they are measured."""
        return bool((self.kinds == Arrival.PROMPT).all())

    def where(self, wanted: Booleans) -> "Arrivals | None":
        """Those that are wanted, None where there are none."""
        if wanted.all():
            return self if len(wanted) else None
        if not wanted.any():
            return None
        return Arrivals(self.batch.filter(pa.array(wanted)), self.times[wanted], self.kinds[wanted])

    def without(self, unwanted: Booleans) -> "Arrivals | None":
        """Those that are not unwanted, among others at the time :data:`GONE`; None for none."""
        if not unwanted.any():
            return self
        left = len(unwanted) - np.count_nonzero(unwanted)
        if left < len(unwanted) / 2:
            return self.where(~unwanted)
        return Arrivals(self.batch, np.where(unwanted, GONE, self.times), self.kinds)

    def ordered(self, sweeps: Times) -> "Arrivals":
        """The same in the order in which they are sent: by sweep, then as they arrive.

        ``sweeps`` are timestamps in ascending order; what arrives after the last one is ordered by
        time.
        """
        places = np.searchsorted(sweeps, self.times)
        after = np.where(places < len(sweeps), 0, self.times)
        order = np.lexsort((self.kinds, after, places))
        if np.array_equal(order, np.arange(len(order))):
            return self
        return Arrivals(self.batch.take(pa.array(order)), self.times[order], self.kinds[order])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> "Arrivals | None":
        """All rows of some parts with the same schema, None where there are no parts."""
        if len(parts) < 2:
            return parts[0] if parts else None
        return Arrivals(
            pa.concat_batches([each.batch for each in parts]),
            np.concatenate([each.times for each in parts]),
            np.concatenate([each.kinds for each in parts]),
        )


class WaitingRows:
    """Rows of a chunk that are held back, each until it arrives.

    They are in few parts, each more than twice as large as the next, so that little is copied and
    not much has to be looked at in every sweep.
    """

    def __init__(self) -> None:
        self._parts: list[Arrivals] = []

    def hold(self, rows: Arrivals) -> None:
        """Rows begin to wait."""
        merged = [rows]
        while self._parts and len(self._parts[-1].times) <= 2 * sum(len(x.times) for x in merged):
            merged.insert(0, self._parts.pop())
        joined = Arrivals.joined(merged)
        assert joined is not None
        self._parts.append(joined)

    def due(self, until: int) -> Arrivals | None:
        """What arrives until a time; it waits until it is removed."""
        parts = (each.where((each.times != GONE) & (each.times <= until)) for each in self._parts)
        return Arrivals.joined([each for each in parts if each is not None])

    def remove_due(self, until: int) -> None:
        """What arrives until a time waits no longer."""
        parts = (each.without(each.times <= until) for each in self._parts)
        self._parts = [each for each in parts if each is not None]
