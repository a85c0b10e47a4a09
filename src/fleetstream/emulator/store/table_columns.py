"""The DuckDB tables and columns of one Timestream table, and the SQL to read them.

The data are held in two DuckDB tables: ``series_N`` has one row per time series, with its
dimensions; ``points_N`` has one row per record, with the number of its series, its time, version
and values. So the size of a record does not depend on its dimensions. DuckDB's columns are named
``cN``, with their position in the catalog, because names are case-insensitive in DuckDB and
case-sensitive in Timestream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import duckdb

from fleetstream.emulator import limits
from fleetstream.emulator.quoting import quote, quote_identifier
from fleetstream.emulator.store.catalog import (
    MEASURE_NAME_COLUMN,
    TIME_COLUMN,
    Catalog,
    ColumnRole,
    TableColumn,
    TableDefinition,
)
from fleetstream.emulator.store.pending_records import RecordRejected
from fleetstream.emulator.store.values import STORAGE, ValueType

SINGLE_VALUE_PREFIX = "measure_value::"
"""Prefix of the columns of single-measure values; their type in lower case follows."""

TIME_SQL = "p.time"
"""A record's time, in the query of ``StoredRelation.sql``."""

_MAX_COLUMNS: dict[ColumnRole, tuple[int, str]] = {
    "dimension": (limits.DIMENSIONS_PER_TABLE, "dimensions"),
    "measure_value": (limits.MULTI_MEASURES_PER_TABLE, "measures of multi-measure records"),
}


class StoredColumn(NamedTuple):
    """A column with its position among all columns of its table."""

    position: int
    column: TableColumn

    @property
    def sql(self) -> str:
        """The column's name in DuckDB."""
        return f"c{self.position}"


def create_tables(connection: duckdb.DuckDBPyConnection, table: TableDefinition) -> None:
    connection.execute(
        f"CREATE TABLE data.series_{table.id} (series INTEGER, key BLOB, measure_name VARCHAR);"
        f"CREATE TABLE data.points_{table.id}"
        " (series INTEGER, time TIMESTAMP_NS, version BIGINT);"
    )


def drop_tables(connection: duckdb.DuckDBPyConnection, table: TableDefinition) -> None:
    connection.execute(f"DROP TABLE data.series_{table.id}; DROP TABLE data.points_{table.id};")


@dataclass(frozen=True)
class StoredRelation:
    """A table as queries read it, with its columns as of the last commit.

    Attributes:
        columns: The columns, in Timestream's order.
        measures_sql: A query for each measure name and type, with the dimensions that it was
            written with.

    """

    columns: tuple[TableColumn, ...]
    measures_sql: str
    _points_table: str
    _series_table: str
    _sources: Mapping[str, str]

    def sql(self, names: Sequence[str]) -> str:
        """A query for some of the columns, under their names; it has no WHERE.

        Without columns of the series, it is faster. Raises LookupError if there is no such column.
        """
        sources = {name: self._sources[name] for name in names}
        listed = ", ".join(f"{sql} AS {quote_identifier(name)}" for name, sql in sources.items())
        join = f" JOIN {self._series_table} AS s USING (series)"
        has_series = any(sql.startswith("s.") for sql in sources.values())
        return f"SELECT {listed} FROM {self._points_table} AS p{join if has_series else ''}"


class StoredColumns:
    """One table's columns; used by the writer thread only."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: TableDefinition
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._table = table
        self.series_table = f"data.series_{table.id}"
        self.points_table = f"data.points_{table.id}"
        columns = catalog.columns(table)
        self._stored = {c.name: StoredColumn(position, c) for position, c in enumerate(columns)}
        self._by_lower_name = {column.name.lower(): column.name for column in columns}

    @property
    def count(self) -> int:
        """How many columns are visible."""
        return len(self._stored) + 2

    @property
    def _visible(self) -> tuple[TableColumn, ...]:
        dimensions = [stored.column for stored in self.with_role("dimension")]
        values = [stored.column for stored in self.with_role("measure_value")]
        return (*dimensions, MEASURE_NAME_COLUMN, TIME_COLUMN, *values)

    def relation(self) -> StoredRelation:
        """The table as queries read it."""
        sources = {MEASURE_NAME_COLUMN.name: "s.measure_name", TIME_COLUMN.name: TIME_SQL}
        for name, stored in self._stored.items():
            sources[name] = f"{'s' if stored.column.role == 'dimension' else 'p'}.{stored.sql}"
        return StoredRelation(
            self._visible, self._measures_sql, self.points_table, self.series_table, sources
        )

    @property
    def _measures_sql(self) -> str:
        dimensions = "".join(
            f"CASE WHEN bool_or(s.{stored.sql} IS NOT NULL) THEN {quote(stored.column.name)} END, "
            for stored in self.with_role("dimension")
        )
        return (
            "SELECT m.name, lower(m.type),"
            f" list_filter([{dimensions}NULL], lambda name: name IS NOT NULL)"
            f" FROM catalog.measures AS m JOIN {self.series_table} AS s ON s.measure_name = m.name"
            f" WHERE m.table_id = {self._table.id} GROUP BY ALL ORDER BY ALL"
        )

    def with_role(self, role: ColumnRole) -> list[StoredColumn]:
        """The columns with this role, in order of their first appearance."""
        return [stored for stored in self._stored.values() if stored.column.role == role]

    def find(self, column: TableColumn) -> StoredColumn | None:
        """The stored column with this name, role and type."""
        stored = self._stored.get(column.name)
        return stored if stored is not None and stored.column == column else None

    def has_values(self, name: str, of: ValueType) -> bool:
        """Whether measure values of this name and type have a column."""
        stored = self._stored.get(name)
        return stored is not None and stored.column[1:] == ("measure_value", of)

    def find_or_add(self, column: TableColumn) -> StoredColumn:
        """Raises RecordRejected if the column conflicts with another, or exceeds a limit."""
        stored = self.find(column)
        if stored is not None:
            return stored
        other = self._by_lower_name.get(column.name.lower())
        if other is not None:
            raise RecordRejected(_conflict(column, self._stored[other].column))
        self._check_limit(column)
        stored = StoredColumn(len(self._stored), column)
        target = self.series_table if column.role == "dimension" else self.points_table
        self._connection.execute(
            f"ALTER TABLE {target} ADD COLUMN {stored.sql} {STORAGE[column.type].duckdb}"
        )
        self._catalog.add_column(self._table, stored.position, column)
        self._stored[column.name] = stored
        self._by_lower_name[column.name.lower()] = column.name
        return stored

    def _check_limit(self, column: TableColumn) -> None:
        if column.name.startswith(SINGLE_VALUE_PREFIX):
            return
        limit, what = _MAX_COLUMNS[column.role]
        counted = sum(
            not stored.column.name.startswith(SINGLE_VALUE_PREFIX)
            for stored in self.with_role(column.role)
        )
        if counted >= limit:
            raise RecordRejected(
                f"The column {column.name} cannot be added: a table can have {limit} {what}."
            )


def _conflict(column: TableColumn, existing: TableColumn) -> str:
    """Why ``column`` cannot be added beside ``existing``, of the same name but for letter case."""
    if existing.name != column.name:
        return (
            f"The column {column.name} differs from {existing.name} only by the case of letters,"
            " which the local Timestream does not support."
        )
    if existing.role != column.role:
        return (
            f"{column.name} cannot be a {column.role.replace('_', ' ')}: the table has a"
            f" {existing.role.replace('_', ' ')} of this name."
        )
    return (
        f"The measure {column.name} has type {existing.type.lower()} in this table, not"
        f" {column.type.lower()}."
    )
