"""Sweeps: the batches of a run, one sweep after the other."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from fleetstream.generate.disorder import DisorderedBatches
from fleetstream.generate.generator import Chunk
from fleetstream.generate.schema import measure_fields
from fleetstream.run.control import Control


class BatchSource(Protocol):
    """A generator, or what yields its batches in another form."""

    def batches(
        self, timestamps: Sequence[int], chunks: Sequence[Chunk]
    ) -> Iterator[pa.RecordBatch]:
        """The batches of chunks at timestamps in microseconds."""
        ...


class Sweeps:
    """The batches of ``source`` at groups of timestamps.

    ``groups`` yields timestamps that are generated together, or None for a pause, which is passed
    on. ``begin`` and ``end`` are called with the timestamps before and after each group.
    """

    def __init__(
        self,
        source: BatchSource,
        groups: Iterable[Sequence[int] | None],
        chunks: Sequence[Chunk],
        *,
        begin: Callable[[Sequence[int]], Any],
        end: Callable[[Sequence[int]], Any],
    ) -> None:
        self._source = source
        self._groups = groups
        self._chunks = chunks
        self._begin = begin
        self._end = end

    def __iter__(self) -> Iterator[pa.RecordBatch | None]:
        for timestamps in self._groups:
            if timestamps is None:
                yield None
                continue
            self._begin(timestamps)
            yield from self._source.batches(timestamps, self._chunks)
            self._end(timestamps)
        yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is still held back."""
        if isinstance(self._source, DisorderedBatches):
            yield from self._source.rest()


def paced(
    source: Iterable[pa.RecordBatch | None], rate: float, control: Control
) -> Iterator[pa.RecordBatch | None]:
    """The batches of ``source``, at most ``rate`` values per second (0 for no limit), pauses kept.

    A batch of more than one second's worth comes in pieces. Unused time is not made up for later.
    Ends early when the run is stopped.
    """
    free = time.monotonic()
    for batch in source:
        if control.is_paused:
            yield None
            control.wait_while_paused()
        if batch is None or not rate:
            yield batch
            continue
        values = len(measure_fields(batch.schema))
        rows = max(int(rate / values), 1)
        for start in range(0, batch.num_rows, rows):
            piece = batch.slice(start, rows)
            now = time.monotonic()
            if free > now and control.gently.wait(free - now):
                return
            free = max(free, now) + piece.num_rows * values / rate
            yield piece
