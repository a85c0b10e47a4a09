"""Writes to tables of PostgreSQL, in binary COPY.

Rows are copied into the table as if none of them were there yet. Where the primary key says
otherwise, they are copied into a temporary table, and those that are missing are inserted.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from fleetstream.generate.moments import iso
from fleetstream.generate.records import Records
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import quoted
from fleetstream.targets.postgresql.connections import UNIQUE_VIOLATION, Connections, fetched
from fleetstream.targets.postgresql.limits import SERIES_ID
from fleetstream.targets.postgresql.rows import BatchSeries, RowRenderer, parts_of
from fleetstream.targets.postgresql.tables import Tables
from fleetstream.targets.sink import Delivery, Rejection, Request

VALUES_PER_REQUEST = 50_000

_PLACE = "__place"
"""The column with each row's index in its request."""

_INCOMING = "fleetstream_incoming"
"""The temporary table of rows that may be stored already."""

_EXISTING = "another value is in the table already"


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a request sends: rows of the table of values, and their series."""

    series: BatchSeries
    values: pa.Table


class PostgreSQLSink:
    """Writes to the tables of a database; they are created if they do not exist."""

    concurrency = None
    exclusive = False
    window = None

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._tables = tables
        self._renderer = RowRenderer()
        self._key = f"{quoted(SERIES_ID)}, {quoted(TIME)}"

    @property
    def name(self) -> str:
        """The table and the database."""
        return f"PostgreSQL, {self._tables.name} in {self._connections.url}"

    def open(self) -> None:
        """Connect, and create or extend the tables. Raises TargetUnusable."""
        with self._connections.usable() as cursor:
            self._tables.create(cursor)

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of some ten thousand values each; nothing is kept for the next batch."""
        records = Records(batch, self._tables.model)
        series = self._renderer.series(records)
        for part in parts_of(records, VALUES_PER_REQUEST):
            yield Request((part,), _Rows(series, self._renderer.values(series, part)))

    def pause(self) -> Iterable[Request]:
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:
        """Store the rows of a request in one transaction."""
        rows: _Rows = request.payload
        try:
            if not rows.series.stored:
                self._store_series(rows.series)
            try:
                with self._connections.transaction() as cursor:
                    cursor.adbc_ingest(self._tables.values, rows.values, mode="append")
            except dbapi.IntegrityError as error:
                if error.sqlstate != UNIQUE_VIOLATION:
                    raise
                return self._add_absent(rows.values)
        except dbapi.Error as error:
            raise self._connections.explained(error) from error
        return Delivery(unchanged=0)

    def close(self) -> None:
        self._connections.close()

    def query_hint(self) -> str | None:
        """A query with psql."""
        columns = self._tables.columns.values
        doubles = [name for name, kind in columns.items() if kind == DataType.DOUBLE]
        mean = f", avg({quoted(doubles[0])}) AS mean" if doubles else ""
        query = (
            f"SELECT measure_name, count(*) AS records{mean} "
            f"FROM {quoted(self._tables.name)} GROUP BY 1 ORDER BY 1"
        )
        return f"psql {shlex.quote(self._connections.url)} -c {shlex.quote(query)}"

    def _store_series(self, series: BatchSeries) -> None:
        """Store the series that the table of series does not have yet."""
        rows = series.table()
        with self._connections.transaction() as cursor:
            listed = self._stage(cursor, self._tables.series, rows)
            # In the order of the key, so that two senders never wait for each other.
            cursor.execute(
                f"INSERT INTO {quoted(self._tables.series)} ({listed}) "
                f"SELECT {listed} FROM {_INCOMING} ORDER BY {quoted(SERIES_ID)} "
                f"ON CONFLICT ({quoted(SERIES_ID)}) DO NOTHING"
            )
        series.stored = True

    def _add_absent(self, rows: pa.Table) -> Delivery:
        """Insert the rows that are not in the table; of several with the same key, the first."""
        values = [quoted(name) for name in rows.column_names if name not in (SERIES_ID, TIME)]
        differs = " OR ".join(f"stored.{each} IS DISTINCT FROM incoming.{each}" for each in values)
        placed = rows.append_column(_PLACE, pa.array(np.arange(len(rows))))
        span = pc.min_max(rows[TIME].cast(pa.int64()))
        first, last = iso(span["min"].as_py()), iso(span["max"].as_py())
        target = quoted(self._tables.values)
        with self._connections.transaction() as cursor:
            self._stage(cursor, self._tables.values, placed)
            listed = ", ".join(map(quoted, rows.column_names))
            added = fetched(
                cursor,
                f"WITH added AS (INSERT INTO {target} ({listed}) SELECT {listed} FROM {_INCOMING} "
                f"ORDER BY {self._key}, {_PLACE} ON CONFLICT ({self._key}) DO NOTHING "
                "RETURNING 1) SELECT count(*) AS rows FROM added",
            )
            # The bounds spare other chunks of a hypertable, and the rest of the table.
            found = fetched(
                cursor,
                f"SELECT {_PLACE} AS place FROM {_INCOMING} AS incoming "
                f"JOIN {target} AS stored USING ({self._key}) "
                f"WHERE stored.{quoted(TIME)} BETWEEN '{first}' AND '{last}' AND ({differs}) "
                "ORDER BY 1",
            )
        rejections = tuple(Rejection(place, _EXISTING) for place in found["place"].to_pylist())
        unchanged = len(rows) - added["rows"][0].as_py() - len(rejections)
        return Delivery(rejections, unchanged)

    def _stage(self, cursor: dbapi.Cursor, table: str, rows: pa.Table) -> str:
        """Copy rows into a temporary table with a table's columns; returns them, quoted."""
        cursor.execute(
            f"CREATE TEMP TABLE {_INCOMING} ({_PLACE} bigint, LIKE {quoted(table)}) ON COMMIT DROP"
        )
        cursor.adbc_ingest(_INCOMING, rows, mode="append", temporary=True)
        cursor.execute(f"ANALYZE {_INCOMING}")
        return ", ".join(map(quoted, rows.column_names))
