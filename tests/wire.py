"""WriteRecords on the wire: what a request says, and what it must say of a batch."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME, dimension_names, kind_of
from fleetstream.model import DataType

UNITS = {"SECONDS": 1_000_000, "MILLISECONDS": 1_000, "MICROSECONDS": 1}
"""Microseconds in each unit of time."""

PARSERS: dict[str, Callable[[str], Any]] = {
    "DOUBLE": float,
    "BIGINT": int,
    "VARCHAR": str,
    "BOOLEAN": {"true": True, "false": False}.__getitem__,
}
"""How the text of a value of each type is read, but of timestamps, which have a unit."""


class Record(NamedTuple):
    """A record with everything that is common merged in; ``time`` in microseconds."""

    dimensions: tuple[tuple[str, str], ...]
    name: str
    values: tuple[tuple[str, str, Any], ...]
    time: int


def merged(body: dict[str, Any]) -> list[Record]:
    """The records of a request as the service merges them: common attributes, then their own.

    A single-measure record has one value under its own name.
    """
    common = body.get("CommonAttributes", {})
    records = []
    for own in body["Records"]:
        assert not own.keys() & (common.keys() - {"Dimensions"}), "said twice"
        record = {**common, **own}
        dimensions = [*common.get("Dimensions", []), *own.get("Dimensions", [])]
        named = {dimension["Name"]: dimension["Value"] for dimension in dimensions}
        assert len(named) == len(dimensions), "a dimension said twice"
        if record["MeasureValueType"] == "MULTI":
            given = [
                (each["Name"], each["Type"], each["Value"]) for each in record["MeasureValues"]
            ]
        else:
            given = [
                (record["MeasureName"], record["MeasureValueType"], record["MeasureValue"]),
            ]
        unit = UNITS[record["TimeUnit"]]
        values = tuple((name, kind, parsed(kind, text, unit)) for name, kind, text in given)
        time = int(record["Time"]) * unit
        records.append(Record(tuple(sorted(named.items())), record["MeasureName"], values, time))
    return records


def parsed(kind: str, text: str, unit: int) -> Any:
    """A value of a type; a timestamp in microseconds, given those in its unit."""
    return int(text) * unit if kind == "TIMESTAMP" else PARSERS[kind](text)


def records_in(bodies: Iterable[bytes]) -> list[Record]:
    """The records of rendered requests, in order."""
    return [record for body in bodies for record in merged(json.loads(body))]


def expected(batch: pa.RecordBatch, model: RecordModel) -> list[Record]:
    """The records of a batch, by plain loops over rows and columns.

    Single-measure records have times as BIGINT values, in milliseconds.
    """
    kind, names = kind_of(batch.schema), dimension_names(batch.schema)
    types = {field.name: str(DataType.of(field.type)) for field in batch.schema}
    records = []
    for row in batch.cast(_plain(batch.schema)).to_pylist():
        dimensions = tuple(sorted((name, row.pop(name)) for name in names))
        time = row.pop(TIME)
        values = tuple(
            (name, types[name], value)
            if types[name] != "TIMESTAMP" or model is RecordModel.MULTI
            else (name, "BIGINT", value // 1_000)
            for name, value in row.items()
            if value is not None
        )
        if model is RecordModel.MULTI and values:
            records.append(Record(dimensions, kind, values, time))
        elif model is RecordModel.SINGLE:
            records += [Record(dimensions, each[0], (each,), time) for each in values]
    return records


def _plain(schema: pa.Schema) -> pa.Schema:
    """Words as strings, and times as numbers."""
    return pa.schema(
        [
            field.with_type(
                pa.int64() if pa.types.is_timestamp(field.type) else _decoded(field.type)
            )
            for field in schema
        ],
        metadata=schema.metadata,
    )


def _decoded(arrow: pa.DataType) -> pa.DataType:
    return arrow.value_type if pa.types.is_dictionary(arrow) else arrow
