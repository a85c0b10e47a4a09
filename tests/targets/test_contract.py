"""What every target promises, under both record models."""

import gc
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.records import Records
from fleetstream.generate.schema import batch_schema
from fleetstream.model import DataType
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import Delivery, Request, Sink
from tests.targets.cases import ALL_SCHEMAS, PARAMETERS, SCHEMAS, Case, NewPlace
from tests.telemetry import EVENTS, KINDS, MODEL, SECOND, STATES, TYPED, generator
from tests.wire import Record, expected

MINUTE = 60 * SECOND
NOW = int(time.time()) // 60 * MINUTE

WORDS = [
    *("plain", "with spaces", "comma,equals=semicolon;", "\"quoted\" 'words'", "back\\slash"),
    *("per%cent/slash", "größer", "🚀 to the moon", "{braces} [brackets]", "a\\,b\\ c"),
]
"""Words with characters that have to be escaped in some target."""

MODELS = pytest.mark.parametrize("model", RecordModel)


@dataclass(frozen=True)
class Running:
    """A target that is running, and what returns empty places in it."""

    case: Case
    place: NewPlace

    def held(
        self,
        options: TargetOptions,
        model: RecordModel,
        schemas: Sequence[pa.Schema] = SCHEMAS,
    ) -> list[Record]:
        return sorted(self.case.read(options, model, schemas))


@pytest.fixture(scope="module", params=PARAMETERS)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    case: Case = request.param
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "local")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "local")
        with case.start(tmp_path_factory.mktemp(case.name)) as place:
            yield Running(case, place)


@contextmanager
def opened(
    options: TargetOptions, model: RecordModel, schemas: Sequence[pa.Schema] = SCHEMAS
) -> Iterator[Sink]:
    sink = open_sink(options, model, tuple(schemas))
    with closing(sink):
        sink.open()
        yield sink


def write(sink: Sink, batches: Sequence[pa.RecordBatch]) -> list[tuple[Request, Delivery]]:
    requests = [request for batch in batches for request in sink.prepare(batch)]
    requests += sink.flush()
    return [(request, sink.send(request)) for request in requests]


def sweeps(count: int = 2, missing: float = 20.0) -> list[pa.RecordBatch]:
    """Batches of one timestamp each, of ten hosts and twelve processes, the latest first."""
    made = generator(1, 9, ["eu-central-1"], missing_percent=missing)
    return [batch for n in range(count) for batch in made.batches([NOW - n * MINUTE])]


def history(*counts: int, missing: float = 20.0) -> list[pa.RecordBatch]:
    """Two batches per count, with so many timestamps each, one after the other in time."""
    made = generator(1, 9, ["eu-central-1"], missing_percent=missing)
    times = iter(range(NOW - sum(counts) * MINUTE, NOW, MINUTE))
    return [
        batch for count in counts for batch in made.batches([next(times) for _ in range(count)])
    ]


def wild(kind: str, largest: int = 2**63 - 1) -> pa.RecordBatch:
    """A batch with words that have to be escaped and with very small and large numbers."""
    count = len(WORDS)
    words = pa.DictionaryArray.from_arrays(pa.array(range(count), pa.int32()), pa.array(WORDS))
    columns: list[pa.Array] = [words] * len(MODEL.kinds[kind].dimensions)
    columns.append(pa.array(np.full(count, NOW).view("datetime64[us]")))
    for place, measure in enumerate(MODEL.kinds[kind].measures):
        if measure.type is DataType.VARCHAR:
            columns.append(words)
        elif measure.type is DataType.BIGINT:
            columns.append(pa.array([0, -1, largest, -largest - 1, *range(count - 4)]))
        else:
            scale = 10.0**measure.decimals
            numbers = [0, -1, 123_456_789, 99_999, 100_000, *range(place, place + count - 5)]
            columns.append(pa.array([number / scale for number in numbers]))
    return pa.RecordBatch.from_arrays(columns, schema=batch_schema(MODEL, kind))


