"""Disorder: measurements that come late, out of order or twice, to test pipelines with.

A *measurement* is a row of a batch: all values of a series at a timestamp. Which measurements are
affected is drawn from the keys of their cells, as values are, so disorder is repeatable and changes
no value.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import Disorder
from fleetstream.generate.generator import Chunk, Generator
from fleetstream.generate.keys import Numbers

LATE, OUT_OF_ORDER, DUPLICATE = "late", "out of order", "duplicate"

DELAY_STEPS = 16
"""Points in time at which the late measurements of a sweep are sent, so that many are together."""


class DisorderedBatches:
    """The batches of a generator in disorder; measurements held back wait in memory.

    ``held`` is called with each batch that is held back; ``released`` with the same batch when the
    consumer asks for the one after it; ``counted`` with a kind of disorder and an affected batch,
    before it is yielded.
    """

    def __init__(
        self,
        generator: Generator,
        disorder: Disorder,
        *,
        held: Callable[[pa.RecordBatch], None] = lambda _batch: None,
        released: Callable[[pa.RecordBatch], None] = lambda _batch: None,
        counted: Callable[[str, pa.RecordBatch], None] = lambda _what, _batch: None,
    ) -> None:
        self._generator = generator
        self._disorder = disorder
        self._held = held
        self._released = released
        self._counted = counted
        self._waiting: list[tuple[int, int, str, pa.RecordBatch]] = []
        """A heap of (due timestamp, number that breaks ties, kind of disorder, batch)."""
        self._order = 0

    def batches(
        self, timestamps: Sequence[int], chunks: Sequence[Chunk]
    ) -> Iterator[pa.RecordBatch]:
        """The batches to send in the sweeps at ``timestamps``, with those held back until then."""
        for timestamp in timestamps:
            for chunk in chunks:
                yield from self._prompt(chunk, timestamp)
            while self._waiting and self._waiting[0][0] <= timestamp:
                yield from self._release()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """The batches that are still held back after the last sweep."""
        while self._waiting:
            yield from self._release()

    def _prompt(self, chunk: Chunk, timestamp: int) -> Iterator[pa.RecordBatch]:
        """The measurements of a chunk to send in their own sweep; holds back the others."""
        disorder = self._disorder
        batch = next(self._generator.batches([timestamp], [chunk]), None)
        if batch is None:
            return
        fate, delay, twice = self._draws(chunk, timestamp)
        late_percent = disorder.late.percent if disorder.late else 0.0
        late = fate < late_percent
        unordered = ~late & (fate < late_percent + disorder.out_of_order)
        if disorder.late and late.any():
            steps = np.ceil(delay * DELAY_STEPS) / DELAY_STEPS
            due = timestamp + np.maximum(steps * disorder.late.delay, 1).astype(np.int64)
            for when in np.unique(due[late]).tolist():
                self._hold(when, LATE, batch.filter(pa.array(late & (due == when))))
        if unordered.any():
            self._hold(timestamp + 1, OUT_OF_ORDER, batch.filter(pa.array(unordered)))
        prompt = ~(late | unordered)
        if prompt.any():
            yield batch if prompt.all() else batch.filter(pa.array(prompt))
        again = prompt & (twice < disorder.duplicate)
        if again.any():
            repeated = batch.filter(pa.array(again))
            self._counted(DUPLICATE, repeated)
            yield repeated

    def _draws(self, chunk: Chunk, timestamp: int) -> tuple[Numbers, Numbers, Numbers]:
        """Per row, its fate (0–100), its delay (0–1), and whether it is sent twice (0–100)."""
        instances = self._generator.instances(chunk, [timestamp])
        alive = slice(None) if instances.alive is None else instances.alive[0]
        fate, delay, twice = (
            instances.grid.uniforms("disorder", name)[0][alive]
            for name in ("fate", "delay", "twice")
        )
        return fate * 100, delay, twice * 100

    def _hold(self, when: int, what: str, batch: pa.RecordBatch) -> None:
        self._held(batch)
        heapq.heappush(self._waiting, (when, self._order, what, batch))
        self._order += 1

    def _release(self) -> Iterator[pa.RecordBatch]:
        _, _, what, batch = self._waiting[0]
        self._counted(what, batch)
        yield batch
        # Not before the consumer has taken it, since the run may be stopped until then.
        heapq.heappop(self._waiting)
        self._released(batch)
