"""What is rendered means the same to a Timestream as what boto3 serializes from dicts."""

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import kind_of
from fleetstream.targets.registry import TargetOptions, open_sink
from tests.emulator_process import EmulatorProcess
from tests.targets.cases import SCHEMAS, through_reader
from tests.telemetry import SECOND, generator
from tests.wire import expected

DATABASE, TABLE = "fleet", "telemetry"

FLEETS = {
    "one host": (generator(1, 3, ["eu-central-1"], ["athena"], missing_percent=20), 1),
    "one host, 50 times": (generator(1, 3, ["eu-central-1"], ["athena"], missing_percent=20), 50),
    "a region": (generator(1, 3, ["us-west-1"], missing_percent=20), 1),
    "a region, 3 times": (generator(1, 3, ["us-west-1"], missing_percent=20), 3),
}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EmulatorProcess, EmulatorProcess]]:
    """Two servers with an empty table each."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with EmulatorProcess() as one, EmulatorProcess() as other:
        for server in (one, other):
            server.write.create_database(DatabaseName=DATABASE)
            server.write.create_table(DatabaseName=DATABASE, TableName=TABLE)
        yield one, other


@pytest.mark.parametrize("fleet", FLEETS)
@pytest.mark.parametrize("model", list(RecordModel))
def test_both_ways_store_the_same(
    servers: tuple[EmulatorProcess, EmulatorProcess], fleet: str, model: RecordModel
) -> None:
    ours, theirs = servers
    made, times = FLEETS[fleet]
    now = int(time.time()) * SECOND
    batches = list(made.batches(range(now - times * SECOND, now, SECOND)))
    wanted = [record for batch in batches for record in expected(batch, model)]
    _write_fast(options(ours), batches, model)
    _write_plainly(theirs, batches, model)
    found = sorted(through_reader(options(ours), model))
    assert found == sorted(each._replace(values=tuple(sorted(each.values))) for each in wanted)
    assert found == sorted(through_reader(options(theirs), model))


def options(server: EmulatorProcess) -> TargetOptions:
    return TargetOptions(
        database_name=DATABASE, table_name=TABLE, region="us-east-1", endpoint_url=server.url
    )


def _write_fast(target: TargetOptions, batches: list[pa.RecordBatch], model: RecordModel) -> None:
    sink = open_sink(target, model, SCHEMAS)
    for request in [*(each for batch in batches for each in sink.prepare(batch)), *sink.flush()]:
        assert not sink.send(request).rejections
    sink.close()


def _write_plainly(
    server: EmulatorProcess, batches: list[pa.RecordBatch], model: RecordModel
) -> None:
    """One dict per record, which states everything itself, serialized by boto3."""
    records = [record for batch in batches for record in _dicts(batch, model)]
    for start in range(0, len(records), 100):
        server.write.write_records(
            DatabaseName=DATABASE, TableName=TABLE, Records=records[start : start + 100]
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
