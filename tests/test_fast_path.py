"""What fleetstream renders is to a Timestream the same as what boto3 serializes from dicts."""

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.targets.timestream import Target, TimestreamSink
from tests.chaos.generator import DATABASE, TABLE, stored
from tests.emulator_process import EmulatorProcess

FLEETS = {1: Fleet(1, ["eu-central-1"], ["athena"]), 7: Fleet(1), 5_000: Fleet(5)}
TYPES = {pa.float64(): "DOUBLE", pa.int64(): "BIGINT"}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EmulatorProcess, EmulatorProcess]]:
    """Two empty tables, each in a server of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with EmulatorProcess() as one, EmulatorProcess() as other:
        for server in (one, other):
            server.write.create_database(DatabaseName=DATABASE)
            server.write.create_table(DatabaseName=DATABASE, TableName=TABLE)
        yield one, other


@pytest.mark.parametrize("hosts", FLEETS)
@pytest.mark.parametrize("model", list(RecordModel))
def test_both_ways_store_the_same(
    servers: tuple[EmulatorProcess, EmulatorProcess], hosts: int, model: RecordModel
) -> None:
    ours, theirs = servers
    workload = Workload(FLEETS[hosts], 3, missing_cpu=20)
    batches = [batch.slice(0, hosts) for batch in workload.sweep(int(time.time()) * 1_000_000)]
    _write_fast(ours.url, batches, model)
    _write_plainly(theirs, batches, model)
    there = stored(ours.url, model)
    assert len(there) == sum(len(Records(batch, model)) for batch in batches)
    assert there == stored(theirs.url, model)


def _write_fast(url: str, batches: list[pa.RecordBatch], model: RecordModel) -> None:
    sink = TimestreamSink(Target(DATABASE, TABLE, "us-east-1", url), model)
    for batch in batches:
        for request in sink.prepare(batch):
            assert not sink.send(request).rejections
    for request in sink.flush():
        assert not sink.send(request).rejections
    sink.close()


def _write_plainly(
    server: EmulatorProcess, batches: list[pa.RecordBatch], model: RecordModel
) -> None:
    """A dict a record, with all that it says in itself, serialized by boto3."""
    records = [record for batch in batches for record in _dicts(batch, model)]
    for start in range(0, len(records), 100):
        server.write.write_records(
            DatabaseName=DATABASE, TableName=TABLE, Records=records[start : start + 100]
        )


def _dicts(batch: pa.RecordBatch, model: RecordModel) -> Iterator[dict[str, Any]]:
    records = Records(batch, model)
    types = {
        name: TYPES.get(column.type, "VARCHAR")
        for name, column in zip(records.measure_names, records.measure_columns, strict=True)
    }
    for row in batch.to_pylist():
        common = {
            "Dimensions": [{"Name": n, "Value": row[n]} for n in records.dimension_names],
            "Time": str(records.timestamp // 1_000_000),
            "TimeUnit": "SECONDS",
        }
        values = [
            (name, {"Value": str(row[name]), "Type": types[name]})
            for name in records.measure_names
            if row[name] is not None
        ]
        if model is RecordModel.MULTI:
            yield common | {
                "MeasureName": str(records.kind),
                "MeasureValueType": "MULTI",
                "MeasureValues": [{"Name": name, **value} for name, value in values],
            }
            continue
        for name, value in values:
            yield common | {
                "MeasureName": name,
                "MeasureValue": value["Value"],
                "MeasureValueType": value["Type"],
            }
