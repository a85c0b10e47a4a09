"""What every target promises, whatever it is."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from fleetstream.fleet import DIMENSIONS, Fleet, Kind
from fleetstream.measures import DataType, measures_of
from fleetstream.generate.records import RecordModel, batch_schema
from fleetstream.targets.sink import Delivery, Request, Sink
from fleetstream.targets.null import NullSink
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.workload import Workload
from tests.sinks.cases import PARAMETERS, Case
from tests.wire import Record, expected

SECOND = 1_000_000
NOW = int(time.time()) // 60 * 60 * SECOND

WORDS = [
    *("plain", "with spaces", "comma,equals=semicolon;", "\"quoted\" 'words'", "back\\slash"),
    *("per%cent/slash", "größer", "🚀 to the moon", "{braces} [brackets]", "a\\,b\\ c"),
]
"""What has to be escaped somewhere."""

MODELS = pytest.mark.parametrize("model", RecordModel)
TARGETS = pytest.mark.parametrize("case", PARAMETERS)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@contextmanager
def opened(options: TargetOptions, model: RecordModel) -> Iterator[Sink]:
    sink = open_sink(options, model)
    with closing(sink):
        sink.open()
        yield sink


def write(sink: Sink, batches: Sequence[pa.RecordBatch]) -> list[tuple[Request, Delivery]]:
    requests = [request for batch in batches for request in sink.prepare(batch)]
    requests += sink.flush()
    return [(request, sink.send(request)) for request in requests]


def sweeps(count: int = 2, missing: float = 20.0) -> list[pa.RecordBatch]:
    workload = Workload(Fleet(1, ["eu-central-1"]), 9, missing_cpu=missing)
    return [batch for n in range(count) for batch in workload.sweep(NOW - n * 60 * SECOND)]


def wild(kind: Kind) -> pa.RecordBatch:
    """A batch whose words have to be escaped, with numbers near and far."""
    count = len(WORDS)
    words = pa.DictionaryArray.from_arrays(pa.array(range(count), pa.int32()), pa.array(WORDS))
    columns: list[pa.Array] = [words] * len(DIMENSIONS[kind])
    columns.append(pa.array(np.full(count, NOW).view("datetime64[us]")))
    for place, measure in enumerate(measures_of(kind)):
        if measure.type is DataType.VARCHAR:
            columns.append(words)
        elif measure.type is DataType.BIGINT:
            columns.append(pa.array([0, -1, 2**63 - 1, -(2**63), *range(count - 4)]))
        else:
            scale = 10.0**measure.decimals
            numbers = [0, -1, 123_456_789, 99_999, 100_000, *range(place, place + count - 5)]
            columns.append(pa.array([number / scale for number in numbers]))
    return pa.RecordBatch.from_arrays(columns, schema=batch_schema(kind))


def records(batches: Sequence[pa.RecordBatch], model: RecordModel) -> list[Record]:
    found = (record for batch in batches for record in expected(batch, model))
    return sorted(record._replace(values=tuple(sorted(record.values))) for record in found)


def held(case: Case, options: TargetOptions, model: RecordModel) -> list[Record]:
    return sorted(case.read(options, model))


@TARGETS
@MODELS
def test_everything_comes_back_as_it_went(case: Case, model: RecordModel, tmp_path: Path) -> None:
    """Missing values, words that have to be escaped, numbers near and far: each exactly once."""
    batches = [*sweeps(), *(wild(kind) for kind in Kind)]
    with case.start(tmp_path) as options:
        with opened(options, model) as sink:
            sent = write(sink, batches)
        assert not any(delivery.rejections for _, delivery in sent)
        assert sum(request.records for request, _ in sent) == len(records(batches, model))
        assert held(case, options, model) == records(batches, model)


@TARGETS
@MODELS
def test_writing_again_stores_once(case: Case, model: RecordModel, tmp_path: Path) -> None:
    """The same request, the same batch, in other company, and by another process later."""
    batches = sweeps(3)
    with case.start(tmp_path) as options:
        with opened(options, model) as sink:
            sent = write(sink, batches[:4])
            assert not any(sink.send(request).rejections for request, _ in sent)
            assert not any(delivery.rejections for _, delivery in write(sink, batches[2:]))
        with opened(options, model) as sink:
            assert not any(delivery.rejections for _, delivery in write(sink, batches[1:5]))
        assert held(case, options, model) == records(batches, model)


@TARGETS
@MODELS
def test_a_part_that_is_refused_leaves_the_rest(
    case: Case, model: RecordModel, tmp_path: Path
) -> None:
    """Of records of which some are there with other values, the others are stored."""
    batch = next(b for b in sweeps(1, missing=0) if "task_completed" in b.schema.names)
    place = batch.schema.get_field_index("task_completed")
    values = batch["task_completed"].to_pylist()
    changed = batch.set_column(
        place, batch.schema.field(place), pa.array([values[0], values[1] + 1, *values[2:]])
    )
    with case.start(tmp_path) as options:
        with opened(options, model) as sink:
            write(sink, [batch.slice(0, 6)])
        with opened(options, model) as sink:
            sent = write(sink, [changed])
        refused = [
            request.record(rejection.index)
            for request, delivery in sent
            for rejection in delivery.rejections
        ]
        if not case.keeps_first:
            assert not refused
            assert held(case, options, model) == records([changed], model)
            return
        assert len(refused) == 1
        (other,) = set(records([changed], model)) - set(records([batch], model))
        assert set(expected(refused[0].batch(), model)) >= {
            record
            for record in expected(changed, model)
            if record._replace(values=tuple(sorted(record.values))) == other
        }
        assert held(case, options, model) == records([batch], model)


@TARGETS
def test_memory_is_bounded(case: Case, tmp_path: Path) -> None:
    workload = Workload(Fleet(1, ["us-west-1"]), 9)
    process = psutil.Process()
    with case.start(tmp_path) as options, opened(options, RecordModel.MULTI) as sink:
        before = 0
        for number in range(120):
            write(sink, list(workload.sweep(NOW - 600 * SECOND + number * SECOND)))
            if number == 40:
                before = process.memory_info().rss
        assert process.memory_info().rss - before < 80_000_000


@MODELS
def test_nothing_takes_everything(model: RecordModel) -> None:
    sink = NullSink(model)
    sink.open()
    sent = write(sink, [*sweeps(), wild(Kind.EVENTS)])
    assert all(delivery == Delivery() for _, delivery in sent)
    assert sum(request.records for request, _ in sent) == len(
        records([*sweeps(), wild(Kind.EVENTS)], model)
    )
