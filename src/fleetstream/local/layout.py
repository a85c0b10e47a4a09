"""How a table's columns lie in DuckDB, and how they are read.

A table is kept in two: `series_N` has a row for each time series, with its dimensions, and
`points_N` a row for each record, with the number of its series, its time, version and values. So a
record takes few bytes, whatever its dimensions are. Columns are named `cN` by their place in the
catalogue, because DuckDB's names ignore case and Timestream's do not.
"""

from __future__ import annotations

from typing import NamedTuple

import duckdb

from fleetstream.local import limits
from fleetstream.local.catalog import (
    MEASURE_NAME,
    TIME,
    Catalog,
    Column,
    ColumnKind,
    ColumnType,
    Table,
)
from fleetstream.local.columns import SINGLE
from fleetstream.local.series import Rejected

_SQL_TYPES: dict[ColumnType, str] = {
    "varchar": "VARCHAR",
    "double": "DOUBLE",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP_NS",
}
_MOST: dict[ColumnKind, tuple[int, str]] = {
    "dimension": (limits.DIMENSIONS_PER_TABLE, "dimensions"),
    "measure_value": (limits.MULTI_MEASURES_PER_TABLE, "measures of multi-measure records"),
}


class Place(NamedTuple):
    """A column, and its place among all of its table."""

    number: int
    column: Column

    @property
    def sql(self) -> str:
        """The column's name in DuckDB."""
        return f"c{self.number}"


def create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make the DuckDB tables for a new table."""
    connection.execute(
        f"CREATE TABLE data.series_{table.id} (series INTEGER, key BLOB, measure_name VARCHAR);"
        f"CREATE TABLE data.points_{table.id}"
        " (series INTEGER, time TIMESTAMP_NS, version BIGINT);"
    )


def drop(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Remove a table's data."""
    connection.execute(f"DROP TABLE data.series_{table.id}; DROP TABLE data.points_{table.id};")


class Layout:
    """One table's columns, for the one thread that writes."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: Table
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._table = table
        self.series = f"data.series_{table.id}"
        self.points = f"data.points_{table.id}"
        columns = catalog.columns(table)
        self._places = {column.name: Place(n, column) for n, column in enumerate(columns)}
        self._by_lower_name = {column.name.lower(): column.name for column in columns}

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's visible columns, in the order in which Timestream shows them."""
        dimensions = [place.column for place in self.of_kind("dimension")]
        values = [place.column for place in self.of_kind("measure_value")]
        return (*dimensions, MEASURE_NAME, TIME, *values)

    @property
    def relation(self) -> str:
        """The SQL to read the visible columns from, under their names, in FROM."""
        names = {MEASURE_NAME.name: "s.measure_name", TIME.name: "p.time"}
        for name, place in self._places.items():
            names[name] = f"{'s' if place.column.kind == 'dimension' else 'p'}.{place.sql}"
        columns = ", ".join(f"{names[c.name]} AS {_quoted(c.name)}" for c in self.columns)
        return f"(SELECT {columns} FROM {self.points} AS p JOIN {self.series} AS s USING (series))"

    @property
    def measures_sql(self) -> str:
        """The SQL that gives each measure name, a type of it, and the dimensions it comes with."""
        dimensions = "".join(
            f"CASE WHEN bool_or(s.{place.sql} IS NOT NULL) THEN {_literal(place.column.name)} END, "
            for place in self.of_kind("dimension")
        )
        return (
            "SELECT m.name, m.type,"
            f" list_filter([{dimensions}NULL], lambda name: name IS NOT NULL)"
            f" FROM catalog.measures AS m JOIN {self.series} AS s ON s.measure_name = m.name"
            f" WHERE m.table_id = {self._table.id} GROUP BY ALL ORDER BY ALL"
        )

    def of_kind(self, kind: ColumnKind) -> list[Place]:
        """The dimensions, or the measure values, in the order of their first appearance."""
        return [place for place in self._places.values() if place.column.kind == kind]

    def place(self, column: Column) -> Place | None:
        """Where this very column is, or None: no column of its name has its kind and type."""
        place = self._places.get(column.name)
        return place if place is not None and place.column == column else None

    def admit(self, column: Column) -> Place:
        """Where a column is; it is added if it is new.

        Raises:
            Rejected: there is another of this name, or there are as many as there can be.

        """
        place = self.place(column)
        if place is not None:
            return place
        other = self._by_lower_name.get(column.name.lower())
        if other is not None:
            raise Rejected(_clash(column, self._places[other].column))
        most, what = _MOST[column.kind]
        alike = sum(not p.column.name.startswith(SINGLE) for p in self.of_kind(column.kind))
        if alike >= most and not column.name.startswith(SINGLE):
            raise Rejected(
                f"The column {column.name} can't be added: a table can have {most} {what}."
            )
        place = Place(len(self._places), column)
        home = self.series if column.kind == "dimension" else self.points
        self._connection.execute(
            f"ALTER TABLE {home} ADD COLUMN {place.sql} {_SQL_TYPES[column.type]}"
        )
        self._catalog.add_column(self._table, place.number, column)
        self._places[column.name] = place
        self._by_lower_name[column.name.lower()] = column.name
        return place


def _clash(column: Column, known: Column) -> str:
    """Why a column can't be added beside one of the same name."""
    if known.name != column.name:
        return (
            f"The column {column.name} differs from {known.name} only by the case of letters,"
            " which the local Timestream can't keep apart."
        )
    if known.kind != column.kind:
        return (
            f"{column.name} can't be a {column.kind.replace('_', ' ')}: the table has a"
            f" {known.kind.replace('_', ' ')} of this name."
        )
    return f"The measure {column.name} has type {known.type} in this table, not {column.type}."


def _quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
