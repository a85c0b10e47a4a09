"""The memory of recent writes against a plain set of everything that a target holds."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Indices, RecordRange, Records
from fleetstream.targets import deduplication
from fleetstream.targets.deduplication import RecentWrites
from tests.telemetry import SECOND, TIMESTAMP, generator
from tests.wire import Record, expected

MADE = generator(1, 9, ["eu-central-1"], ["apollo", "athena"], missing_percent=20)
TIMES = [TIMESTAMP + n * SECOND for n in range(12)]


class SetTarget:
    """Holds records in a set, and counts how often it is queried for timestamps."""

    def __init__(self) -> None:
        self.held: set[Record] = set()
        self.queries = 0

    def may_hold(self, timestamps: Indices) -> np.ndarray:
        assert (timestamps[1:] > timestamps[:-1]).all()
        self.queries += 1
        times = {record.time for record in self.held}
        return np.array([each in times for each in timestamps.tolist()])


def of(ranges: Sequence[RecordRange], model: RecordModel) -> list[Record]:
    return [record for each in ranges for record in expected(each.batch(), model)]


@st.composite
def requests(draw: st.DrawFn, model: RecordModel) -> list[RecordRange]:
    """Up to three ranges of records, at any timestamps."""
    ranges = []
    for _ in range(draw(st.integers(1, 3))):
        chunk = draw(st.sampled_from(MADE.chunks))
        start = draw(st.integers(0, len(TIMES) - 1))
        stop = draw(st.integers(start + 1, min(start + 4, len(TIMES))))
        records = Records(MADE.batch(chunk, TIMES[start:stop]), model)
        first = draw(st.integers(0, len(records) - 1))
        ranges.append(RecordRange(records, first, draw(st.integers(first + 1, len(records)))))
    return ranges


@settings(max_examples=100)
@given(
    st.data(),
    st.sampled_from(RecordModel),
    st.sampled_from([8, 40, 10_000]),
    st.sampled_from([4, 10_000]),
)
def test_what_is_called_new_is_new(
    data: st.DataObject, model: RecordModel, rows: int, timestamps: int
) -> None:
    """However little is remembered, whatever was there before, and when writes failed."""
    target = SetTarget()
    if data.draw(st.booleans()):
        target.held |= set(of(data.draw(requests(model)), model))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deduplication, "MAX_ROWS", rows)
        patch.setattr(deduplication, "MAX_MERGED_ROWS", rows // 4)
        patch.setattr(deduplication, "MAX_TIMESTAMPS", timestamps)
        recent = RecentWrites(target.may_hold)
        for _ in range(data.draw(st.integers(1, 10))):
            ranges = data.draw(requests(model))
            written = of(ranges, model)
            keys = recent.keys_of(ranges)
            times = [record.time for record in written]
            assert (keys.first, keys.last) == (min(times), max(times))
            if keys.all_new:
                assert not target.held & set(written)
                assert len(set(written)) == len(written)
            if data.draw(st.booleans()):
                target.held |= set(written)
                recent.remember(keys)


@pytest.mark.parametrize("model", RecordModel)
def test_a_run_is_new_from_start_to_end(model: RecordModel) -> None:
    """The target is queried once per request, and never answers for what this run wrote."""
    target = SetTarget()
    recent = RecentWrites(target.may_hold)
    sent = 0
    for begin in range(0, len(TIMES), 3):
        for chunk in MADE.chunks:
            records = Records(MADE.batch(chunk, TIMES[begin : begin + 3]), model)
            keys = recent.keys_of([RecordRange(records, 0, len(records))])
            assert keys.all_new
            target.held |= set(expected(records.batch, model))
            recent.remember(keys)
            sent += 1
    assert target.queries == len(TIMES) // 3 < sent
    records = Records(MADE.batch(MADE.chunks[0], TIMES[5:6]), model)
    assert not recent.keys_of([RecordRange(records, 0, 1)]).all_new
    assert target.queries == len(TIMES) // 3


def test_timestamps_that_were_held_before_are_looked_up_each_time() -> None:
    target = SetTarget()
    recent = RecentWrites(target.may_hold)
    batch = MADE.batch(MADE.chunks[0], TIMES[:1])
    target.held |= set(expected(batch.slice(0, 1), RecordModel.MULTI))
    records = Records(batch, RecordModel.MULTI)
    for number in (1, 2):
        keys = recent.keys_of([RecordRange(records, 1, 2)])
        assert not keys.all_new
        recent.remember(keys)
        assert target.queries == number


def test_many_small_requests_are_remembered_in_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small fleet that is written for days makes one request per sweep."""
    monkeypatch.setattr(deduplication, "MAX_ROWS", 1_000)
    monkeypatch.setattr(deduplication, "MAX_MERGED_ROWS", 200)
    target = SetTarget()
    recent = RecentWrites(target.may_hold)
    made = generator(1, 9, ["eu-central-1"], ["athena"])
    largest = 0
    for number in range(1_500):
        batch = made.batch(made.chunks[0], [TIMESTAMP + number * SECOND])
        keys = recent.keys_of([RecordRange(Records(batch, RecordModel.MULTI), 0, len(batch))])
        assert keys.all_new
        recent.remember(keys)
        largest = max(largest, len(recent._written))
    assert largest < 30
    rows = sum(len(each.hashes) for each in recent._written)
    assert 800 <= rows <= 1_000
    assert len(recent._new_timestamps) <= 1_000


def test_dimensions_that_swap_their_words_differ() -> None:
    words = pa.array(["a", "b"])
    schema = pa.schema(
        [
            pa.field("one", pa.dictionary(pa.int32(), pa.string())),
            pa.field("other", pa.dictionary(pa.int32(), pa.string())),
            pa.field("time", pa.timestamp("us")),
            pa.field("value", pa.float64()),
        ],
        metadata={"kind": "things"},
    )
    one, other = (
        pa.DictionaryArray.from_arrays(pa.array(each, pa.int32()), words)
        for each in ([0, 1], [1, 0])
    )
    times = pa.array([TIMESTAMP] * 2, pa.timestamp("us"))
    batch = pa.RecordBatch.from_arrays([one, other, times, pa.array([1.0, 2.0])], schema=schema)
    recent = RecentWrites(SetTarget().may_hold)
    assert recent.keys_of([RecordRange(Records(batch, RecordModel.MULTI), 0, 2)]).all_new