def with_other_value(batch: pa.RecordBatch, *rows: int) -> pa.RecordBatch:
    """The batch of events with another value in some rows."""
    place = batch.schema.get_field_index("task_completed")
    values = batch["task_completed"].to_pylist()
    for row in rows:
        values[row] += 1
    return batch.set_column(place, batch.schema.field(place), pa.array(values))


def records(batches: Sequence[pa.RecordBatch], model: RecordModel) -> list[Record]:
    found = (record for batch in batches for record in expected(batch, model))
    return sorted(record._replace(values=tuple(sorted(record.values))) for record in found)


@MODELS
def test_reads_back_what_was_written(target: Running, model: RecordModel) -> None:
    """Missing values, any words and numbers, one or several timestamps: each exactly once."""
    extremes = [wild(kind, target.case.largest_integer) for kind in KINDS]
    batches = [*sweeps(), *history(3, 1)[2:], *extremes]
    options = target.place()
    with opened(options, model) as sink:
        sent = write(sink, batches)
    assert not any(delivery.rejections for _, delivery in sent)
    assert sum(request.records for request, _ in sent) == len(records(batches, model))
    assert sum(request.values for request, _ in sent) == len(records(batches, RecordModel.SINGLE))
    assert target.held(options, model) == sorted(set(records(batches, model)))


@MODELS
def test_keeps_values_of_every_type(target: Running, model: RecordModel) -> None:
    """Truth and times, some of them missing, beside kinds that have none; written twice."""
    states = Generator(TYPED, 11, step=MINUTE)
    batches = [*sweeps(), *states.batches(range(NOW - 20 * MINUTE, NOW, MINUTE))]
    batches.append(extreme_states())
    options = target.place()
    for _ in range(2):
        with opened(options, model, ALL_SCHEMAS) as sink:
            sent = write(sink, batches)
        assert not any(delivery.rejections for _, delivery in sent)
    assert target.held(options, model, ALL_SCHEMAS) == records(batches, model)


def extreme_states() -> pa.RecordBatch:
    """A row with the earliest time, one whose times are not whole seconds, one with little."""
    columns = {field.name: [None, None, None] for field in batch_schema(TYPED, STATES)}
    columns |= {
        "device": ["one", "two", "three"],
        "session": ["a", "b", "c"],
        "time": [NOW, NOW, NOW],
        "hot": [True, None, False],
        "state": ["busy", None, None],
        "started": [0, 1_234_567_890_123_000, None],
        "seen": [None, 4_000_000_000_001_000, None],
    }
    schema = batch_schema(TYPED, STATES)
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) for field in schema], schema=schema
    )


@MODELS
def test_stores_once_what_is_written_twice(target: Running, model: RecordModel) -> None:
    """The same request, the same batch, with other batches, and by another process later."""
    batches = [*sweeps(2), *history(1, 4)]
    options = target.place()
    with opened(options, model) as sink:
        sent = write(sink, batches[:6])
        assert not any(sink.send(request).rejections for request, _ in sent)
        assert not any(delivery.rejections for _, delivery in write(sink, batches[2:]))
    with opened(options, model) as sink:
        assert not any(delivery.rejections for _, delivery in write(sink, batches[1:7]))
    assert target.held(options, model) == sorted(set(records(batches, model)))


@MODELS
def test_stores_batches_in_any_order_and_split(target: Running, model: RecordModel) -> None:
    """Whatever the order and the overlap of rows, over any number of requests and openings."""
    whole = history(3, 5, 1)

    @settings(max_examples=3)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        options = target.place()
        written: list[pa.RecordBatch] = []
        for _ in range(data.draw(st.integers(1, 2))):
            with opened(options, model) as sink:
                for _ in range(data.draw(st.integers(1, 3))):
                    parts = data.draw(st.lists(_slices(whole), min_size=1, max_size=4))
                    assert not any(delivery.rejections for _, delivery in write(sink, parts))
                    written += parts
        assert target.held(options, model) == sorted(set(records(written, model)))

    check()


