"""WriteRecords bodies: they say exactly what the batch holds, within the service's limits."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.records import Records
from fleetstream.generate.schema import kind_of
from fleetstream.targets.sink import Request
from fleetstream.targets.timestream.dimensions import DimensionRenderer, DimensionSets
from fleetstream.targets.timestream.packing import Packing
from fleetstream.targets.timestream.request_builder import RequestBuilder
from tests.batches import batches, fleet_batches
from tests.telemetry import EVENTS, KINDS, METRICS, SECOND, TIMESTAMP, generator
from tests.wire import expected, merged, records_in

DATABASE, TABLE = 'my "db"', "tæble"
MODELS = st.sampled_from(RecordModel)


def swept(generator: Generator, *timestamps: int) -> list[pa.RecordBatch]:
    return list(generator.batches(timestamps or [TIMESTAMP]))


def seconds(count: int) -> range:
    return range(TIMESTAMP, TIMESTAMP + count * SECOND, SECOND)


ONE_HOST = generator(1, 5, ["eu-central-1"], ["athena"])
BATCHES = {
    "whole fleet": swept(generator()),
    "a region, three times": swept(generator(regions=["us-west-1"]), *seconds(3)),
    "one host": swept(ONE_HOST),
    "one host, 70 times": swept(ONE_HOST, *seconds(70)),
    "missing CPU": swept(generator(2, 5, ["us-east-2"], missing_percent=30), *seconds(2)),
    "no CPU": swept(generator(1, 5, ["us-east-2"], missing_percent=100)),
    "several chunks": [
        batch.slice(0, 93) for batch in swept(generator(2_000, 5, ["ap-northeast-1"], ["athena"]))
    ],
    "long names": [
        batch.slice(len(batch) - 60)
        for batch in swept(generator(4_000, 5, ["eu-central-1"], ["apollo"]))
    ],
}
"""Batches of several fleets and histories; the whole fleet is 26,260 values."""


def requests(batches: Iterable[pa.RecordBatch], model: RecordModel) -> list[Request]:
    """All requests that a run makes of some batches."""
    builder = RequestBuilder(DATABASE, TABLE, model)
    return [
        *(request for batch in batches for request in builder.prepare(batch)),
        *builder.flush(),
    ]


@given(st.lists(batches(), min_size=1, max_size=2), MODELS)
def test_requests_say_what_the_batches_hold(
    several: list[pa.RecordBatch], model: RecordModel
) -> None:
    """Whatever the words, the numbers and the gaps; every number reads back bit for bit."""
    made = requests(several, model)
    wanted = [record for batch in several for record in expected(batch, model)]
    assert Counter(records_in(request.payload for request in made)) == Counter(wanted)
    assert sum(request.records for request in made) == len(wanted)
    assert sum(request.values for request in made) == sum(len(each.values) for each in wanted)


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("kind", KINDS)
def test_each_record_can_be_sent_alone(kind: str, model: RecordModel) -> None:
    """As when it was kept because it was not stored, and is sent again on its own."""
    batch = next(batch for batch in BATCHES["one host"] if kind_of(batch.schema) == kind)
    records = Records(batch, model)
    for place, wanted in enumerate(expected(batch, model)):
        (request,) = requests([records.extract(place, place + 1)], model)
        assert records_in([request.payload]) == [wanted]


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("name", BATCHES)
def test_requests_of_a_sweep(name: str, model: RecordModel) -> None:
    made = requests(BATCHES[name], model)
    found = records_in(request.payload for request in made)
    wanted = [record for batch in BATCHES[name] for record in expected(batch, model)]
    assert Counter(found) == Counter(wanted)
    for request in made:
        (range_,) = request.ranges
        assert records_in([request.payload]) == expected(range_.batch(), model)
        body = json.loads(request.payload)
        assert (body["DatabaseName"], body["TableName"]) == (DATABASE, TABLE)
        assert request.size == len(request.payload)
        assert request.records == len(body["Records"])
        check_limits(body)


def check_limits(body: dict[str, Any]) -> None:
    """The quotas of Amazon Timestream for LiveAnalytics on one request."""
    assert 1 <= len(body["Records"]) <= 100
    for record in merged(body):
        assert 1 <= len(record.dimensions) <= 128
        assert all(1 <= len(name.encode()) <= 60 for name, _ in record.dimensions)
        series = sum(len((name + value).encode()) for name, value in record.dimensions)
        assert series <= 2_048
        assert len(record.name.encode()) <= 256
        assert 1 <= len(record.values) <= 256
        sizes = [len(name) + len(str(value)) for name, _, value in record.values]
        assert max(sizes) <= 2_048
        assert series + len(record.name) + sum(sizes) <= 2_048


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("name", BATCHES)
def test_requests_are_full(name: str, model: RecordModel) -> None:
    """All but one of each kind have 100 records, across chunks and timestamps."""
    by_kind: dict[str, list[int]] = {}
    for request in requests(BATCHES[name], model):
        by_kind.setdefault(request.ranges[0].records.kind, []).append(request.records)
    assert set(by_kind) == {kind_of(batch.schema) for batch in BATCHES[name]}
    for counts in by_kind.values():
        assert sum(count < 100 for count in counts) <= 1


@given(st.lists(batches(), min_size=1, max_size=2), MODELS)
def test_what_any_records_share_is_stated_once(
    several: list[pa.RecordBatch], model: RecordModel
) -> None:
    check_common(requests(several, model), model)


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("name", BATCHES)
def test_what_records_share_is_stated_once(name: str, model: RecordModel) -> None:
    check_common(requests(BATCHES[name], model), model)


def check_common(made: Iterable[Request], model: RecordModel) -> None:
    """Dimension, time, name or type are common attributes if, and only if, all records share it."""
    for request in made:
        body = json.loads(request.payload)
        attributes = body["CommonAttributes"]
        common = {each["Name"] for each in attributes.get("Dimensions", [])}
        records = merged(body)
        for name, _ in records[0].dimensions:
            values = {dict(record.dimensions)[name] for record in records}
            assert (name in common) == (len(values) == 1)
        for key, varied in (
            ("Time", {record.time for record in records}),
            ("MeasureName", {record.name for record in records}),
            ("MeasureValueType", {record.values[0][1] for record in records}),
        ):
            shared = len(varied) == 1 or (model is RecordModel.MULTI and key != "Time")
            assert (key in attributes) == shared
            assert all((key in record) == (not shared) for record in body["Records"])


def test_a_slot_for_the_time_does_not_lengthen_requests_that_share_it() -> None:
    one = requests(BATCHES["whole fleet"], RecordModel.SINGLE)
    three = requests(swept(generator(), *seconds(3)), RecordModel.SINGLE)
    assert sum(request.size for request in three) < 3.1 * sum(request.size for request in one)


@pytest.mark.parametrize(
    ("timestamp", "time", "unit"),
    [
        (1_700_000_000_000_000, 1_700_000_000, "SECONDS"),
        (1_700_000_000_250_000, 1_700_000_000_250, "MILLISECONDS"),
        (1_700_000_000_250_001, 1_700_000_000_250_001, "MICROSECONDS"),
    ],
)
def test_time_is_in_the_coarsest_unit_that_holds_it(timestamp: int, time: int, unit: str) -> None:
    for request in requests(swept(ONE_HOST, timestamp), RecordModel.MULTI):
        common = json.loads(request.payload)["CommonAttributes"]
        assert (common["Time"], common["TimeUnit"]) == (str(time), unit)


def test_different_times_are_in_the_coarsest_unit_that_holds_all() -> None:
    batches = swept(ONE_HOST, TIMESTAMP, TIMESTAMP + 1_500_000)
    for request in requests(batches, RecordModel.MULTI):
        body = json.loads(request.payload)
        times = {record["Time"] for record in body["Records"]}
        assert body["CommonAttributes"]["TimeUnit"] == "MILLISECONDS"
        assert times == {"1700000000000", "1700000001500"}


def test_numbers_are_as_short_as_they_may_be() -> None:
    (batch,) = fleet_batches(METRICS)
    place = batch.schema.get_field_index("cpu_user")
    numbers = [0.0, 0.5, 12.25, 100.0, 99.99, -3.1]
    batch = batch.slice(0, len(numbers)).set_column(
        place, batch.schema.field(place), pa.array(numbers)
    )
    (request,) = requests([batch], RecordModel.MULTI)
    texts = [
        record["MeasureValues"][0]["Value"] for record in json.loads(request.payload)["Records"]
    ]
    assert texts == ["0", "0.5", "12.25", "100", "99.99", "-3.1"]


def test_different_timestamps_share_requests() -> None:
    made = requests([*swept(ONE_HOST), *swept(ONE_HOST, TIMESTAMP + SECOND)], RecordModel.SINGLE)
    assert sorted(request.records for request in made) == [20, 40]


def test_what_does_not_fill_a_request_is_kept_per_kind() -> None:
    """Metrics have 20 records per timestamp, events 10."""
    builder = RequestBuilder(DATABASE, TABLE, RecordModel.SINGLE)
    made = []
    for time in seconds(11):
        for batch in ONE_HOST.batches([time]):
            made += [(request.ranges[0].records.kind, time) for request in builder.prepare(batch)]
    assert made == [
        *((METRICS, TIMESTAMP + second * SECOND) for second in (4, 9)),
        (EVENTS, TIMESTAMP + 9 * SECOND),
    ]
    assert sorted(request.records for request in builder.flush()) == [10, 20]
    assert list(builder.flush()) == []


def test_batches_of_the_same_series_find_their_dimensions_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although their records do not fill their last requests."""
    computed = []
    compute = DimensionRenderer.sets

    def counting(self: DimensionRenderer, packing: Packing) -> DimensionSets:
        computed.append(len(packing.starts))
        return compute(self, packing)

    monkeypatch.setattr(DimensionRenderer, "sets", counting)
    made = generator(1, 5, ["us-west-1"])
    builder = RequestBuilder(DATABASE, TABLE, RecordModel.MULTI)
    for start in range(5):
        times = range(TIMESTAMP + start * 7 * SECOND, TIMESTAMP + (start + 1) * 7 * SECOND, SECOND)
        for batch in made.batches(times):
            assert list(builder.prepare(batch))
    assert sum(requests > 1 for requests in computed) == len(made.chunks)


def test_the_same_sweep_renders_the_same_bytes_again() -> None:
    """What is remembered of earlier sweeps changes nothing."""
    builder = RequestBuilder(DATABASE, TABLE, RecordModel.SINGLE)
    rendered = []
    for _ in range(3):
        made = [r for batch in BATCHES["missing CPU"] for r in builder.prepare(batch)]
        rendered.append([request.payload for request in [*made, *builder.flush()]])
    assert rendered[0] == rendered[1] == rendered[2]
