"""The tables that telemetry is stored in.

For the table ``telemetry`` these are ``telemetry_series`` with the dimensions and the measure name
of each series, ``telemetry_values`` with the values by series and time, and the view ``telemetry``,
which joins both to the columns that Amazon Timestream shows.
"""

from collections.abc import Sequence

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, quoted
from fleetstream.targets.postgresql.connections import fetched
from fleetstream.targets.postgresql.limits import LONGEST_NAME, SERIES_ID, too_long
from fleetstream.targets.sink import TargetUnusable

_TYPES = {
    str(DataType.DOUBLE): "double precision",
    str(DataType.BIGINT): "bigint",
    str(DataType.VARCHAR): "text",
    str(DataType.BOOLEAN): "boolean",
    str(DataType.TIMESTAMP): "timestamp with time zone",
}
"""PostgreSQL's types by data type."""

_CHUNK = "1 day"
"""The time that a chunk of a hypertable spans."""


class Tables:
    """The tables of one record model. Raises ValueError for names that are too long."""

    def __init__(self, name: str, model: RecordModel, schemas: Sequence[pa.Schema]) -> None:
        self.name = name
        self.model = model
        self.series, self.values = f"{name}_series", f"{name}_values"
        self.columns = TableColumns(model, tuple(schemas))
        self.series_columns = {
            each: "text" for each in self.columns.key if each not in (MEASURE_NAME, TIME)
        } | {MEASURE_NAME: "text"}
        self.value_columns = {each: _TYPES[kind] for each, kind in self.columns.values.items()}
        for each in (self.values, *self.columns.all):
            if len(each.encode()) > LONGEST_NAME:
                raise ValueError(too_long(each))

    def create(self, cursor: dbapi.Cursor) -> None:
        """Create what does not exist, and add the columns that are missing.

        Raises TargetUnusable where something else has the names.
        """
        # Several processes may be here at once, and "IF NOT EXISTS" alone lets them collide.
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext({_literal(self.values)}))")
        cursor.fetchall()
        self._create_series(cursor)
        self._create_values(cursor)
        self._create_view(cursor)

    def check(self, cursor: dbapi.Cursor) -> None:
        """Raises TargetUnusable where there is no view, or none that has all columns."""
        present = columns_of(cursor, self.name)
        if not present:
            raise TargetUnusable(
                f"There is no table {self.name!r} to verify in the database; name another with "
                "--table-name."
            )
        missing = next((name for name in self.columns.all if name not in present), None)
        if missing is not None:
            raise TargetUnusable(
                f"The table {self.name!r} has no column {missing!r}, so it is not what the run of "
                "this manifest has written; name another with --table-name."
            )

    def _create_series(self, cursor: dbapi.Cursor) -> None:
        if not columns_of(cursor, self.series):
            listed = ", ".join(f"{quoted(name)} text" for name in self.series_columns)
            cursor.execute(
                f"CREATE TABLE {quoted(self.series)} "
                f"({quoted(SERIES_ID)} bigint PRIMARY KEY, {listed})"
            )
        self._extend(cursor, self.series, self.series_columns | {SERIES_ID: "bigint"})

    def _create_values(self, cursor: dbapi.Cursor) -> None:
        if not columns_of(cursor, self.values):
            listed = ", ".join(
                f"{quoted(name)} {kind}" for name, kind in self.value_columns.items()
            )
            cursor.execute(
                f"CREATE TABLE {quoted(self.values)} ({quoted(SERIES_ID)} bigint NOT NULL, "
                f"{quoted(TIME)} timestamptz NOT NULL, {listed}, "
                f"PRIMARY KEY ({quoted(SERIES_ID)}, {quoted(TIME)}))"
            )
            self._index_time(cursor)
        types = {SERIES_ID: "bigint", TIME: "timestamp with time zone"}
        self._extend(cursor, self.values, self.value_columns | types)

    def _index_time(self, cursor: dbapi.Cursor) -> None:
        """Make queries of a stretch of time fast: by chunks with TimescaleDB, else by an index.

        Rows arrive nearly in the order of time, so a BRIN index, which is tiny, is enough.
        """
        extension = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"
        if len(fetched(cursor, extension)):
            fetched(
                cursor,
                f"SELECT create_hypertable({_literal(quoted(self.values))}, {_literal(TIME)}, "
                f"chunk_time_interval => INTERVAL '{_CHUNK}', create_default_indexes => false)",
            )
        else:
            index = quoted(f"{self.values}_time"[:LONGEST_NAME])
            cursor.execute(
                f"CREATE INDEX {index} ON {quoted(self.values)} USING brin ({quoted(TIME)})"
            )

    def _create_view(self, cursor: dbapi.Cursor) -> None:
        present = columns_of(cursor, self.name)
        if present.keys() >= self.columns.all.keys():
            return
        # Columns of a view can only be added behind those that it has.
        names = list(dict.fromkeys([*present, *self.columns.all]))
        listed = ", ".join(map(quoted, names))
        cursor.execute(
            f"CREATE OR REPLACE VIEW {quoted(self.name)} AS SELECT {listed} "
            f"FROM {quoted(self.values)} AS stored "
            f"LEFT JOIN {quoted(self.series)} AS series USING ({quoted(SERIES_ID)})"
        )

    def _extend(self, cursor: dbapi.Cursor, table: str, columns: dict[str, str]) -> None:
        present = columns_of(cursor, table)
        for name, kind in columns.items():
            if name not in present:
                cursor.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {kind}")
            elif present[name] != kind:
                raise TargetUnusable(
                    f"The table {table!r} has a column {name!r} of type {present[name]}, where "
                    f"{kind} is needed; name another table with --table-name."
                )


def columns_of(cursor: dbapi.Cursor, relation: str) -> dict[str, str]:
    """The columns of a table or view with their types, empty where there is none of that name."""
    rows = fetched(
        cursor,
        "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS kind "
        f"FROM pg_attribute WHERE attrelid = to_regclass({_literal(quoted(relation))}) "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    return dict(zip(rows["name"].to_pylist(), rows["kind"].to_pylist(), strict=True))


def _literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
