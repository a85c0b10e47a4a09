"""Reads a table of PostgreSQL that has the columns of a Timestream table.

Such a table is what AWS's migration scripts fill with the columns of a table's UNLOAD
(awslabs/amazon-timestream-tools, ``rds_for_postgresql``); they leave its types to the user.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from fleetstream.generate.moments import iso
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import SQL_TIMESTAMP, TableColumns, quoted
from fleetstream.targets.postgresql.connections import Connections, fetched
from fleetstream.targets.postgresql.tables import columns_of
from fleetstream.targets.sink import TargetUnusable

_READABLE = {
    str(DataType.DOUBLE): ("double precision", "real", "numeric"),
    str(DataType.BIGINT): ("bigint", "integer", "smallint"),
    str(DataType.VARCHAR): ("text", "character varying", "character"),
    str(DataType.BOOLEAN): ("boolean",),
    SQL_TIMESTAMP: ("timestamp without time zone", "timestamp with time zone"),
}
"""Types of PostgreSQL that can hold a column, the one that it is read as first."""


class MigratedTableReader:
    """Reads one table or view; a time without a zone is UTC."""

    slice_values = 1_000_000

    def __init__(self, connections: Connections, table: str, columns: TableColumns) -> None:
        self.name = f"PostgreSQL, {table} in {connections.url}"
        self._connections = connections
        self._table = table
        self._columns = columns.all

    def open(self) -> None:
        """Check that the table has all columns, of types that can hold their values."""
        with self._connections.usable() as cursor:
            present = columns_of(cursor, self._table)
        for column, kind in self._columns.items():
            # "character varying(20)" and "timestamp(3) without time zone" say more than the type.
            found = _without_parentheses(present.get(column, ""))
            if found not in _READABLE[kind]:
                what = f"of type {found}" if found else "not there"
                raise TargetUnusable(
                    f"{self.name} has to have a column {column!r} of type {_READABLE[kind][0]}, "
                    f"but it is {what}; name another table with --table-name."
                )
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        where = f"{quoted(TIME)} > {_literal(timestamp)}"
        times = self._rows(f"DISTINCT {quoted(TIME)}", where)[TIME].cast(pa.int64()).to_pylist()
        return sorted(times)

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        bounds = []
        if begin is not None:
            bounds.append(f"{quoted(TIME)} >= {_literal(begin)}")
        if end is not None:
            bounds.append(f"{quoted(TIME)} < {_literal(end)}")
        where = " AND ".join(bounds) or "true"
        if begin is None:
            where = f"({where}) OR {quoted(TIME)} IS NULL"
        listed = [
            quoted(name) if kind == SQL_TIMESTAMP else f"{quoted(name)}::{_READABLE[kind][0]}"
            for name, kind in self._columns.items()
        ]
        return self._rows(", ".join(listed), where)

    def close(self) -> None:
        self.connection.close()
        self._connections.close()

    def _rows(self, selected: str, where: str) -> pa.Table:
        with self._connections.usable() as cursor:
            rows = fetched(cursor, f"SELECT {selected} FROM {quoted(self._table)} WHERE {where}")
        fields = [
            field.with_type(TIMESTAMPS) if pa.types.is_timestamp(field.type) else field
            for field in rows.schema
        ]
        return rows.cast(pa.schema(fields))


def _literal(timestamp: int) -> str:
    """A timestamp in microseconds as an SQL string; its zone counts where the column has one."""
    return f"'{iso(timestamp)}'"


def _without_parentheses(kind: str) -> str:
    before, bracket, rest = kind.partition("(")
    return before + rest.partition(")")[2] if bracket else before
