"""How far a pipeline has come: which timestamps still have values without an outcome."""

import threading
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from fleetstream.generate.records import values_by_timestamp
from fleetstream.targets.sink import Request


@dataclass(frozen=True, slots=True)
class Progress:
    """Sweeps up to the timestamp ``swept`` are generated, those at ``open`` not yet settled.

    A sweep is settled when every one of its values has an outcome.
    """

    swept: int = 0
    open: frozenset[int] = frozenset()

    def settled(self, timestamp: int) -> bool:
        return timestamp <= self.swept and timestamp not in self.open


class ProgressTracker:
    """Counts, per timestamp, the values that were generated and have no outcome yet.

    Used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[int] = Counter()
        self._swept = 0

    def swept(self, timestamp: int) -> None:
        """All batches of the sweep at ``timestamp``, and of those before it, were entered."""
        with self._lock:
            self._swept = timestamp

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch goes to the sink, or is held back."""
        counts = values_by_timestamp(batch)
        with self._lock:
            for timestamp, values in counts.items():
                if values:
                    self._open[timestamp] += values

    def released(self, batch: pa.RecordBatch) -> None:
        """A batch that was held back has been entered again, as it went to the sink."""
        self._settle(values_by_timestamp(batch))

    def settled(self, request: Request) -> None:
        """All values of a request have an outcome."""
        for each in request.ranges:
            self._settle(each.values_by_timestamp())

    def progress(self) -> Progress:
        with self._lock:
            return Progress(self._swept, frozenset(self._open))

    def _settle(self, counts: dict[int, int]) -> None:
        with self._lock:
            for timestamp, values in counts.items():
                left = self._open[timestamp] - values
                if left:
                    self._open[timestamp] = left
                else:
                    del self._open[timestamp]