@st.composite
def _slices(draw: st.DrawFn, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    batch = draw(st.sampled_from(batches))
    start = draw(st.integers(0, batch.num_rows - 1))
    return batch.slice(start, draw(st.integers(1, batch.num_rows - start)))


@MODELS
def test_stores_the_rest_of_a_request_with_refused_records(
    target: Running, model: RecordModel
) -> None:
    """Of records of which some are stored with other values, the others are stored."""
    (_, batch) = history(3, missing=0)
    changed = with_other_value(batch, 1, 14)
    options = target.place()
    with opened(options, model) as sink:
        write(sink, [batch.slice(0, 20)])
    with opened(options, model) as sink:
        sent = write(sink, [changed])
    refused = [
        request.record(rejection.index).batch()
        for request, delivery in sent
        for rejection in delivery.rejections
    ]
    if not target.case.keeps_first:
        assert not refused
        assert target.held(options, model) == records([changed], model)
        return
    assert len(refused) == 2
    others = set(records([changed], model)) - set(records([batch], model))
    assert set(records(refused, model)) == others
    assert target.held(options, model) == records([batch], model)


@MODELS
def test_counts_records_that_were_stored_before(target: Running, model: RecordModel) -> None:
    """Only records with the same values, whether stored before or twice in the request."""
    metrics, events = history(4)
    parts = [metrics.slice(0, 15), events, metrics.slice(10, 10), with_other_value(events, 2)]
    options = target.place()
    sent = []
    for group in (parts[:1], parts[1:3], parts[2:]):
        with opened(options, model) as sink:
            sent += write(sink, group)
    if not target.case.counts_unchanged:
        assert all(delivery.unchanged is None for _, delivery in sent)
        return
    stored: set[Record] = set()
    counts = []
    for request, _ in sent:
        found = records([each.batch() for each in request.ranges], model)
        counts.append(sum(record in stored for record in found))
        stored |= set(found)
    assert sum(counts) > 0
    assert [delivery.unchanged for _, delivery in sent] == counts
    assert sum(len(delivery.rejections) for _, delivery in sent) == 1


@pytest.mark.slow
def test_memory_is_bounded(target: Running) -> None:
    """Neither batches nor anything made of them is kept once they are delivered."""
    if target.case.in_this_process:
        pytest.skip("what the target stores cannot be told from what the sink keeps")
    made = generator(1, 9, ["us-west-1"])

    def hold() -> tuple[int, int]:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes(), _resident()

    begin = NOW - 600 * SECOND
    with opened(target.place(), RecordModel.MULTI) as sink:
        tracemalloc.start()
        try:
            for number in range(60):
                if number == 25:
                    before, resident_before = hold()
                write(sink, list(made.batches([begin + number * SECOND])))
            after, resident = hold()
        finally:
            tracemalloc.stop()
    sweep_bytes = sum(batch.nbytes for batch in made.batches([NOW]))
    assert after - before < 20 * sweep_bytes
    assert resident - resident_before < 40_000_000


def _resident() -> int:
    resident: int = psutil.Process().memory_info().rss
    return resident


@MODELS
def test_null_counts_everything(model: RecordModel) -> None:
    batches = [*sweeps(), *history(3), wild(EVENTS)]
    with opened(TargetOptions(to="null:"), model) as sink:
        sent = write(sink, batches)
        assert sink.query_hint() is None
    assert all(delivery == Delivery() for _, delivery in sent)
    assert [request.records for request, _ in sent] == [
        len(Records(batch, model)) for batch in batches
    ]


@pytest.mark.parametrize(
    "options",
    [
        TargetOptions(to="null:"),
        TargetOptions(to="duckdb:{folder}/fleet.duckdb"),
        TargetOptions(to="parquet:{folder}/lake"),
        TargetOptions(to="csv:{folder}/load"),
    ],
    ids=str,
)
def test_targets_without_a_wire_have_no_sizes(options: TargetOptions, tmp_path: Any) -> None:
    """Neither bytes nor metered writes are counted where there is nothing to count."""
    assert options.to is not None
    named = TargetOptions(to=options.to.format(folder=tmp_path))
    with opened(named, RecordModel.SINGLE) as sink:
        sent = write(sink, sweeps())
    assert sent
    assert {(request.size, request.writes) for request, _ in sent} == {(None, None)}
