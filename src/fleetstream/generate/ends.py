"""Ends of series: rows without values at the time at which a series would next have been measured.

Targets that have to be told that a series has ended get them; they make no records. Where instances
have no dimensions of their own, a replaced instance continues the series of the one before it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from fleetstream.generate.generator import Chunk, Generator
from fleetstream.generate.records import timestamps_of
from fleetstream.generate.schema import TIME


class BatchesWithEnds:
    """The batches of a generator, with the ends of series as rows whose values are all missing.

    What was alive before the first timestamps is not known, so no series ends there.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._before: dict[Chunk, int] = {}
        """The latest timestamp at which each chunk was measured."""

    def batches(
        self, timestamps: Sequence[int], chunks: Sequence[Chunk]
    ) -> Iterator[pa.RecordBatch]:
        """The batches at timestamps in microseconds; rows stay in the order of time."""
        for chunk in chunks:
            yield from self._chunk(chunk, timestamps)

    def _chunk(self, chunk: Chunk, timestamps: Sequence[int]) -> Iterator[pa.RecordBatch]:
        due = self._generator.due(chunk.kind, timestamps)
        if not due:
            return
        before = self._before.get(chunk)
        self._before[chunk] = due[-1]
        ends = self._generator.ends(chunk, due if before is None else [before, *due])
        batches = self._generator.batches(due, [chunk])
        if ends is None:
            yield from batches
            return
        for batch in batches:
            last = int(timestamps_of(batch)[-1])
            count = int(np.searchsorted(timestamps_of(ends), last, "right"))
            yield _in_order(batch, ends.slice(0, count)) if count else batch
            ends = ends.slice(count)
        if ends.num_rows:
            yield ends


def _in_order(batch: pa.RecordBatch, ends: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of both in the order of time, ends behind measurements."""
    both = pa.Table.from_batches([batch, ends]).unify_dictionaries().combine_chunks()
    order = np.argsort(both[TIME].cast(pa.int64()).to_numpy(), kind="stable")
    return both.take(pa.array(order)).combine_chunks().to_batches()[0]
