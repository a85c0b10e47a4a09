"""A target in memory that fails as a test wants; what it stores, it keeps once per record."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat

import pyarrow as pa
import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.generate.schema import dimension_names, kind_of
from fleetstream.targets.registry import Target, TargetOptions, targets
from fleetstream.targets.sink import (
    Delivery,
    Rejection,
    Request,
    TargetLost,
    Throttled,
    Unavailable,
)

Row = tuple[object, ...]
Answer = Callable[[Request], str]


def rows_of(batch: pa.RecordBatch) -> Iterator[Row]:
    """The values of a batch: kind, dimensions, time, measure and value of each."""
    names = batch.schema.names
    dimensions = len(dimension_names(batch.schema))
    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        key = (kind_of(batch.schema), *row[: dimensions + 1])
        for name, value in zip(names[dimensions + 1 :], row[dimensions + 1 :], strict=True):
            if value is not None:
                yield (*key, name, value)


def script(*outcomes: str) -> Answer:
    """Answers one request after the other as listed; all others are stored."""
    iterator = chain(outcomes, repeat("stored"))
    return lambda _request: next(iterator)


class MemoryTarget:
    """What one or more sinks have stored.

    ``answer`` returns the outcome of a request: `stored`, `throttled`, `unavailable`, `rejected`
    (its first and last record), `refused` (all of them), `lost` or `broken`; it is called by one
    thread at a time. ``seconds`` is how long a request takes.
    """

    def __init__(
        self,
        answer: Answer = lambda _request: "stored",
        *,
        records_per_request: int = 100,
        seconds: float = 0.0,
    ) -> None:
        self.answer = answer
        self.records_per_request = records_per_request
        self.seconds = seconds
        self.ranges: list[RecordRange] = []
        self.lock = threading.Lock()
        self.closed = 0

    @property
    def rows(self) -> list[Row]:
        """All stored values, each once per time that it was stored."""
        return [row for each in self.ranges for row in rows_of(each.batch())]

    def sink(self, model: RecordModel = RecordModel.SINGLE) -> "MemorySink":
        return MemorySink(self, model)

    def register(self, patch: pytest.MonkeyPatch) -> None:
        """Make this the target `memory:` of this process."""

        def opened(
            _options: TargetOptions, model: RecordModel, _schemas: Sequence[pa.Schema]
        ) -> MemorySink:
            return self.sink(model)

        patch.setitem(targets(), "memory", Target("memory", "memory:", opened))


class MemorySink:
    name = "memory"
    concurrency = None
    exclusive = False
    window = None

    def __init__(self, target: MemoryTarget, model: RecordModel) -> None:
        self._target = target
        self._model = model

    def open(self) -> None: ...

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        records = Records(batch, self._model)
        size = self._target.records_per_request
        for start in range(0, len(records), size):
            part = RecordRange(records, start, min(start + size, len(records)))
            yield Request((part,), None, size=10, writes=3)

    def pause(self) -> Iterable[Request]:
        return ()

    def flush(self) -> Iterable[Request]:
        return ()

    def send(self, request: Request) -> Delivery:
        if self._target.seconds:
            time.sleep(self._target.seconds)
        with self._target.lock:
            outcome = self._target.answer(request)
            if outcome == "throttled":
                raise Throttled("later")
            if outcome == "unavailable":
                raise Unavailable("cut")
            if outcome == "lost":
                raise TargetLost("it is gone")
            if outcome == "broken":
                raise RuntimeError("a defect")
            refused = {
                "stored": [],
                "rejected": sorted({0, request.records - 1}),
                "refused": list(range(request.records)),
            }[outcome]
            self._store(request, refused)
        return Delivery(tuple(Rejection(index, "unwanted") for index in refused))

    def _store(self, request: Request, refused: list[int]) -> None:
        if not refused:
            self._target.ranges += request.ranges
            return
        kept = [index for index in range(request.records) if index not in set(refused)]
        self._target.ranges += [request.record(index) for index in kept]

    def close(self) -> None:
        self._target.closed += 1

    def query_hint(self) -> None: ...
