"""The targets, each with a real server or folder behind it, and how they are read back."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import batch_schema
from fleetstream.targets.columns import MEASURE_NAME, TableColumns
from fleetstream.targets.otlp.naming import OtlpNaming
from fleetstream.targets.registry import TargetOptions, open_reader
from tests.otlp_messages import held
from tests.servers.emulator_process import EmulatorProcess
from tests.servers.influx_server import InfluxDB
from tests.servers.otlp_collector import COLLECTORS, Collector
from tests.servers.postgresql_server import PostgreSQL
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.telemetry import KINDS, MODEL, STATES, TYPED
from tests.wire import Record, parsed

SCHEMAS = tuple(batch_schema(MODEL, kind) for kind in KINDS)

ALL_SCHEMAS = (*SCHEMAS, batch_schema(TYPED, STATES))
"""Those of the sample fleet, and one with measures of all types."""

NewPlace = Callable[[], TargetOptions]
"""Returns the options of an empty place in a running target."""


@dataclass(frozen=True)
class Case:
    """A target.

    ``start`` starts it with its data in a folder; ``read`` returns what a place holds.
    ``keeps_first`` says that a record with another value is refused, and does not replace the
    stored one; ``counts_unchanged`` that deliveries count the records that were stored before;
    ``in_this_process`` that the target keeps its data in the memory of the tests;
    ``largest_integer`` is the largest that it stores exactly.
    """

    name: str
    start: Callable[[Path], AbstractContextManager[NewPlace]]
    read: Callable[[TargetOptions, RecordModel, Sequence[pa.Schema]], list[Record]]
    keeps_first: bool = True
    counts_unchanged: bool = True
    in_this_process: bool = False
    largest_integer: int = 2**63 - 1


def through_reader(
    options: TargetOptions, model: RecordModel, schemas: Sequence[pa.Schema] = SCHEMAS
) -> list[Record]:
    """What the target's reader returns, as records."""
    reader = open_reader(options, model, tuple(schemas))
    columns = TableColumns(model, tuple(schemas))
    reader.open()
    with closing(reader):
        held = reader.held(None, None)
        if not isinstance(held, str):
            reader.connection.register("held_rows", held)
            held = "FROM held_rows"
        relation = reader.connection.sql(held)
        names = [name for name in columns.all if name in relation.columns]
        picked = ", ".join(
            f'epoch_us("{name}") AS "{name}"' if columns.all[name] == "TIMESTAMP" else f'"{name}"'
            for name in names
        )
        rows = reader.connection.sql(f"SELECT {picked} FROM relation").fetchall()
    return [record(dict(zip(names, row, strict=True)), columns) for row in rows]


def record(row: dict[str, Any], columns: TableColumns) -> Record:
    """A row of the table as a record, its values sorted by name."""
    name, time = row[MEASURE_NAME], row["time"]
    dimensions = columns.key.keys() - {MEASURE_NAME, "time"}
    series = sorted((each, row[each]) for each in dimensions if row.get(each) is not None)
    present = [each for each in columns.values if row.get(each) is not None]
    if columns.model is RecordModel.SINGLE:
        (column,) = present
        return Record(tuple(series), name, ((name, columns.values[column], row[column]),), time)
    values = sorted((each, columns.values[each], row[each]) for each in present)
    return Record(tuple(series), name, tuple(values), time)


def as_batch_load_does(
    options: TargetOptions, model: RecordModel, _schemas: Sequence[pa.Schema] = SCHEMAS
) -> list[Record]:
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
        value = parsed(kind, row[rule["SourceColumn"]], 1_000)
        return Record(dimensions, name, ((rule["TargetMeasureName"], kind, value),), time)
    values = tuple(
        sorted(
            (
                each["TargetMultiMeasureAttributeName"],
                each["MeasureValueType"],
                parsed(each["MeasureValueType"], row[each["SourceColumn"]], 1_000),
            )
            for each in rules["MultiMeasureMappings"]["MultiMeasureAttributeMappings"]
            if row[each["SourceColumn"]]
        )
    )
    return Record(dimensions, name, values, time)


def as_collector_wrote(
    options: TargetOptions, model: RecordModel, schemas: Sequence[pa.Schema] = SCHEMAS
) -> list[Record]:
    """What an OpenTelemetry Collector wrote into its file."""
    naming = OtlpNaming(schemas, str(options.table_name))
    collector = COLLECTORS[str(options.to).removeprefix("otlp:")]
    records = held(collector.requests(), naming, model)
    if model is RecordModel.SINGLE:
        return records
    times = {each.name for of in schemas for each in of if pa.types.is_timestamp(each.type)}
    return [each._replace(values=_with_times(each.values, times)) for each in records]


