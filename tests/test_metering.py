"""Metered writes: the developer guide's worked examples, and each request by its own text."""

import json

import numpy as np
import pyarrow as pa
import pytest
from fleetstream.fleet import Fleet, Kind
from fleetstream.targets.timestream.assembly import Assembly
from fleetstream.workload import Workload
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.generate.schema import TIME
from fleetstream.targets.timestream.dimensions import Dimensions
from fleetstream.targets.timestream.metering import metered_bytes, metered_writes
from fleetstream.targets.timestream.packing import Packing
from tests.batches import batches
from tests.telemetry import TIMESTAMP

GUIDE = {"region": "us-east-1", "az": "1d", "vpc": "vpc-1a2b3c4d", "hostname": "host-24Gju"}
"""The dimensions of the guide's example, an EC2 instance's CPU utilisation."""


def batch_of(dimensions: dict[str, list[str]], measures: list[str]) -> pa.RecordBatch:
    """Events like the guide's: one a row, of one measure each, at one time."""
    count = len(measures)
    names = sorted(set(measures))
    columns = {name: pa.array(words).dictionary_encode() for name, words in dimensions.items()}
    columns[TIME] = pa.array(np.full(count, TIMESTAMP).view("datetime64[us]"))
    for name in names:
        columns[name] = pa.array([35.0 if name == measure else None for measure in measures])
    batch = pa.record_batch(columns)
    return batch.replace_schema_metadata({"kind": Kind.METRICS})


def events(count: int, common: set[str]) -> pa.RecordBatch:
    """So many of the guide's events that have in common what is named, and differ in the rest."""

    def varied(name: str, text: str) -> list[str]:
        if name in common:
            return [text] * count
        return [f"{i:0{len(text)}}" for i in range(count)]

    dimensions = {name: varied(name, text) for name, text in GUIDE.items()}
    return batch_of(dimensions, varied("measure_name", "cpu_utilization"))


def metered(batch: pa.RecordBatch) -> tuple[list[int], list[int]]:
    """Bytes and writes of each request."""
    records = Records(batch, RecordModel.SINGLE)
    packing = Packing(records, len(records))
    dimensions = Dimensions().of(packing)
    return (
        metered_bytes(packing, dimensions).tolist(),
        metered_writes(packing, dimensions).tolist(),
    )


def test_one_event_has_83_bytes() -> None:
    assert metered(events(1, set())) == ([83], [1])


def test_twelve_events_are_one_write() -> None:
    """83 bytes each, but for the time, which all events of a batch share."""
    assert metered(events(12, set())) == ([12 * 83 - 11 * 8], [1])


def test_a_hundred_events_with_common_attributes_are_three_writes() -> None:
    """Region, zone, network, measure name and time once; host name and value for each."""
    common = {"region", "az", "vpc", "measure_name"}
    assert metered(events(100, common)) == ([57 + 100 * 26], [3])


def test_a_hundred_events_without_are_eight() -> None:
    assert metered(events(100, set())) == ([8 + 100 * 75], [8])


@pytest.mark.parametrize(("events_sent", "writes"), [(13, 1), (14, 2)])
def test_a_write_ends_at_a_kibibyte(events_sent: int, writes: int) -> None:
    size = 8 + events_sent * 75
    assert (size <= 1_024) == (writes == 1)
    assert metered(events(events_sent, set())) == ([size], [writes])


@given(batches(), st.sampled_from(RecordModel))
def test_requests_are_metered_by_their_text(batch: pa.RecordBatch, model: RecordModel) -> None:
    assembly = Assembly("db", "tb", model)
    for request in [*assembly.prepare(batch), *assembly.flush()]:
        assert request.writes == -(-metered_size(request.payload) // 1_024)


def metered_size(payload: bytes) -> int:
    """The metered size of a body, worked out from what stands in it."""
    body = json.loads(payload)
    common = body["CommonAttributes"]
    kind = common.get("MeasureValueType")
    return said(common) + sum(said({"MeasureValueType": kind} | each) for each in body["Records"])


def said(attributes: dict) -> int:
    """What one object of a body counts for; a record's type may be said in common."""
    size = 8 if "Time" in attributes else 0
    for dimension in attributes.get("Dimensions", []):
        size += len(dimension["Name"].encode()) + len(dimension["Value"].encode())
    size += len(attributes.get("MeasureName", "").encode())
    if "MeasureValue" in attributes:
        is_words = attributes["MeasureValueType"] == "VARCHAR"
        size += len(attributes["MeasureValue"].encode()) if is_words else 8
    for value in attributes.get("MeasureValues", []):
        size += len(value["Name"].encode())
        size += len(value["Value"].encode()) if value["Type"] == "VARCHAR" else 8
    return size


def test_multi_measure_records_are_cheaper() -> None:
    writes = {}
    for model in RecordModel:
        assembly = Assembly("db", "tb", model)
        made = [
            request
            for batch in Workload(Fleet(), 3).sweep(TIMESTAMP)
            for request in assembly.prepare(batch)
        ]
        writes[model] = sum(request.writes for request in [*made, *assembly.flush()])
    assert writes[RecordModel.MULTI] < writes[RecordModel.SINGLE] / 3
