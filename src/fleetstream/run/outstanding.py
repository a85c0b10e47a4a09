"""Which timestamps still have values without an outcome."""

import threading
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from fleetstream.generate.records import TIME, timestamp_of
from fleetstream.targets.sink import Request


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a pipeline has come: which of the sweeps up to ``swept`` are still ``open``."""

    swept: int = 0
    open: frozenset[int] = frozenset()

    def settled(self, timestamp: int) -> bool:
        """Whether every value of the sweep at ``timestamp`` has an outcome."""
        return timestamp <= self.swept and timestamp not in self.open


class Outstanding:
    """Counts, for each timestamp, the values that have gone to the sink and not come out of it.

    Used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[int] = Counter()
        self._swept = 0

    def swept(self, timestamp: int) -> None:
        """All batches of a sweep, and of those before it, have gone to the sink."""
        with self._lock:
            self._swept = timestamp

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch goes to the sink, or is held back."""
        timestamp, values = _values(batch)
        with self._lock:
            self._values[timestamp] += values

    def released(self, batch: pa.RecordBatch) -> None:
        """A batch that was held back has gone to the sink."""
        timestamp, values = _values(batch)
        with self._lock:
            self._take(timestamp, values)

    def settled(self, request: Request) -> None:
        """All values of a request have an outcome."""
        with self._lock:
            for part in request.parts:
                self._take(part.records.timestamp, part.values)

    def standing(self) -> Standing:
        """How far it has come by now."""
        with self._lock:
            return Standing(self._swept, frozenset(self._values))

    def _take(self, timestamp: int, values: int) -> None:
        self._values[timestamp] -= values
        if not self._values[timestamp]:
            del self._values[timestamp]


def _values(batch: pa.RecordBatch) -> tuple[int, int]:
    """The timestamp of a batch, and how many values it holds."""
    measures = batch.columns[batch.schema.get_field_index(TIME) + 1 :]
    return timestamp_of(batch), sum(batch.num_rows - column.null_count for column in measures)
