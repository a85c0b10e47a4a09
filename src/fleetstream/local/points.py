"""One table's data in DuckDB: how rows get in, what of them is a duplicate, how they are read.

A table is kept in two: `series_N` has a row for each time series, with its dimensions, and
`points_N` a row for each record, with the number of its series, its time, version and values. So a
record takes few bytes, whatever its dimensions are. Columns are named `cN` by their place in the
catalogue, because DuckDB's names ignore case and Timestream's do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.local import limits
from fleetstream.local.catalog import MEASURE_NAME, TIME, Catalog, Column, ColumnType, Table
from fleetstream.local.requests import ScalarType
from fleetstream.local.series import Rejected, Series, SeriesIndex
from fleetstream.local.sheet import Sheet
from fleetstream.local.versions import Stored, settle

_SQL_TYPES: dict[ColumnType, str] = {
    "varchar": "VARCHAR",
    "double": "DOUBLE",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP_NS",
}
_COLUMN_TYPES: dict[ScalarType, ColumnType] = {
    "DOUBLE": "double",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "VARCHAR": "varchar",
    "TIMESTAMP": "timestamp",
}


class _Place(NamedTuple):
    """Where a column is among all of its table, and what it is."""

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


class Points:
    """The data of one table, for the one thread that writes.

    What it remembers of the stored data must be thrown away when a transaction is rolled back.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: Table
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._table = table
        self._series_table = f"data.series_{table.id}"
        self._points_table = f"data.points_{table.id}"
        columns = catalog.columns(table)
        self._places = {column.name: _Place(n, column) for n, column in enumerate(columns)}
        self._by_lower_name = {column.name.lower(): column.name for column in columns}
        self._measures = catalog.measures(table)
        self._measure_names = {name for name, _ in self._measures}
        self._index = SeriesIndex.load(connection, self._series_table, self._points_table)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's visible columns, in the order in which Timestream shows them."""
        stored = [place.column for place in self._places.values()]
        dimensions = [column for column in stored if column.kind == "dimension"]
        values = [column for column in stored if column.kind == "measure_value"]
        return (*dimensions, MEASURE_NAME, TIME, *values)

    @property
    def relation(self) -> str:
        """The SQL to read the visible columns from, under their names, in FROM."""
        names = {MEASURE_NAME.name: "s.measure_name", TIME.name: "p.time"}
        for name, place in self._places.items():
            names[name] = f"{'s' if place.column.kind == 'dimension' else 'p'}.{place.sql}"
        columns = ", ".join(f"{names[c.name]} AS {quoted(c.name)}" for c in self.columns)
        return (
            f"(SELECT {columns} FROM {self._points_table} AS p"
            f" JOIN {self._series_table} AS s USING (series))"
        )

    @property
    def measures_sql(self) -> str:
        """The SQL that gives each measure name, a type of it, and the dimensions it comes with."""
        dimensions = "".join(
            f"CASE WHEN bool_or(s.{place.sql} IS NOT NULL) THEN {literal(name)} END, "
            for name, place in self._places.items()
            if place.column.kind == "dimension"
        )
        return (
            "SELECT m.name, m.type,"
            f" list_filter([{dimensions}NULL], lambda name: name IS NOT NULL)"
            f" FROM catalog.measures AS m JOIN {self._series_table} AS s ON s.measure_name = m.name"
            f" WHERE m.table_id = {self._table.id} GROUP BY ALL ORDER BY ALL"
        )

    def store(self, sheets: Sequence[Sheet]) -> None:
        """Store the rows of several requests, as if one after the other, inside a transaction.

        Rows that can't be stored are rejected in their sheets.
        """
        tables, owners = [], []
        new: list[tuple[int, Series]] = []
        for number, sheet in enumerate(sheets):
            for name, kind in sheet.values:
                self._admit_column(sheet, name, kind)
            series = self._admit_series(sheet, new)
            rows = np.flatnonzero(sheet.kept)
            tables.append(self._arrow(sheet, series, rows))
            owners += [(number, int(row)) for row in rows]
        self._write_series(new)
        rows = pa.concat_tables(tables, promote_options="default")
        if rows.num_rows:
            self._write_points(rows, owners, sheets)
        for sheet in sheets:
            self._note_measures(sheet)

    def _admit_column(self, sheet: Sheet, name: str, kind: ScalarType) -> None:
        """See that a column for these values is there; reject their rows if it can't be."""
        column = Column(name, "measure_value", _COLUMN_TYPES[kind])
        place = self._places.get(name)
        if place is not None and place.column == column:
            return
        rows = [int(row) for row in np.flatnonzero(sheet.values[name, kind].is_valid())]
        rows = [row for row in rows if sheet.kept[row]]
        try:
            if rows:
                self._add_column(column)
        except Rejected as reason:
            for row in rows:
                sheet.reject(row, str(reason))

    def _add_column(self, column: Column) -> None:
        """Add a column to the table.

        Raises:
            Rejected: there is another of this name, or there are as many as there can be.

        """
        other = self._by_lower_name.get(column.name.lower())
        if other is not None:
            known = self._places[other].column
            raise Rejected(_clash(column, known))
        alike = [
            place
            for place in self._places.values()
            if place.column.kind == column.kind and not place.column.name.startswith(_SINGLE)
        ]
        most = (
            limits.DIMENSIONS_PER_TABLE
            if column.kind == "dimension"
            else limits.MULTI_MEASURES_PER_TABLE
        )
        if len(alike) >= most and not column.name.startswith(_SINGLE):
            what = "dimensions" if column.kind == "dimension" else "measures of multi records"
            raise Rejected(
                f"The column {column.name} can't be added: a table can have {most} {what}."
            )
        place = _Place(len(self._places), column)
        home = self._series_table if column.kind == "dimension" else self._points_table
        self._connection.execute(
            f"ALTER TABLE {home} ADD COLUMN {place.sql} {_SQL_TYPES[column.type]}"
        )
        self._catalog.add_column(self._table, place.number, column)
        self._places[column.name] = place
        self._by_lower_name[column.name.lower()] = column.name

    def _admit_series(self, sheet: Sheet, new: list[tuple[int, Series]]) -> npt.NDArray[np.int32]:
        """The number of each row's series; new ones are added to the index and to `new`."""
        numbers = np.zeros(len(sheet.series), np.int32)
        for row, series in enumerate(sheet.series):
            if not sheet.kept[row]:
                continue
            number = self._index.number(series)
            if number is None:
                try:
                    self._admit_dimensions(series)
                except Rejected as reason:
                    sheet.reject(row, str(reason))
                    continue
                number = self._index.add(series)
                new.append((number, series))
            numbers[row] = number
        return numbers

    def _admit_dimensions(self, series: Series) -> None:
        """See that the columns for a new series are there.

        Raises:
            Rejected: one can't be, or there are too many measure names.

        """
        if series.measure_name not in self._measure_names:
            if len(self._measure_names) >= limits.MEASURE_NAMES_PER_TABLE:
                raise Rejected(
                    f"The measure name {series.measure_name} can't be added: a table can have"
                    f" {limits.MEASURE_NAMES_PER_TABLE}."
                )
            self._measure_names.add(series.measure_name)
        for name, _ in series.dimensions:
            column = Column(name, "dimension", "varchar")
            place = self._places.get(name)
            if place is None or place.column != column:
                self._add_column(column)

    def _arrow(
        self, sheet: Sheet, series: npt.NDArray[np.int32], rows: npt.NDArray[np.intp]
    ) -> pa.Table:
        """The rows of a sheet, with the columns of `points_N`; times are numbers."""
        columns = {
            "series": pa.array(series),
            "time": pa.array(sheet.times),
            "version": pa.array(sheet.versions),
        }
        for (name, kind), values in sheet.values.items():
            place = self._places.get(name)
            if place is not None and place.column.type == _COLUMN_TYPES[kind]:
                columns[place.sql] = values
        table = pa.table(columns)
        return table if len(rows) == len(series) else table.take(pa.array(rows))

    def _write_series(self, new: Sequence[tuple[int, Series]]) -> None:
        """Store the series that were not there before."""
        if not new:
            return
        columns: dict[str, list[Any]] = {
            "series": [number for number, _ in new],
            "key": [series.key for _, series in new],
            "measure_name": [series.measure_name for _, series in new],
        }
        dimensions = [dict(series.dimensions) for _, series in new]
        for name in {name for values in dimensions for name in values}:
            columns[self._places[name].sql] = [values.get(name) for values in dimensions]
        self._insert(self._series_table, pa.table(columns))

    def _insert(self, home: str, rows: pa.Table) -> None:
        names = ", ".join(rows.column_names)
        self._connection.register("new_rows", rows)
        self._connection.execute(f"INSERT INTO {home} ({names}) SELECT {names} FROM new_rows")
        self._connection.unregister("new_rows")

    def _write_points(
        self, rows: pa.Table, owners: Sequence[tuple[int, int]], sheets: Sequence[Sheet]
    ) -> None:
        """Store rows, after what is a duplicate among them or of stored ones has been settled."""
        series = rows["series"].to_numpy()
        times = rows["time"].to_numpy()
        contested = np.flatnonzero((times <= self._index.latest[series]) | _repeated(series, times))
        if len(contested):
            part = rows.take(pa.array(contested))
            outcome = settle(part, self._stored(part))
            for place, (reason, version) in outcome.rejected.items():
                number, row = owners[contested[place]]
                sheets[number].reject(row, reason, version)
            self._delete(outcome.superseded)
            kept = np.ones(rows.num_rows, np.bool_)
            kept[contested[outcome.dropped]] = False
            rows = rows.filter(pa.array(kept))
        for name in self._timestamps():
            if name in rows.column_names:
                rows = rows.set_column(
                    rows.column_names.index(name), name, rows[name].cast(pa.timestamp("ns"))
                )
        if rows.num_rows:
            self._insert(self._points_table, rows)
        np.maximum.at(self._index.latest, series, times)

    def _timestamps(self) -> list[str]:
        """The names of the columns of `points_N` that are times."""
        return [
            "time",
            *(p.sql for p in self._places.values() if p.column.type == "timestamp"),
        ]

    def _stored(self, rows: pa.Table) -> dict[tuple[int, int], Stored]:
        """The stored records of the series and times that `rows` have."""
        times = set(self._timestamps())
        names = [p.sql for p in self._places.values() if p.column.kind == "measure_value"]
        selected = ["series", "time", "version", *names]
        columns = [f"epoch_ns(p.{n}) AS {n}" if n in times else f"p.{n}" for n in selected]
        keys = rows.select(["series", "time"])
        first, last = np.min(keys["time"].to_numpy()), np.max(keys["time"].to_numpy())
        self._connection.register("asked", keys)
        found = self._connection.execute(
            f"SELECT {', '.join(columns)} FROM {self._points_table} AS p SEMI JOIN asked AS a"
            " ON p.series = a.series AND p.time = make_timestamp_ns(a.time)"
            f" WHERE p.time BETWEEN make_timestamp_ns({first}) AND make_timestamp_ns({last})"
        ).fetchall()
        self._connection.unregister("asked")
        return {
            (number, time): Stored(
                version, {n: v for n, v in zip(names, values, strict=True) if v is not None}
            )
            for number, time, version, *values in found
        }

    def _delete(self, keys: Sequence[tuple[int, int]]) -> None:
        """Remove the stored records of these series and times."""
        if not keys:
            return
        series, times = zip(*keys, strict=True)
        self._connection.register("superseded", pa.table({"series": series, "time": times}))
        self._connection.execute(
            f"DELETE FROM {self._points_table} AS p USING superseded AS k"
            " WHERE p.series = k.series AND p.time = make_timestamp_ns(k.time)"
        )
        self._connection.unregister("superseded")

    def _note_measures(self, sheet: Sheet) -> None:
        """Write down measure names that are new, or have come with a new type."""
        for name, kind in sheet.measures - self._measures:
            if name in self._measure_names:
                self._catalog.add_measure(self._table, name, kind)
                self._measures.add((name, kind))


_SINGLE = "measure_value::"


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


def _repeated(series: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows have the same series and time as another."""
    order = np.lexsort((times, series))
    same = (np.diff(series[order]) == 0) & (np.diff(times[order]) == 0)
    repeated = np.zeros(len(series), np.bool_)
    repeated[order[1:]] = same
    repeated[order[:-1]] |= same
    return repeated


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