def _with_times(
    values: tuple[tuple[str, str, Any], ...], times: set[str]
) -> tuple[tuple[str, str, Any], ...]:
    """Values of which those with some names are times, given in milliseconds."""
    return tuple(
        (name, "TIMESTAMP", value * 1_000) if name in times else (name, kind, value)
        for name, kind, value in values
    )


@contextmanager
def _duckdb(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    yield lambda: TargetOptions(to=f"duckdb:{folder / f'fleet{next(numbers)}.duckdb'}")


@contextmanager
def _timestream(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName="fleet")

        def place() -> TargetOptions:
            table = f"telemetry{next(numbers)}"
            server.write.create_table(DatabaseName="fleet", TableName=table)
            return TargetOptions(
                to="timestream",
                database_name="fleet",
                table_name=table,
                region="us-east-1",
                endpoint_url=server.url,
            )

        yield place


@contextmanager
def _parquet(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    yield lambda: TargetOptions(to=f"parquet:{folder / f'lake{next(numbers)}'}")


@contextmanager
def _csv(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    yield lambda: TargetOptions(to=f"csv:{folder / f'load{next(numbers)}'}")


@contextmanager
def _s3(folder: Path) -> Iterator[NewPlace]:
    numbers, bucket = count(), "contract"  # all servers of a process have the same buckets
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        client = boto3.client("s3", region_name="us-east-1", endpoint_url=url)
        client.create_bucket(Bucket=bucket)
        yield lambda: TargetOptions(
            to=f"s3://{bucket}/some/fleet{next(numbers)}", region="us-east-1", endpoint_url=url
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for each in [each for page in pages for each in page.get("Contents", [])]:
            assert each["Key"].startswith("some/fleet")
            assert each["Key"].split("/")[2].startswith("day=")
            client.delete_object(Bucket=bucket, Key=each["Key"])
        client.delete_bucket(Bucket=bucket)
    finally:
        server.stop()


@contextmanager
def _influx(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    with InfluxDB(folder) as server:

        def place() -> TargetOptions:
            database = f"fleet{next(numbers)}"
            server.query(f'CREATE DATABASE "{database}"')
            return TargetOptions(to=f"influx:{server.url}", database_name=database)

        yield place


@contextmanager
def _postgresql(_folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    with PostgreSQL() as server:
        yield lambda: TargetOptions(to=server.url, table_name=f"fleet{next(numbers)}")


@contextmanager
def _prometheus(folder: Path) -> Iterator[NewPlace]:
    numbers = count()
    with VictoriaMetrics(folder) as server:
        yield lambda: TargetOptions(
            to=f"prometheus:{server.url}", table_name=f"fleet{next(numbers)}"
        )


@contextmanager
def _otlp(folder: Path, *, grpc: bool) -> Iterator[NewPlace]:
    numbers = count()
    with Collector(folder) as server:
        url = server.grpc_url if grpc else server.url
        yield lambda: TargetOptions(to=f"otlp:{url}", table_name=f"fleet{next(numbers)}")


CASES = [
    Case("duckdb", _duckdb, through_reader),
    Case("timestream", _timestream, through_reader, counts_unchanged=False),
    Case("parquet", _parquet, through_reader),
    Case("csv", _csv, as_batch_load_does),
    Case("s3", _s3, through_reader, in_this_process=True),
    Case("influx", _influx, through_reader, keeps_first=False, counts_unchanged=False),
    Case("postgresql", _postgresql, through_reader),
    Case(
        "prometheus",
        _prometheus,
        through_reader,
        keeps_first=False,
        counts_unchanged=False,
        largest_integer=2**53 - 1,
    ),
    *(
        Case(
            name,
            partial(_otlp, grpc=grpc),
            as_collector_wrote,
            keeps_first=False,
            counts_unchanged=False,
        )
        for name, grpc in (("otlp-http", False), ("otlp-grpc", True))
    ),
]

PARAMETERS = [
    pytest.param(case, id=case.name, marks=pytest.mark.xdist_group("moto"))
    if case.name == "s3"
    else pytest.param(case, id=case.name)
    for case in CASES
]
