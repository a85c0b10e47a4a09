"""What is rendered means the same to a Timestream as what boto3 serializes from dicts."""

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import kind_of
from fleetstream.targets.registry import TargetOptions, open_sink
from tests.servers.emulator_process import EmulatorProcess
from tests.targets.cases import SCHEMAS, through_reader
from tests.telemetry import SECOND, generator
from tests.wire import expected

TABLE = "telemetry"

FLEETS = {
    "one host": (generator(1, 3, ["eu-central-1"], ["athena"], missing_percent=20), 1),
    "one host, 50 times": (generator(1, 3, ["eu-central-1"], ["athena"], missing_percent=20), 50),
    "a region": (generator(1, 3, ["us-west-1"], missing_percent=20), 1),
    "a region, 3 times": (generator(1, 3, ["us-west-1"], missing_percent=20), 3),
}


@pytest.fixture
def targets(
    monkeypatch: pytest.MonkeyPatch, emulator: EmulatorProcess
) -> tuple[TargetOptions, TargetOptions]:
    """Two empty tables."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return new_table(emulator), new_table(emulator)


@pytest.mark.parametrize("fleet", FLEETS)
@pytest.mark.parametrize("model", list(RecordModel))
def test_both_ways_store_the_same(
    emulator: EmulatorProcess,
    targets: tuple[TargetOptions, TargetOptions],
    fleet: str,
    model: RecordModel,
) -> None:
    ours, theirs = targets
    made, times = FLEETS[fleet]
    now = int(time.time()) * SECOND
    batches = list(made.batches(range(now - times * SECOND, now, SECOND)))
    wanted = [record for batch in batches for record in expected(batch, model)]
    _write_fast(ours, batches, model)
    _write_plainly(emulator, theirs.database_name, batches, model)
    found = sorted(through_reader(ours, model))
    assert found == sorted(each._replace(values=tuple(sorted(each.values))) for each in wanted)
    assert found == sorted(through_reader(theirs, model))


def new_table(server: EmulatorProcess) -> TargetOptions:
    database = server.new_database()
    server.write.create_table(DatabaseName=database, TableName=TABLE)
    return TargetOptions(
        database_name=database, table_name=TABLE, region="us-east-1", endpoint_url=server.url
    )


def _write_fast(target: TargetOptions, batches: list[pa.RecordBatch], model: RecordModel) -> None:
    sink = open_sink(target, model, SCHEMAS)
    for request in [*(each for batch in batches for each in sink.prepare(batch)), *sink.flush()]:
        assert not sink.send(request).rejections
    sink.close()


def _write_plainly(
    server: EmulatorProcess,
    database: str | None,
    batches: list[pa.RecordBatch],
    model: RecordModel,
) -> None:
    """One dict per record, which states everything itself, serialized by boto3."""
    records = [record for batch in batches for record in _dicts(batch, model)]
    for start in range(0, len(records), 100):
        server.write.write_records(
            DatabaseName=database, TableName=TABLE, Records=records[start : start + 100]
        )


def _dicts(batch: pa.RecordBatch, model: RecordModel) -> Iterator[dict[str, Any]]:
    for record in expected(batch, model):
        common = {
            "Dimensions": [{"Name": name, "Value": word} for name, word in record.dimensions],
            "Time": str(record.time // SECOND),
            "TimeUnit": "SECONDS",
        }
        if model is RecordModel.MULTI:
            yield common | {
                "MeasureName": kind_of(batch.schema),
                "MeasureValueType": "MULTI",
                "MeasureValues": [
                    {"Name": name, "Type": kind, "Value": str(value)}
                    for name, kind, value in record.values
                ],
            }
            continue
        ((name, kind, value),) = record.values
        yield common | {"MeasureName": name, "MeasureValue": str(value), "MeasureValueType": kind}
