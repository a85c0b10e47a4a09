"""Disorder: measurements that come late, out of order or twice, to test pipelines with.

A *measurement* is a row of a batch: all values of a host or process at a timestamp. Which are
affected is drawn as values are, as a function of seed, series and timestamp, so disorder is
repeatable too, and changes no value.
"""

import heapq
from collections.abc import Callable, Iterator
from typing import Annotated, Protocol

import msgspec
import pyarrow as pa

from fleetstream.run.ledger import Ledger
from fleetstream.generate.records import RecordModel, Records
from fleetstream.workload import Block, Purpose, Workload

LATE, OUT_OF_ORDER, DUPLICATE = "late", "out of order", "duplicate"
"""What the ledger counts disordered records by."""

Share = Annotated[float, msgspec.Meta(ge=0, le=100)]
"""How many of all measurements, in per cent."""


class Disorder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much disorder there is.

    Of all measurements, ``late`` are sent up to ``delay`` microseconds after their sweep, those of
    a block together; ``out_of_order`` right after those of the sweep that follows; ``duplicate``
    twice in their sweep.
    """

    late: Share = 0.0
    delay: Annotated[int, msgspec.Meta(ge=0)] = 0
    out_of_order: Share = 0.0
    duplicate: Share = 0.0


class Watcher(Protocol):
    """Is told of what is held back."""

    @property
    def entered(self) -> Callable[[pa.RecordBatch], None]:
        """Called with a batch that is held back."""
        ...

    @property
    def released(self) -> Callable[[pa.RecordBatch], None]:
        """Called with a batch that was held back and has been given out."""
        ...


class Disordered:
    """Gives out a workload's batches in disorder; what is held back waits in memory.

    ``ledger`` counts what is disordered, and ``watcher`` knows what is held back.
    """

    def __init__(
        self,
        workload: Workload,
        disorder: Disorder,
        model: RecordModel,
        ledger: Ledger,
        watcher: Watcher,
    ) -> None:
        self._workload = workload
        self._disorder = disorder
        self._model = model
        self._ledger = ledger
        self._watcher = watcher
        self._waiting: list[tuple[int, int, str, pa.RecordBatch]] = []
        self._order = 0

    def batches(self, block: Block, timestamp: int) -> Iterator[pa.RecordBatch]:
        """What of a block at a timestamp is given out in its sweep."""
        disorder, batch = self._disorder, self._workload.batch(block, timestamp)
        draws = self._workload.draws(block, timestamp, Purpose.DISORDER)
        fate, twice = draws.uniform() * 100, draws.uniform() * 100
        delay = int(draws.random.random() * disorder.delay)
        late = fate < disorder.late
        unordered = ~late & (fate < disorder.late + disorder.out_of_order)
        for what, rows, due in (
            (LATE, late, timestamp + max(delay, 1)),
            (OUT_OF_ORDER, unordered, timestamp + 1),
        ):
            if rows.any():
                self._hold(due, what, batch.filter(pa.array(rows)))
        prompt = ~(late | unordered)
        if prompt.any():
            yield batch if prompt.all() else batch.filter(pa.array(prompt))
        again = prompt & (twice < disorder.duplicate)
        if again.any():
            yield self._counted(DUPLICATE, batch.filter(pa.array(again)))

    def due(self, timestamp: int) -> Iterator[pa.RecordBatch]:
        """What was held back until the sweep at ``timestamp``; comes after all of that sweep."""
        while self._waiting and self._waiting[0][0] <= timestamp:
            yield from self._release()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """All that is held back still: there is no other sweep."""
        while self._waiting:
            yield from self._release()

    def _hold(self, due: int, what: str, batch: pa.RecordBatch) -> None:
        self._watcher.entered(batch)
        heapq.heappush(self._waiting, (due, self._order, what, batch))
        self._order += 1

    def _release(self) -> Iterator[pa.RecordBatch]:
        _, _, what, batch = self._waiting[0]
        yield self._counted(what, batch)
        # Only now, since nobody may have taken it: a run can be stopped here.
        heapq.heappop(self._waiting)
        self._watcher.released(batch)

    def _counted(self, what: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._ledger.disordered(what, len(Records(batch, self._model)))
        return batch
