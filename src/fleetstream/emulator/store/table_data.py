"""Writing the records of one table to DuckDB: columns, series, duplicates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.emulator import limits
from fleetstream.emulator.store.catalog import Catalog, TableColumn, TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords, RecordRejected
from fleetstream.emulator.store.record_batch import RecordBatch
from fleetstream.emulator.store.series import SeriesIdentity, SeriesIndex
from fleetstream.emulator.store.table_columns import StoredColumns
from fleetstream.emulator.store.values import ValueType
from fleetstream.emulator.store.versions import CurrentRecord, resolve_duplicates


class TableData:
    """The data of one table; used by the writer thread only.

    It caches what is stored, so it must be discarded when a transaction is rolled back. If
    ``buffered``, rows are added to ``buffer``, and inserted by ``insert_buffer``.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: Catalog,
        table: TableDefinition,
        buffered: bool,  # noqa: FBT001
        buffer: Sequence[pa.Table],
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
        self._buffered = buffered
        self.buffer = list(buffer)
        self.buffered_bytes = sum(rows.nbytes for rows in buffer)
        for rows in buffer:
            self._index.extend(rows["series"].to_numpy(), rows["time"].to_numpy())

    def write(self, requests: Sequence[PendingRecords]) -> None:
        """Store the records of several requests, as if one after the other, in a transaction.

        Records that cannot be stored are rejected in their requests.
        """
        batch = RecordBatch(requests)
        numbers: list[int] = []
        new_series: list[tuple[int, SeriesIdentity]] = []
        for start, pending in zip(batch.starts, requests, strict=False):
            if not self._columns_exist(pending):
                self._add_value_columns(batch, start, pending)
            numbers += self._number_series(pending, new_series)
        self._write_series(new_series)
        accepted = batch.accepted()
        if len(accepted):
            self._write_points(self._to_arrow(batch, numbers, accepted), batch, accepted)
        for pending in requests:
            self._write_measures(pending)

    @property
    def earliest(self) -> int:
        """No record is before this time, in nanoseconds since 1970."""
        return self._index.earliest

    def delete_before(self, time: int) -> None:
        """Delete the records before a time, in nanoseconds since 1970, in a transaction."""
        self._connection.execute(
            f"DELETE FROM {self.columns.points_table} WHERE time < make_timestamp_ns({time})"
        )
        self._index.earliest = max(self._index.earliest, time)

    def _columns_exist(self, pending: PendingRecords) -> bool:
        return all(self.columns.has_values(name, of) for name, of in pending.values)

    def _add_value_columns(self, batch: RecordBatch, start: int, pending: PendingRecords) -> None:
        """Add the columns of a request that are new; reject their records if that is impossible.

        A column has the type of the first record that is stored with it.
        """
        present = {key: _present(batch, start, pending, key) for key in pending.values}
        for name, of in sorted(present, key=lambda key: min(present[key], default=sys.maxsize)):
            # A column before this one may have rejected some of the records.
            rows = [row for row in present[name, of] if row not in pending.rejections]
            try:
                if rows:
                    self.columns.find_or_add(TableColumn(name, "measure_value", of))
            except RecordRejected as reason:
                for row in rows:
                    pending.reject(row, str(reason))

    def _number_series(
        self, pending: PendingRecords, new_series: list[tuple[int, SeriesIdentity]]
    ) -> list[int]:
        """The number of each record's series; adds new ones to the index and ``new_series``."""
        numbers = [self._index.number(series) for series in pending.series]
        if None not in numbers:
            return numbers  # type: ignore[return-value]
        for row, number in enumerate(numbers):
            series = pending.series[row]
            if number is not None or series is None or row in pending.rejections:
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
        return [number or 0 for number in numbers]

    def _add_series_columns(self, series: SeriesIdentity) -> None:
        """Raises RecordRejected if a dimension or the measure name cannot be added."""
        if series.measure_name not in self._measure_names:
            if len(self._measure_names) >= limits.MEASURE_NAMES_PER_TABLE:
                raise RecordRejected(
                    f"The measure name {series.measure_name} cannot be added: a table can have"
                    f" {limits.MEASURE_NAMES_PER_TABLE}."
                )
            self._measure_names.add(series.measure_name)
        for name, _ in series.dimensions:
            self.columns.find_or_add(TableColumn(name, "dimension", "VARCHAR"))

    def _to_arrow(
        self, batch: RecordBatch, series: Sequence[int], accepted: npt.NDArray[np.intp]
    ) -> pa.Table:
        """The accepted records, with the columns of the points table; times are numbers."""
        columns = {
            "series": pa.array(np.array(series, np.int32)),
            "time": pa.array(batch.times),
            "version": pa.array(batch.versions),
        }
        for (name, value_type), values in batch.values.items():
            stored = self.columns.find(TableColumn(name, "measure_value", value_type))
            if stored is not None:
                columns[stored.sql] = values
        table = pa.table(columns)
        return table if len(accepted) == len(batch) else table.take(pa.array(accepted))

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
        batch: RecordBatch,
        accepted: npt.NDArray[np.intp],
    ) -> None:
        """Resolve duplicates and store the remaining rows.

        ``rows`` are the accepted records, and ``accepted`` their rows in the batch.
        """
        series, times = rows["series"].to_numpy(), rows["time"].to_numpy()
        suspects = np.flatnonzero((times <= self._index.latest[series]) | _repeated(series, times))
        if len(suspects):
            rows = self._without_duplicates(rows, suspects, batch, accepted)
        if self._buffered:
            self.buffer.append(rows)
            self.buffered_bytes += rows.nbytes
        else:
            self._insert(rows)
        self._index.extend(series, times)

    def insert_buffer(self) -> None:
        """Insert the rows that are buffered, in a transaction."""
        if self.buffer:
            self._insert(pa.concat_tables(self.buffer, promote_options="default").combine_chunks())
            self.buffer, self.buffered_bytes = [], 0

    def _insert(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        missing, present = pa.nulls(rows.num_rows), set(rows.column_names)
        columns = {
            name: rows[name] if name in present else missing for name in self._point_columns()
        }
        for name in self._timestamp_columns() & present:
            columns[name] = rows[name].cast(pa.timestamp("ns"))
        self._connection.from_arrow(pa.table(columns)).insert_into(self.columns.points_table)

    def _without_duplicates(
        self,
        rows: pa.Table,
        suspects: npt.NDArray[np.intp],
        batch: RecordBatch,
        accepted: npt.NDArray[np.intp],
    ) -> pa.Table:
        """The rows to store; ``suspects`` are the row numbers that may be duplicates."""
        self.insert_buffer()
        candidates = rows.take(pa.array(suspects))
        resolution = resolve_duplicates(candidates, self._current_records(candidates))
        for candidate, (reason, version) in resolution.rejected.items():
            batch.reject(int(accepted[suspects[candidate]]), reason, version)
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


def _present(
    batch: RecordBatch, start: int, pending: PendingRecords, key: tuple[str, ValueType]
) -> list[int]:
    """The indexes of the accepted records of a request with a value in a column."""
    valid = batch.values[key].slice(start, len(pending.times)).is_valid()
    return [int(row) for row in np.flatnonzero(valid) if row not in pending.rejections]


def _repeated(series: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows have the same series and time as another row."""
    order = np.lexsort((times, series))
    same = (np.diff(series[order]) == 0) & (np.diff(times[order]) == 0)
    repeated = np.zeros(len(series), np.bool_)
    repeated[order[1:]] = same
    repeated[order[:-1]] |= same
    return repeated
