"""The targets, each with a real server or folder behind it, and how they are read back."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from fleetstream.fleet import DIMENSIONS
from fleetstream.measures import CATALOGUE
from fleetstream.records import RecordModel
from fleetstream.sinks.layout import COLUMNS
from fleetstream.sinks.targets import TargetOptions
from fleetstream.verify.readers import open_reader
from tests.emulator_process import EmulatorProcess as LocalTimestream
from tests.influx_server import InfluxDB
from tests.wire import PARSERS, Record

Start = Callable[[Path], Any]


@dataclass(frozen=True)
class Case:
    """A target.

    ``start`` gives its options while it is there; ``read`` what it holds; ``keeps_first`` says that
    a record with another value is refused rather than replacing the one before.
    """

    name: str
    start: Start
    read: Callable[[TargetOptions, RecordModel], list[Record]]
    keeps_first: bool = True


def through_reader(options: TargetOptions, model: RecordModel) -> list[Record]:
    """What the reader of a target finds, as records."""
    reader = open_reader(options, model)
    reader.open()
    with closing(reader):
        held = reader.held(None, None)
        if not isinstance(held, str):
            reader.connection.register("held_rows", held)
            held = "FROM held_rows"
        relation = reader.connection.sql(held)
        names = [name for name in COLUMNS[model] if name in relation.columns]
        picked = ", ".join(
            'epoch_us("time") AS "time"' if name == "time" else f'"{name}"' for name in names
        )
        rows = reader.connection.sql(f"SELECT {picked} FROM relation").fetchall()
    return [record(dict(zip(names, row, strict=True)), model) for row in rows]


def record(row: dict[str, Any], model: RecordModel) -> Record:
    """A row of the table as a record."""
    dimensions = {name for names in DIMENSIONS.values() for name in names}
    named = tuple(sorted((name, row[name]) for name in dimensions if row.get(name) is not None))
    if model is RecordModel.SINGLE:
        (value,) = (
            (row["measure_name"], column.partition("::")[2].upper(), value)
            for column, value in row.items()
            if column.startswith("measure_value::") and value is not None
        )
        return Record(named, row["measure_name"], (value,), row["time"])
    types = {measure.name: str(measure.type) for measure in CATALOGUE}
    values = tuple(
        sorted((name, types[name], row[name]) for name in types if row.get(name) is not None)
    )
    return Record(named, row["measure_name"], values, row["time"])


def as_batch_load_does(options: TargetOptions, model: RecordModel) -> list[Record]:
    """The rows of CSV files under their data model, as the service would load them."""
    folder = Path(str(options.to).removeprefix("csv:"))
    records = []
    for path in folder.glob("*/*.csv"):
        document = json.loads((folder / f"{path.parent.name}.data-model.json").read_bytes())
        rules = document["DataModel"]
        assert rules["TimeUnit"] == "MILLISECONDS"
        with path.open(newline="") as file:
            records.extend(_loaded(row, rules) for row in csv.DictReader(file))
    return records


def _loaded(row: dict[str, str], rules: dict[str, Any]) -> Record:
    dimensions = tuple(
        sorted(
            (each["DestinationColumn"], row[each["SourceColumn"]])
            for each in rules["DimensionMappings"]
        )
    )
    name, time = row[rules["MeasureNameColumn"]], int(row[rules["TimeColumn"]]) * 1_000
    if "MixedMeasureMappings" in rules:
        (rule,) = (each for each in rules["MixedMeasureMappings"] if each["MeasureName"] == name)
        kind = rule["MeasureValueType"]
        value = PARSERS[kind](row[rule["SourceColumn"]])
        return Record(dimensions, name, ((rule["TargetMeasureName"], kind, value),), time)
    values = tuple(
        sorted(
            (
                each["TargetMultiMeasureAttributeName"],
                each["MeasureValueType"],
                PARSERS[each["MeasureValueType"]](row[each["SourceColumn"]]),
            )
            for each in rules["MultiMeasureMappings"]["MultiMeasureAttributeMappings"]
            if row[each["SourceColumn"]]
        )
    )
    return Record(dimensions, name, values, time)


@contextmanager
def _duckdb(folder: Path) -> Iterator[TargetOptions]:
    yield TargetOptions(to=f"duckdb:{folder / 'fleet.duckdb'}")


@contextmanager
def _timestream(folder: Path) -> Iterator[TargetOptions]:
    with LocalTimestream() as server:
        server.write.create_database(DatabaseName="fleet")
        server.write.create_table(DatabaseName="fleet", TableName="telemetry")
        yield TargetOptions("timestream", "fleet", "telemetry", "us-east-1", server.url)


@contextmanager
def _parquet(folder: Path) -> Iterator[TargetOptions]:
    yield TargetOptions(to=f"parquet:{folder / 'lake'}")


@contextmanager
def _csv(folder: Path) -> Iterator[TargetOptions]:
    yield TargetOptions(to=f"csv:{folder / 'load'}")


@contextmanager
def _s3(folder: Path) -> Iterator[TargetOptions]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=url)
        client.create_bucket(Bucket="lake")
        yield TargetOptions(to="s3://lake/some/fleet", region="us-east-1", endpoint_url=url)
        listed = client.list_objects_v2(Bucket="lake").get("Contents", [])
        assert all(each["Key"].startswith("some/fleet/day=") for each in listed)
        for each in listed:
            client.delete_object(Bucket="lake", Key=each["Key"])
        client.delete_bucket(Bucket="lake")
    finally:
        server.stop()


@contextmanager
def _influx(folder: Path) -> Iterator[TargetOptions]:
    with InfluxDB(folder) as server:
        yield TargetOptions(to=f"influx:{server.url}", database_name="fleet")


CASES = [
    Case("duckdb", _duckdb, through_reader),
    Case("timestream", _timestream, through_reader),
    Case("parquet", _parquet, through_reader),
    Case("csv", _csv, as_batch_load_does),
    Case("s3", _s3, through_reader),
    Case("influx", _influx, through_reader, keeps_first=False),
]

PARAMETERS = [
    pytest.param(case, id=case.name, marks=pytest.mark.xdist_group("moto"))
    if case.name == "s3"
    else pytest.param(case, id=case.name)
    for case in CASES
]
