"""Reads a database of InfluxDB with InfluxQL, one measurement after the other."""

import io
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import MILLISECOND
from fleetstream.generate.schema import TIME, dimension_names
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, constant_words, value_column
from fleetstream.targets.http import described
from fleetstream.targets.influx.line_protocol import VALUE_FIELD
from fleetstream.targets.influx.server import InfluxDatabase, InfluxServer
from fleetstream.targets.sink import TargetUnusable, Unavailable

_TYPES = {
    "float": (DataType.DOUBLE, pa.float64()),
    "integer": (DataType.BIGINT, pa.int64()),
    "string": (DataType.VARCHAR, pa.string()),
    "boolean": (DataType.BOOLEAN, pa.bool_()),
}
"""The data types of InfluxDB's field types, and their Arrow types."""


class InfluxReader:
    """Reads the database that an :class:`InfluxSink` writes to."""

    slice_values = 500_000

    def __init__(
        self, database: InfluxDatabase, model: RecordModel, schemas: Sequence[pa.Schema]
    ) -> None:
        self._server = InfluxServer(database)
        self._model = model
        self._columns = TableColumns(model, tuple(schemas)).all
        self._dimensions = {name for schema in schemas for name in dimension_names(schema)}
        self._field_types: dict[str, dict[str, str]] = {}

    @property
    def name(self) -> str:
        return self._server.name

    def open(self) -> None:
        """Connect, and find out which measurements and fields there are."""
        self._server.open()
        if self._server.is_victoria_metrics:
            raise TargetUnusable(
                f"VictoriaMetrics at {self._server.database.url} has no InfluxQL to read back "
                "with; to verify what it holds, write with --to prometheus:URL."
            )
        self.connection = duckdb.connect()
        self._field_types = {
            series["name"]: dict(series["values"]) for series in self._series("SHOW FIELD KEYS")
        }

    def times_after(self, timestamp: int) -> Sequence[int]:
        times = self.held(timestamp + 1, None)[TIME].unique().cast(pa.int64())
        return sorted(times.to_pylist())

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        bounds = []
        if begin is not None:
            bounds.append(f"time >= {begin}u")
        if end is not None:
            bounds.append(f"time < {end}u")
        where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
        tables = [self._measurement(name, where) for name in self._field_types]
        found = [table for table in tables if table is not None]
        if not found:
            return pa.table({TIME: pa.array([], pa.timestamp("us"))})
        return pa.concat_tables(found, promote_options="permissive")

    def close(self) -> None:
        self._server.http.close()
        self.connection.close()

    def _measurement(self, name: str, where: str) -> pa.Table | None:
        """The points of a measurement in the columns of the target; None if there are none."""
        rows = self._points(name, where)
        if rows is None:
            return None
        field_types = self._field_types[name]
        columns = {each: rows[each] for each in rows.column_names if each in self._dimensions}
        columns[TIME] = rows["time"].cast(pa.timestamp("us"))
        columns[MEASURE_NAME] = constant_words(name, len(rows))
        for field, kind in field_types.items():
            column = self._column(field, _TYPES[kind][0])
            if column in self._columns:
                columns[column] = self._values(column, rows[field])
        return pa.table(columns)

    def _points(self, name: str, where: str) -> pa.Table | None:
        """The points of a measurement: its tags, ``time`` in microseconds, and its fields."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        body = self._query(f'SELECT * FROM "{quoted}"{where}', "application/csv")
        if not body.strip():
            return None
        fields = {field: _TYPES[kind][1] for field, kind in self._field_types[name].items()}
        tags = dict.fromkeys((*self._dimensions, MEASURE_NAME), pa.string())
        return pacsv.read_csv(
            io.BytesIO(body),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=tags | fields | {"time": pa.int64()}, strings_can_be_null=True
            ),
        )

    def _column(self, field: str, data_type: DataType) -> str:
        """The column of the target for a field."""
        if self._model is RecordModel.MULTI or field != VALUE_FIELD:
            return field
        return value_column(data_type)

    def _values(self, column: str, field: pa.ChunkedArray) -> pa.ChunkedArray:
        """The values of a field as the column has them; times are stored as milliseconds."""
        if self._columns[column] == DataType.TIMESTAMP and pa.types.is_integer(field.type):
            return pc.multiply(field, MILLISECOND).cast(TIMESTAMPS)
        return field

    def _series(self, statement: str) -> list[dict[str, Any]]:
        """The series of a query's first result."""
        results = json.loads(self._query(statement, "application/json")).get("results") or [{}]
        series: list[dict[str, Any]] = results[0].get("series") or []
        return series

    def _query(self, statement: str, accept: str) -> bytes:
        try:
            answer = self._server.query(statement, accept)
        except Unavailable as error:
            raise TargetUnusable(f"{self.name} cannot be queried: {described(error)}.") from error
        if answer.status != HTTPStatus.OK:
            message = answer.body[:200].decode(errors="replace").strip()
            raise TargetUnusable(f"{self.name} cannot be queried: HTTP {answer.status}, {message}")
        return answer.body
