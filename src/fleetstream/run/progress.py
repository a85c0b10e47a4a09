"""How far a pipeline has come: which timestamps still have values without an outcome."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetstream.generate.records import TimestampValues, values_by_timestamp
from fleetstream.targets.sink import Request

NOTED_AT_MOST = 20_000
"""Changes that are noted before they are added up."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Sweeps up to the timestamp ``swept`` are generated, those at ``open`` not yet settled.

    A sweep is settled when every one of its values has an outcome.
    """

    swept: int = 0
    open: frozenset[int] = frozenset()

    def settled(self, timestamp: int) -> bool:
        return timestamp <= self.swept and timestamp not in self.open


def together(states: Iterable[Progress]) -> Progress:
    """How far several pipelines have come that share the series of each sweep; at least one."""
    states = list(states)
    return Progress(
        min(each.swept for each in states), frozenset().union(*(each.open for each in states))
    )


class ProgressTracker:
    """Counts, per timestamp, the values that were generated and have no outcome yet.

    Changes are noted as they come and added up from time to time, since a batch may have thousands
    of timestamps. Used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = TimestampValues(np.empty(0, np.int64), np.empty(0, np.int64))
        self._more: list[TimestampValues] = []
        self._less: list[TimestampValues] = []
        self._noted = 0
        self._swept = 0

    def swept(self, timestamp: int) -> None:
        """All batches of the sweep at ``timestamp``, and of those before it, were entered."""
        with self._lock:
            self._swept = timestamp

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch goes to the sink, or is held back."""
        self._note(self._more, [values_by_timestamp(batch)])

    def released(self, batch: pa.RecordBatch) -> None:
        """A batch that was held back has been entered again, as it went to the sink."""
        self._note(self._less, [values_by_timestamp(batch)])

    def settled(self, request: Request) -> None:
        """All values of a request have an outcome."""
        self._note(self._less, [each.values_by_timestamp() for each in request.ranges])

    def progress(self) -> Progress:
        with self._lock:
            self._add_up()
            return Progress(self._swept, frozenset(self._open.timestamps.tolist()))

    def _note(self, changes: list[TimestampValues], new: list[TimestampValues]) -> None:
        with self._lock:
            changes += new
            for each in new:
                self._noted += len(each.timestamps)
            if self._noted >= NOTED_AT_MOST:
                self._add_up()

    def _add_up(self) -> None:
        timestamps = [each.timestamps for each in (self._open, *self._more, *self._less)]
        values = [self._open.values, *(each.values for each in self._more)]
        values += [-each.values for each in self._less]
        self._more.clear()
        self._less.clear()
        self._noted = 0
        distinct, places = np.unique(np.concatenate(timestamps), return_inverse=True)
        sums = np.zeros(len(distinct), np.int64)
        np.add.at(sums, places, np.concatenate(values))
        self._open = TimestampValues(distinct[sums != 0], sums[sums != 0])
