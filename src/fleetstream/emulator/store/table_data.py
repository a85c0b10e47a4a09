"""Writing the records of one table to DuckDB: columns, series, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.emulator import limits
from fleetstream.emulator.store.catalog import Catalog, TableColumn, TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords, RecordRejected
from fleetstream.emulator.store.series import SeriesIdentity, SeriesIndex
from fleetstream.emulator.store.table_columns import StoredColumns
from fleetstream.emulator.store.values import ValueType
from fleetstream.emulator.store.versions import CurrentRecord, resolve_duplicates


class TableData:
    """The data of one table; used by the writer thread only.

    It caches what is stored, so it must be discarded when a transaction is rolled back.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: TableDefinition
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._table = table
        self.columns = StoredColumns(connection, catalog, table)
        self._measures = catalog.measures(table)
        self._measure_names = {name for name, _ in self._measures}
        self._index = SeriesIndex.load(
            connection, self.columns.series_table, self.columns.points_table
        )

    def write(self, requests: Sequence[PendingRecords]) -> None:
        """Store the records of several requests, as if one after the other, in a transaction.

        Records that can't be stored are rejected in their requests.
        """
        tables: list[pa.Table] = []
        accepted: list[npt.NDArray[np.intp]] = []
        new_series: list[tuple[int, SeriesIdentity]] = []
        for pending in requests:
            # A column has the type of the first record that is stored with it.
            for name, value_type in sorted(pending.values, key=partial(_first_row, pending)):
                self._add_value_column(pending, name, value_type)
            numbers = self._number_series(pending, new_series)
            accepted.append(np.flatnonzero(pending.accepted))
            tables.append(self._to_arrow(pending, numbers, accepted[-1]))
        self._write_series(new_series)
        # Combined because DuckDB would scan the chunk of each request separately.
        rows = pa.concat_tables(tables, promote_options="default").combine_chunks()
        if rows.num_rows:
            self._write_points(rows, requests, accepted)
        for pending in requests:
            self._write_measures(pending)

    def delete_before(self, time: int) -> None:
        """Delete the records before a time, in nanoseconds since 1970, in a transaction."""
        self._connection.execute(
            f"DELETE FROM {self.columns.points_table} WHERE time < make_timestamp_ns({time})"
        )

    def _add_value_column(self, pending: PendingRecords, name: str, value_type: ValueType) -> None:
        """Add a column if it is new; reject its records if that is not possible."""
        column = TableColumn(name, "measure_value", value_type)
        if self.columns.find(column) is not None:
            return
        present = _accepted_values(pending, (name, value_type))
        try:
            if present.any():
                self.columns.find_or_add(column)
        except RecordRejected as reason:
            for row in np.flatnonzero(present):
                pending.reject(int(row), str(reason))

    def _number_series(
        self, pending: PendingRecords, new_series: list[tuple[int, SeriesIdentity]]
    ) -> npt.NDArray[np.int32]:
        """The number of each record's series; adds new ones to the index and ``new_series``."""
        numbers = [self._index.number(series) for series in pending.series]
        for row, number in enumerate(numbers):
            series = pending.series[row]
            if number is not None or series is None or not pending.accepted[row]:
                continue
            # An earlier record of this request may have added the series.
            added = self._index.number(series)
            if added is None:
                try:
                    self._add_series_columns(series)
                except RecordRejected as reason:
                    pending.reject(row, str(reason))
                    continue
                added = self._index.add(series)
                new_series.append((added, series))
            numbers[row] = added
        return np.array([number or 0 for number in numbers], np.int32)

    def _add_series_columns(self, series: SeriesIdentity) -> None:
        """Raises RecordRejected if a dimension or the measure name can't be added."""
        if series.measure_name not in self._measure_names:
            if len(self._measure_names) >= limits.MEASURE_NAMES_PER_TABLE:
                raise RecordRejected(
                    f"The measure name {series.measure_name} can't be added: a table can have"
                    f" {limits.MEASURE_NAMES_PER_TABLE}."
                )
            self._measure_names.add(series.measure_name)
        for name, _ in series.dimensions:
            self.columns.find_or_add(TableColumn(name, "dimension", "VARCHAR"))

    def _to_arrow(
        self, pending: PendingRecords, series: npt.NDArray[np.int32], accepted: npt.NDArray[np.intp]
    ) -> pa.Table:
        """The accepted records, with the columns of the points table; times are numbers."""
        columns = {
            "series": pa.array(series),
            "time": pa.array(pending.times),
            "version": pa.array(pending.versions),
        }
        for (name, value_type), values in pending.values.items():
            stored = self.columns.find(TableColumn(name, "measure_value", value_type))
            if stored is not None:
                columns[stored.sql] = values
        table = pa.table(columns)
        return table if len(accepted) == len(series) else table.take(pa.array(accepted))

    def _write_series(self, new_series: Sequence[tuple[int, SeriesIdentity]]) -> None:
        if not new_series:
            return
        columns: dict[str, list[Any]] = {
            "series": [number for number, _ in new_series],
            "key": [series.key for _, series in new_series],
            "measure_name": [series.measure_name for _, series in new_series],
        }
        dimensions = [dict(series.dimensions) for _, series in new_series]
        for stored in self.columns.with_role("dimension"):
            columns[stored.sql] = [values.get(stored.column.name) for values in dimensions]
        self._connection.from_arrow(pa.table(columns)).insert_into(self.columns.series_table)

    def _write_points(
        self,
        rows: pa.Table,
        requests: Sequence[PendingRecords],
        accepted: Sequence[npt.NDArray[np.intp]],
    ) -> None:
        """Resolve duplicates and store the remaining rows.

        ``rows`` are the accepted records of all requests; ``accepted`` has their indexes in each.
        """
        series, times = rows["series"].to_numpy(), rows["time"].to_numpy()
        suspects = np.flatnonzero((times <= self._index.latest[series]) | _repeated(series, times))
        if len(suspects):
            rows = self._without_duplicates(rows, suspects, requests, accepted)
        if rows.num_rows:
            missing = pa.nulls(rows.num_rows)
            columns = {
                name: rows[name] if name in rows.column_names else missing
                for name in self._point_columns()
            }
            for name in self._timestamp_columns() & set(rows.column_names):
                columns[name] = rows[name].cast(pa.timestamp("ns"))
            self._connection.from_arrow(pa.table(columns)).insert_into(self.columns.points_table)
        np.maximum.at(self._index.latest, series, times)

    def _without_duplicates(
        self,
        rows: pa.Table,
        suspects: npt.NDArray[np.intp],
        requests: Sequence[PendingRecords],
        accepted: Sequence[npt.NDArray[np.intp]],
    ) -> pa.Table:
        """The rows to store; ``suspects`` are the row numbers that may be duplicates."""
        candidates = rows.take(pa.array(suspects))
        resolution = resolve_duplicates(candidates, self._current_records(candidates))
        owners = np.repeat(np.arange(len(requests)), [len(part) for part in accepted])
        indexes = np.concatenate(accepted)
        for candidate, (reason, version) in resolution.rejected.items():
            row = suspects[candidate]
            requests[owners[row]].reject(int(indexes[row]), reason, version)
        self._delete(resolution.replaced)
        needed = np.ones(rows.num_rows, np.bool_)
        needed[suspects[resolution.dropped]] = False
        return rows.filter(pa.array(needed))

    def _point_columns(self) -> list[str]:
        """DuckDB names of the columns of the points table, in order."""
        values = [stored.sql for stored in self.columns.with_role("measure_value")]
        return ["series", "time", "version", *values]

    def _timestamp_columns(self) -> set[str]:
        """DuckDB names of the timestamp columns of the points table."""
        values = self.columns.with_role("measure_value")
        return {"time", *(stored.sql for stored in values if stored.column.type == "TIMESTAMP")}

    def _current_records(self, rows: pa.Table) -> dict[tuple[int, int], CurrentRecord]:
        """The stored records with the series and times of ``rows``."""
        names, timestamps = self._point_columns(), self._timestamp_columns()
        columns = [f"epoch_ns(p.{n}) AS {n}" if n in timestamps else f"p.{n}" for n in names]
        keys = rows.select(["series", "time"])
        times = keys["time"].to_numpy()
        # The range of times lets DuckDB skip row groups.
        self._connection.register("wanted", keys)
        found = self._connection.execute(
            f"SELECT {', '.join(columns)} FROM {self.columns.points_table} AS p"
            " SEMI JOIN wanted AS w ON p.series = w.series AND p.time = make_timestamp_ns(w.time)"
            f" WHERE p.time BETWEEN make_timestamp_ns({times.min()})"
            f" AND make_timestamp_ns({times.max()})"
        ).fetchall()
        self._connection.unregister("wanted")
        return {
            (number, time): CurrentRecord(
                version, {n: v for n, v in zip(names[3:], values, strict=True) if v is not None}
            )
            for number, time, version, *values in found
        }

    def _delete(self, keys: Sequence[tuple[int, int]]) -> None:
        """Delete the stored records with these series and times."""
        if not keys:
            return
        series, times = zip(*keys, strict=True)
        self._connection.register("replaced", pa.table({"series": series, "time": times}))
        self._connection.execute(
            f"DELETE FROM {self.columns.points_table} AS p USING replaced AS r"
            " WHERE p.series = r.series AND p.time = make_timestamp_ns(r.time)"
        )
        self._connection.unregister("replaced")

    def _write_measures(self, pending: PendingRecords) -> None:
        """Add measure names that are new, or are written with a new type."""
        for name, measure_type in pending.measures - self._measures:
            if name in self._measure_names:
                self._catalog.add_measure(self._table, name, measure_type)
                self._measures.add((name, measure_type))


def _accepted_values(
    pending: PendingRecords, column: tuple[str, ValueType]
) -> npt.NDArray[np.bool_]:
    """Which records have a value in a column and are to be stored."""
    present: npt.NDArray[np.bool_] = np.asarray(pending.values[column].is_valid())
    return present & pending.accepted


def _first_row(pending: PendingRecords, column: tuple[str, ValueType]) -> int:
    """The first accepted record with a value in a column; the number of records if none has."""
    present = _accepted_values(pending, column)
    return int(present.argmax()) if present.any() else len(present)


def _repeated(series: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows have the same series and time as another row."""
    order = np.lexsort((times, series))
    same = (np.diff(series[order]) == 0) & (np.diff(times[order]) == 0)
    repeated = np.zeros(len(series), np.bool_)
    repeated[order[1:]] = same
    repeated[order[:-1]] |= same
    return repeated
