"""Reads the tables of PostgreSQL, and joins values and series here, which moves less data."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from fleetstream.generate.moments import iso
from fleetstream.generate.schema import TIME
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import quoted
from fleetstream.targets.postgresql.connections import Connections, fetched
from fleetstream.targets.postgresql.limits import SERIES_ID
from fleetstream.targets.postgresql.tables import Tables


class PostgreSQLReader:
    """Reads the tables that a :class:`PostgreSQLSink` writes to."""

    slice_values = 1_000_000

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self.name = f"PostgreSQL, {tables.name} in {connections.url}"
        self._connections = connections
        self._tables = tables

    def open(self) -> None:
        """Read the series, and check that the view has the columns of the record model."""
        with self._connections.usable() as cursor:
            self._tables.check(cursor)
            listed = ", ".join(map(quoted, (SERIES_ID, *self._tables.series_columns)))
            series = fetched(cursor, f"SELECT {listed} FROM {quoted(self._tables.series)}")
        self.connection = duckdb.connect()
        self.connection.register("series", series)

    def times_after(self, timestamp: int) -> Sequence[int]:
        with self._connections.usable() as cursor:
            found = fetched(
                cursor,
                f"SELECT DISTINCT {quoted(TIME)} FROM {quoted(self._tables.values)} "
                f"WHERE {quoted(TIME)} > '{iso(timestamp)}' ORDER BY 1",
            )
        times: list[int] = found[TIME].cast(pa.int64()).to_pylist()
        return times

    def held(self, begin: int | None, end: int | None) -> str:
        bounds = []
        if begin is not None:
            bounds.append(f"{quoted(TIME)} >= '{iso(begin)}'")
        if end is not None:
            bounds.append(f"{quoted(TIME)} < '{iso(end)}'")
        names = (SERIES_ID, TIME, *self._tables.value_columns)
        with self._connections.usable() as cursor:
            values = fetched(
                cursor,
                f"SELECT {', '.join(map(quoted, names))} FROM {quoted(self._tables.values)} "
                f"WHERE {' AND '.join(bounds) or 'true'}",
            )
        self.connection.register("stored", values.cast(_without_zones(values.schema)))
        listed = ", ".join(map(quoted, self._tables.columns.all))
        return f"SELECT {listed} FROM stored LEFT JOIN series USING ({quoted(SERIES_ID)})"

    def close(self) -> None:
        self.connection.close()
        self._connections.close()


def _without_zones(schema: pa.Schema) -> pa.Schema:
    """The schema with timestamps as they are generated, which have no time zone."""
    return pa.schema(
        field.with_type(TIMESTAMPS) if pa.types.is_timestamp(field.type) else field
        for field in schema
    )
