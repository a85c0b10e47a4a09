"""WriteRecords bodies: they say exactly what the batch holds, within the service's limits."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from fleetstream.fleet import Fleet, Kind
from fleetstream.targets.timestream.assembly import Assembly
from fleetstream.workload import Workload
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records, kind_of
from fleetstream.targets.sink import Request
from tests.batches import batches, fleet_batches
from tests.telemetry import TIMESTAMP
from tests.wire import expected, merged, records_in

DATABASE, TABLE = 'my "db"', "tæble"
MODELS = st.sampled_from(RecordModel)


def swept(workload: Workload, timestamp: int = TIMESTAMP) -> list[pa.RecordBatch]:
    return list(workload.sweep(timestamp))


ONE_HOST = Workload(Fleet(1, ["eu-central-1"], ["athena"]), 5)
SWEEPS = {
    "whole fleet": swept(Workload(Fleet(), 5)),
    "one host": swept(ONE_HOST),
    "missing CPU": swept(Workload(Fleet(2, ["us-east-2"]), 5, missing_cpu=30)),
    "no CPU": swept(Workload(Fleet(1, ["us-east-2"]), 5, missing_cpu=100)),
    "blocks' ends": [
        batch.slice(0, 93) for batch in swept(Workload(Fleet(45, ["ap-northeast-1"]), 5))
    ],
    "long names": [
        batch.slice(len(batch) - 60)
        for batch in swept(Workload(Fleet(4_000, ["eu-central-1"], ["apollo"]), 5))
    ],
}
"""The batches of several sweeps; the whole fleet is 26,260 values."""


def requests(batches: Iterable[pa.RecordBatch], model: RecordModel) -> list[Request]:
    """All requests that a run makes of some batches."""
    assembly = Assembly(DATABASE, TABLE, model)
    return [
        *(request for batch in batches for request in assembly.prepare(batch)),
        *assembly.flush(),
    ]


@given(st.lists(batches(), min_size=1, max_size=3), MODELS)
def test_requests_say_what_the_batches_hold(
    several: list[pa.RecordBatch], model: RecordModel
) -> None:
    """Whatever the words, the numbers and the gaps; every number reads back bit for bit."""
    made = requests(several, model)
    wanted = [record for batch in several for record in expected(batch, model)]
    assert records_in(request.payload for request in made) == wanted
    assert sum(request.records for request in made) == len(wanted)
    assert sum(request.values for request in made) == sum(len(each.values) for each in wanted)


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("kind", Kind)
def test_each_record_can_be_sent_alone(kind: Kind, model: RecordModel) -> None:
    """As when it was kept because it was not stored, and is sent again on its own."""
    batch = next(batch for batch in SWEEPS["one host"] if kind_of(batch) is kind)
    records = Records(batch, model)
    for place, wanted in enumerate(expected(batch, model)):
        (request,) = requests([records.extract(place, place + 1)], model)
        assert records_in([request.payload]) == [wanted]


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("name", SWEEPS)
def test_requests_of_a_sweep(name: str, model: RecordModel) -> None:
    made = requests(SWEEPS[name], model)
    found = records_in(request.payload for request in made)
    assert found == [record for batch in SWEEPS[name] for record in expected(batch, model)]
    for request in made:
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
@pytest.mark.parametrize("name", SWEEPS)
def test_requests_are_full(name: str, model: RecordModel) -> None:
    """All but the last of each kind have 100 records, over the blocks' borders too."""
    made = requests(SWEEPS[name], model)
    kinds = [request.parts[0].records.kind for request in made]
    for request, (kind, following) in zip(made, pairwise(kinds), strict=False):
        assert request.records == 100 or kind is not following


@pytest.mark.parametrize("model", RecordModel)
def test_what_records_share_is_said_once(model: RecordModel) -> None:
    """A dimension, name or type that is the same in a whole request is in its common attributes."""
    for request in requests(SWEEPS["whole fleet"], model):
        body = json.loads(request.payload)
        common = {each["Name"] for each in body["CommonAttributes"].get("Dimensions", [])}
        records = merged(body)
        for name, _ in records[0].dimensions:
            values = {dict(record.dimensions)[name] for record in records}
            assert (name in common) == (len(values) == 1)
        assert "Time" in body["CommonAttributes"]
        for key, varied in (
            ("MeasureName", {record.name for record in records}),
            ("MeasureValueType", {record.values[0][1] for record in records}),
        ):
            shared = model is RecordModel.MULTI or len(varied) == 1
            assert (key in body["CommonAttributes"]) == shared


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


def test_numbers_are_as_short_as_they_may_be() -> None:
    (batch,) = fleet_batches(Kind.METRICS)
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


def test_batches_of_two_moments_share_no_request() -> None:
    made = requests([*swept(ONE_HOST), *swept(ONE_HOST, TIMESTAMP + 1_000_000)], RecordModel.SINGLE)
    assert [request.records for request in made] == [20, 10, 20, 10]


def test_what_does_not_fill_a_request_waits() -> None:
    assembly = Assembly(DATABASE, TABLE, RecordModel.SINGLE)
    metrics, events = SWEEPS["one host"]
    assert list(assembly.prepare(metrics)) == []
    assert [request.records for request in assembly.prepare(events)] == [20]
    assert [request.records for request in assembly.flush()] == [10]
    assert list(assembly.flush()) == []


def test_the_same_sweep_renders_the_same_bytes_again() -> None:
    """What is remembered of earlier sweeps changes nothing."""
    assembly = Assembly(DATABASE, TABLE, RecordModel.SINGLE)
    rendered = []
    for _ in range(3):
        made = [r for batch in SWEEPS["missing CPU"] for r in assembly.prepare(batch)]
        rendered.append([request.payload for request in [*made, *assembly.flush()]])
    assert rendered[0] == rendered[1] == rendered[2]
