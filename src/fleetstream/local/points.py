"""One table's data in DuckDB: how rows get in, and what of them is a duplicate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.local import limits
from fleetstream.local.catalog import Catalog, Column, ColumnType, Table
from fleetstream.local.layout import Layout
from fleetstream.local.requests import ScalarType
from fleetstream.local.series import Rejected, Series, SeriesIndex
from fleetstream.local.sheet import Sheet
from fleetstream.local.versions import Stored, settle

_COLUMN_TYPES: dict[ScalarType, ColumnType] = {
    "DOUBLE": "double",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "VARCHAR": "varchar",
    "TIMESTAMP": "timestamp",
}


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
        self.layout = Layout(connection, catalog, table)
        self._measures = catalog.measures(table)
        self._measure_names = {name for name, _ in self._measures}
        self._index = SeriesIndex.load(connection, self.layout.series, self.layout.points)

    def store(self, sheets: Sequence[Sheet]) -> None:
        """Store the rows of several requests, as if one after the other, inside a transaction.

        Rows that can't be stored are rejected in their sheets.
        """
        tables: list[pa.Table] = []
        kept: list[npt.NDArray[np.intp]] = []
        new: list[tuple[int, Series]] = []
        for sheet in sheets:
            # A column takes the type of the first record that is stored with it.
            for name, kind in sorted(sheet.values, key=partial(_first_row, sheet)):
                self._admit_column(sheet, name, kind)
            numbers = self._admit_series(sheet, new)
            kept.append(np.flatnonzero(sheet.kept))
            tables.append(self._arrow(sheet, numbers, kept[-1]))
        self._write_series(new)
        # In one piece: DuckDB would read the rows of each request by themselves.
        rows = pa.concat_tables(tables, promote_options="default").combine_chunks()
        if rows.num_rows:
            self._write_points(rows, sheets, kept)
        for sheet in sheets:
            self._note_measures(sheet)

    def _admit_column(self, sheet: Sheet, name: str, kind: ScalarType) -> None:
        """See that a column for these values is there; reject their rows if it can't be."""
        column = Column(name, "measure_value", _COLUMN_TYPES[kind])
        if self.layout.place(column) is not None:
            return
        present = np.asarray(sheet.values[name, kind].is_valid()) & sheet.kept
        try:
            if present.any():
                self.layout.admit(column)
        except Rejected as reason:
            for row in np.flatnonzero(present):
                sheet.reject(int(row), str(reason))

    def _admit_series(self, sheet: Sheet, new: list[tuple[int, Series]]) -> npt.NDArray[np.int32]:
        """The number of each row's series; new ones are added to the index and to `new`."""
        numbers = [self._index.number(series) for series in sheet.series]
        for row, number in enumerate(numbers):
            series = sheet.series[row]
            if number is not None or series is None or not sheet.kept[row]:
                continue
            # An earlier row of this request may have been the series' first.
            added = self._index.number(series)
            if added is None:
                try:
                    self._admit_dimensions(series)
                except Rejected as reason:
                    sheet.reject(row, str(reason))
                    continue
                added = self._index.add(series)
                new.append((added, series))
            numbers[row] = added
        return np.array([number or 0 for number in numbers], np.int32)

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
            self.layout.admit(Column(name, "dimension", "varchar"))

    def _arrow(
        self, sheet: Sheet, series: npt.NDArray[np.int32], kept: npt.NDArray[np.intp]
    ) -> pa.Table:
        """The rows of a sheet, with columns of the points; times are numbers."""
        columns = {
            "series": pa.array(series),
            "time": pa.array(sheet.times),
            "version": pa.array(sheet.versions),
        }
        for (name, kind), values in sheet.values.items():
            place = self.layout.place(Column(name, "measure_value", _COLUMN_TYPES[kind]))
            if place is not None:
                columns[place.sql] = values
        table = pa.table(columns)
        return table if len(kept) == len(series) else table.take(pa.array(kept))

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
        for place in self.layout.of_kind("dimension"):
            columns[place.sql] = [values.get(place.column.name) for values in dimensions]
        self._connection.from_arrow(pa.table(columns)).insert_into(self.layout.series)

    def _write_points(
        self,
        rows: pa.Table,
        sheets: Sequence[Sheet],
        kept: Sequence[npt.NDArray[np.intp]],
    ) -> None:
        """Store rows, after what is a duplicate among them or of stored ones has been settled.

        `kept` are the rows' numbers in each of the sheets that they come from.
        """
        series, times = rows["series"].to_numpy(), rows["time"].to_numpy()
        contested = np.flatnonzero((times <= self._index.latest[series]) | _repeated(series, times))
        if len(contested):
            part = rows.take(pa.array(contested))
            outcome = settle(part, self._stored(part))
            owners = np.repeat(np.arange(len(sheets)), [len(part) for part in kept])
            numbers = np.concatenate(kept)
            for place, (reason, version) in outcome.rejected.items():
                row = contested[place]
                sheets[owners[row]].reject(int(numbers[row]), reason, version)
            self._delete(outcome.superseded)
            needed = np.ones(rows.num_rows, np.bool_)
            needed[contested[outcome.dropped]] = False
            rows = rows.filter(pa.array(needed))
        if rows.num_rows:
            missing = pa.nulls(rows.num_rows)
            full = {
                name: rows[name] if name in rows.column_names else missing
                for name in self._point_columns()
            }
            for name in self._timestamps() & set(rows.column_names):
                full[name] = rows[name].cast(pa.timestamp("ns"))
            self._connection.from_arrow(pa.table(full)).insert_into(self.layout.points)
        np.maximum.at(self._index.latest, series, times)

    def _point_columns(self) -> list[str]:
        """The names of all columns of the points, in DuckDB's order."""
        values = [place.sql for place in self.layout.of_kind("measure_value")]
        return ["series", "time", "version", *values]

    def _timestamps(self) -> set[str]:
        """The names of the columns of the points that are times."""
        values = self.layout.of_kind("measure_value")
        return {"time", *(place.sql for place in values if place.column.type == "timestamp")}

    def _stored(self, rows: pa.Table) -> dict[tuple[int, int], Stored]:
        """The stored records of the series and times that `rows` have."""
        names, times = self._point_columns(), self._timestamps()
        columns = [f"epoch_ns(p.{n}) AS {n}" if n in times else f"p.{n}" for n in names]
        keys = rows.select(["series", "time"])
        asked = keys["time"].to_numpy()
        # The range lets DuckDB skip all row groups of other times.
        self._connection.register("asked", keys)
        found = self._connection.execute(
            f"SELECT {', '.join(columns)} FROM {self.layout.points} AS p SEMI JOIN asked AS a"
            " ON p.series = a.series AND p.time = make_timestamp_ns(a.time)"
            f" WHERE p.time BETWEEN make_timestamp_ns({asked.min()})"
            f" AND make_timestamp_ns({asked.max()})"
        ).fetchall()
        self._connection.unregister("asked")
        return {
            (number, time): Stored(
                version, {n: v for n, v in zip(names[3:], values, strict=True) if v is not None}
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
            f"DELETE FROM {self.layout.points} AS p USING superseded AS k"
            " WHERE p.series = k.series AND p.time = make_timestamp_ns(k.time)"
        )
        self._connection.unregister("superseded")

    def _note_measures(self, sheet: Sheet) -> None:
        """Write down measure names that are new, or have come with a new type."""
        for name, kind in sheet.measures - self._measures:
            if name in self._measure_names:
                self._catalog.add_measure(self._table, name, kind)
                self._measures.add((name, kind))


def _first_row(sheet: Sheet, column: tuple[str, ScalarType]) -> int:
    """The first row to be stored that has a value in a column; behind all rows if none has."""
    present = np.asarray(sheet.values[column].is_valid()) & sheet.kept
    return int(present.argmax()) if present.any() else len(present)


def _repeated(series: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows have the same series and time as another."""
    order = np.lexsort((times, series))
    same = (np.diff(series[order]) == 0) & (np.diff(times[order]) == 0)
    repeated = np.zeros(len(series), np.bool_)
    repeated[order[1:]] = same
    repeated[order[:-1]] |= same
    return repeated
