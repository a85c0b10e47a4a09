"""Metered writes: the developer guide's worked examples, and each request by its own records."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.generate.schema import TIME, batch_schema
from fleetstream.targets.timestream.dimensions import DimensionRenderer
from fleetstream.targets.timestream.metering import metered_bytes, metered_writes
from fleetstream.targets.timestream.packing import Packing
from fleetstream.targets.timestream.request_builder import RequestBuilder
from tests.batches import batches
from tests.telemetry import KINDS, METRICS, MODEL, SECOND, TIMESTAMP, generator
from tests.wire import Record, expected

GUIDE = {"region": "us-east-1", "az": "1d", "vpc": "vpc-1a2b3c4d", "hostname": "host-24Gju"}
"""The dimensions of the guide's example, an EC2 instance's CPU utilisation."""


FIXED = {"DOUBLE": 8, "BIGINT": 8, "TIMESTAMP": 8, "BOOLEAN": 1}
"""Bytes of values whose size does not depend on them."""


def batch_of(
    dimensions: dict[str, list[str]], measures: list[str], times: Sequence[int] = (TIMESTAMP,)
) -> pa.RecordBatch:
    """Events like the guide's: one per row, of one measure each, at the given times in turn."""
    count = len(measures)
    names = sorted(set(measures))
    columns = {name: pa.array(words).dictionary_encode() for name, words in dimensions.items()}
    columns[TIME] = pa.array(np.resize(times, count).view("datetime64[us]"))
    for name in names:
        columns[name] = pa.array([35.0 if name == measure else None for measure in measures])
    batch = pa.record_batch(columns)
    return batch.replace_schema_metadata({"kind": METRICS})


def events(count: int, common: set[str], times: Sequence[int] = (TIMESTAMP,)) -> pa.RecordBatch:
    """So many of the guide's events that have in common what is named, and differ in the rest."""

    def varied(name: str, text: str) -> list[str]:
        if name in common:
            return [text] * count
        return [f"{i:0{len(text)}}" for i in range(count)]

    dimensions = {name: varied(name, text) for name, text in GUIDE.items()}
    return batch_of(dimensions, varied("measure_name", "cpu_utilization"), times)


def metered(batch: pa.RecordBatch) -> tuple[list[int], list[int]]:
    """Bytes and writes of each request."""
    records = Records(batch, RecordModel.SINGLE)
    packing = Packing(records, len(records))
    dimensions = DimensionRenderer().sets(packing)
    return (
        metered_bytes(packing, dimensions).tolist(),
        metered_writes(packing, dimensions).tolist(),
    )


def test_one_event_has_83_bytes() -> None:
    assert metered(events(1, set())) == ([83], [1])


def test_twelve_events_are_one_write() -> None:
    """The guide's 998 bytes, and less where all events share their time."""
    assert metered(events(12, set(), range(12))) == ([12 * 83], [1])
    assert metered(events(12, set())) == ([12 * 83 - 11 * 8], [1])


def test_a_hundred_events_with_common_attributes_are_three_writes() -> None:
    """Region, zone, network, measure name and time once; host name and value for each."""
    common = {"region", "az", "vpc", "measure_name"}
    assert metered(events(100, common)) == ([57 + 100 * 26], [3])


def test_a_hundred_events_without_are_eight() -> None:
    assert metered(events(100, set())) == ([8 + 100 * 75], [8])
    assert metered(events(100, set(), [0, SECOND])) == ([100 * 83], [9])


@pytest.mark.parametrize(("events_sent", "writes"), [(13, 1), (14, 2)])
def test_a_write_ends_at_a_kibibyte(events_sent: int, writes: int) -> None:
    size = 8 + events_sent * 75
    assert (size <= 1_024) == (writes == 1)
    assert metered(events(events_sent, set())) == ([size], [writes])


