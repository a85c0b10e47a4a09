"""Disorder: measurements that come late, out of order or twice.

A *measurement* is a row of a batch: all values of a series at a timestamp. Those of a series that
has lost its connection arrive when it is there again, as the model says; others are disordered by
options of a run, to test pipelines with. Which ones is drawn from the keys of their cells, as
values are, so disorder is repeatable and changes no value.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import Disorder
from fleetstream.generate.generator import Chunk, Generator
from fleetstream.generate.instances import Instances
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import NEVER
from fleetstream.generate.waiting import Arrival, Arrivals, WaitingRows

BUFFERED, LATE, OUT_OF_ORDER, DUPLICATE = "buffered", "late", "out of order", "duplicate"

COUNTED = {
    Arrival.BUFFERED: BUFFERED,
    Arrival.LATE: LATE,
    Arrival.OUT_OF_ORDER: OUT_OF_ORDER,
}
"""What each kind of arrival is counted as."""


class DisorderedBatches:
    """The batches of a generator in the order of arrival; what is held back waits in memory.

    With ``marks_ends``, also the ends of series as rows without values, as
    :class:`~fleetstream.generate.ends.BatchesWithEnds` has them. ``held`` is called with rows that
    are held back; ``released`` with the same rows when the consumer asks for the batch after the
    one that has them; ``counted`` with a kind of disorder and the affected rows, before they are
    yielded.
    """

    def __init__(
        self,
        generator: Generator,
        disorder: Disorder,
        *,
        marks_ends: bool = False,
        held: Callable[[pa.RecordBatch], None] = lambda _batch: None,
        released: Callable[[pa.RecordBatch], None] = lambda _batch: None,
        counted: Callable[[str, pa.RecordBatch], None] = lambda _what, _batch: None,
    ) -> None:
        self._generator = generator
        self._disorder = disorder
        self._marks_ends = marks_ends
        self._held = held
        self._released = released
        self._counted = counted
        self._waiting: dict[Chunk, WaitingRows] = {}
        self._before: dict[Chunk, int] = {}
        """The latest timestamp at which each chunk was measured."""

    def batches(
        self, timestamps: Sequence[int], chunks: Sequence[Chunk]
    ) -> Iterator[pa.RecordBatch]:
        """The rows to send in the sweeps at ``timestamps``, with those held back until then.

        Those of a chunk are ordered by the sweep in which they are sent.
        """
        sweeps = np.array(timestamps, np.int64)
        for chunk in chunks:
            waiting = self._waiting.setdefault(chunk, WaitingRows())
            due = self._generator.due(chunk.kind, timestamps)
            if self._marks_ends and due:
                self._hold_ends(chunk, due, waiting)
            for batch, instances in self._generator.measured(chunk, due):
                arrivals = self._arrivals(chunk, batch, instances)
                until = int(instances.grid.timestamps[-1])
                yield from self._sent(arrivals, waiting, sweeps, until)
                yield from self._duplicates(arrivals, instances)
            if len(sweeps):
                yield from self._sent(None, waiting, sweeps, int(sweeps[-1]))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is still held back after the last sweep."""
        for waiting in self._waiting.values():
            yield from self._sent(None, waiting, np.empty(0, np.int64), NEVER)

    def _sent(
        self, new: Arrivals | None, waiting: WaitingRows, sweeps: Times, until: int
    ) -> Iterator[pa.RecordBatch]:
        """What arrives until a time, in order; other new rows are held back."""
        earlier = waiting.due(until)
        if new is not None and earlier is None and new.are_prompt:
            yield new.batch
            return
        if new is not None:
            later = new.where(new.times > until)
            if later is not None:
                self._held(later.batch)
                waiting.hold(later)
                new = new.where(new.times <= until)
        sent = Arrivals.joined([each for each in (earlier, new) if each is not None])
        if sent is None:
            return
        sent = sent.ordered(sweeps)
        for arrival, what in COUNTED.items():
            some = sent.where(sent.kinds == arrival)
            if some is not None:
                self._counted(what, some.batch)
        yield sent.batch
        # Not before the consumer has taken them, since the run may be stopped until then.
        if earlier is not None:
            waiting.remove_due(until)
            self._released(earlier.batch)

    def _arrivals(self, chunk: Chunk, batch: pa.RecordBatch, instances: Instances) -> Arrivals:
        """When the rows of a batch arrive."""
        measured = instances.times
        cells = self._generator.arrivals(chunk, instances)
        times = measured.copy() if cells is None else instances.flat(cells)
        kinds = np.where(times > measured, Arrival.BUFFERED, Arrival.PROMPT).astype(np.uint8)
        disorder = self._disorder
        late_percent = disorder.late.percent if disorder.late else 0.0
        if late_percent or disorder.out_of_order:
            fate = 100 * instances.flat(instances.grid.uniforms("disorder", "fate"))
            if disorder.late:
                late = fate < late_percent
                delay = instances.flat(instances.grid.uniforms("disorder", "delay"))[late]
                times[late] += np.ceil(delay * disorder.late.delay).astype(np.int64)
                kinds[late] = Arrival.LATE
            unordered = (fate >= late_percent) & (fate < late_percent + disorder.out_of_order)
            times[unordered] += 1
            kinds[unordered] = Arrival.OUT_OF_ORDER
        return Arrivals(batch, times, kinds)

    def _duplicates(self, arrivals: Arrivals, instances: Instances) -> Iterator[pa.RecordBatch]:
        """The prompt rows that are sent twice."""
        if not self._disorder.duplicate:
            return
        twice = 100 * instances.flat(instances.grid.uniforms("disorder", "twice"))
        prompt = arrivals.kinds == Arrival.PROMPT
        again = arrivals.where(prompt & (twice < self._disorder.duplicate))
        if again is not None:
            self._counted(DUPLICATE, again.batch)
            yield again.batch

    def _hold_ends(self, chunk: Chunk, due: Sequence[int], waiting: WaitingRows) -> None:
        """Hold back the ends of series that are found at timestamps, until they arrive."""
        before = self._before.get(chunk)
        self._before[chunk] = due[-1]
        found = self._generator.ends_with_arrivals(chunk, due if before is None else [before, *due])
        if found is not None and found[0].num_rows:
            batch, times = found
            self._held(batch)
            kinds = np.full(len(times), Arrival.END, np.uint8)
            waiting.hold(Arrivals(batch, times, kinds))
