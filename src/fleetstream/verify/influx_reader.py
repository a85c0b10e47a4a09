"""Reads a database of InfluxDB with InfluxQL, measurement by measurement."""

import io
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from fleetstream.fleet import DIMENSIONS
from fleetstream.generate.records import TIME, RecordModel
from fleetstream.targets.sink import TargetUnusable, Unavailable
from fleetstream.targets.influx import InfluxSink
from fleetstream.targets.influx.lines import VALUE
from fleetstream.targets.layout import COLUMNS, MEASURE_NAME

_TYPES = {
    "float": ("double", pa.float64()),
    "integer": ("bigint", pa.int64()),
    "string": ("varchar", pa.string()),
    "boolean": ("boolean", pa.string()),
}
"""InfluxDB's types of fields: what they are called in the table, and their Arrow types."""


class InfluxReader:
    """Reads the database that an InfluxDB sink would write to."""

    slice_values = 500_000

    def __init__(self, sink: InfluxSink, model: RecordModel) -> None:
        self.name = sink.name
        self._server = sink.server
        self._model = model
        self._columns = COLUMNS[model]

    def open(self) -> None:
        """See whether the database is there, and what it holds."""
        self._server.open()
        self.connection = duckdb.connect()
        self._fields = {
            series["name"]: dict(series["values"]) for series in self._series("SHOW FIELD KEYS")
        }

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after one, in microseconds."""
        times = self.held(timestamp + 1, None)[TIME].unique().cast(pa.int64())
        return sorted(times.to_pylist())

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        """A table of all records of a stretch."""
        bounds = []
        if begin is not None:
            bounds.append(f"time >= {begin}u")
        if end is not None:
            bounds.append(f"time < {end}u")
        where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
        tables = [self._measurement(name, where) for name in self._fields]
        there = [table for table in tables if table is not None]
        if not there:
            return pa.table({TIME: pa.array([], pa.timestamp("us"))})
        return pa.concat_tables(there, promote_options="permissive")

    def close(self) -> None:
        """Close the connection."""
        self._server.connections.drop()
        self.connection.close()

    def _measurement(self, name: str, where: str) -> pa.Table | None:
        """The points of a measurement in the columns of the target; None if there are none."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        body = self._ask(f'SELECT * FROM "{quoted}"{where}', "application/csv")
        if not body.strip():
            return None
        fields = self._fields[name]
        types = {field: _TYPES[kind][1] for field, kind in fields.items()}
        words = {dimension for names in DIMENSIONS.values() for dimension in names}
        rows = pacsv.read_csv(
            io.BytesIO(body),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(words, pa.string()) | types | {"time": pa.int64()},
                strings_can_be_null=True,
            ),
        )
        columns = {column: rows[column] for column in rows.column_names if column in words}
        columns[TIME] = rows["time"].cast(pa.timestamp("us"))
        columns[MEASURE_NAME] = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(rows), np.int32)), pa.array([name])
        )
        for field, kind in fields.items():
            single = self._model is RecordModel.SINGLE and field == VALUE
            column = f"measure_value::{_TYPES[kind][0]}" if single else field
            if column in self._columns:
                columns[column] = rows[field]
        return pa.table(columns)

    def _series(self, statement: str) -> list[dict[str, Any]]:
        """The series of an answer."""
        results = json.loads(self._ask(statement, "application/json")).get("results") or [{}]
        series: list[dict[str, Any]] = results[0].get("series") or []
        return series

    def _ask(self, statement: str, accept: str) -> bytes:
        try:
            answer = self._server.query(statement, accept)
        except Unavailable as error:
            raise TargetUnusable(f"{self.name} can't be queried: {error.kind}.") from error
        if answer.status != HTTPStatus.OK:
            said = answer.body[:200].decode(errors="replace").strip()
            raise TargetUnusable(f"{self.name} can't be queried: HTTP {answer.status}, {said}")
        return answer.body