@given(st.lists(batches(), min_size=1, max_size=2), st.sampled_from(RecordModel))
def test_requests_are_metered_by_their_records(
    several: list[pa.RecordBatch], model: RecordModel
) -> None:
    """By the guide's rules, applied to the records that the request was built from."""
    builder = RequestBuilder("db", "tb", model)
    made = [request for batch in several for request in builder.prepare(batch)]
    for request in [*made, *builder.flush()]:
        size = metered_size(request.ranges)
        assert request.writes == -(-size // 1_024)
        assert size == stated_size(request.payload)


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("missing_percent", [0, 30])
def test_a_history_is_metered_by_its_records(model: RecordModel, missing_percent: float) -> None:
    made = generator(1, 3, ["us-west-2"], ["athena"], missing_percent=missing_percent)
    times = range(TIMESTAMP, TIMESTAMP + 40 * SECOND, SECOND)
    builder = RequestBuilder("db", "tb", model)
    requests = [request for batch in made.batches(times) for request in builder.prepare(batch)]
    requests += builder.flush()
    assert len(requests) >= 6
    for request in requests:
        assert request.writes == -(-metered_size(request.ranges) // 1_024)


def metered_size(ranges: Sequence[RecordRange]) -> int:
    """The metered size of one request, record by record, from what its records are.

    What all records of the request have in common counts once; everything else per record.
    """
    records = [record for each in ranges for record in expected(each.batch(), each.records.model)]
    single = ranges[0].records.model is RecordModel.SINGLE
    common = [name for name, value in records[0].dimensions if in_all(records, name, value)]
    one_name = len({record.name for record in records}) == 1
    one_time = len({record.time for record in records}) == 1
    size = 8 * one_time + len(records[0].name.encode()) * one_name
    size += sum(word_bytes(each) for each in records[0].dimensions if each[0] in common)
    for record in records:
        size += 8 * (not one_time) + len(record.name.encode()) * (not one_name)
        size += sum(word_bytes(each) for each in record.dimensions if each[0] not in common)
        for name, kind, value in record.values:
            size += 0 if single else len(name.encode())
            size += len(value.encode()) if kind == "VARCHAR" else FIXED[kind]
    return size


def in_all(records: list[Record], name: str, value: str) -> bool:
    return all((name, value) in record.dimensions for record in records)


def word_bytes(dimension: tuple[str, str]) -> int:
    return sum(len(text.encode()) for text in dimension)


def stated_size(payload: bytes) -> int:
    """The metered size of a body, from what is stated in it."""
    body = json.loads(payload)
    common = body["CommonAttributes"]
    kind = common.get("MeasureValueType")
    return stated(common) + sum(
        stated({"MeasureValueType": kind} | each) for each in body["Records"]
    )


def stated(attributes: dict) -> int:
    """What one object of a body counts for; a record's type may be a common attribute."""
    size = 8 if "Time" in attributes else 0
    for dimension in attributes.get("Dimensions", []):
        size += len(dimension["Name"].encode()) + len(dimension["Value"].encode())
    size += len(attributes.get("MeasureName", "").encode())
    if "MeasureValue" in attributes:
        size += value_size(attributes["MeasureValueType"], attributes["MeasureValue"])
    for value in attributes.get("MeasureValues", []):
        size += len(value["Name"].encode())
        size += value_size(value["Type"], value["Value"])
    return size


def value_size(kind: str, text: str) -> int:
    return len(text.encode()) if kind == "VARCHAR" else FIXED[kind]


def test_multi_measure_records_are_cheaper() -> None:
    writes = {}
    for model in RecordModel:
        builder = RequestBuilder("db", "tb", model)
        made = [
            request
            for batch in generator().batches([TIMESTAMP])
            for request in builder.prepare(batch)
        ]
        writes[model] = sum(request.writes or 0 for request in [*made, *builder.flush()])
    assert writes[RecordModel.MULTI] < writes[RecordModel.SINGLE] / 3


def test_a_kind_counts_in_bytes() -> None:
    """The measure name of a multi-measure record is its kind, in UTF-8."""
    batch = next(generator().batches([TIMESTAMP])).slice(0, 1)
    sizes = []
    for kind in ("abc", "äöü"):
        schema = batch_schema(MODEL, KINDS[0]).with_metadata({"kind": kind})
        renamed = pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        packing = Packing(Records(renamed, RecordModel.MULTI), 1)
        sizes.append(int(metered_bytes(packing, DimensionRenderer().sets(packing))[0]))
    assert sizes[1] == sizes[0] + 3
