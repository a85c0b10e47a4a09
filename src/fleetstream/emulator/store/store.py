"""The store: one DuckDB database with the catalog and all data.

One thread writes (see ``writer``). Any number of threads read, each through its own cursor, and see
what has been committed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import duckdb

from fleetstream.emulator.clock import SettableClock
from fleetstream.emulator.errors import ResourceNotFoundException, ServiceError
from fleetstream.emulator.store.catalog import Catalog, TableColumn, TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.table_columns import TIME_SQL, create_tables, drop_tables
from fleetstream.emulator.store.table_data import TableData

Result = TypeVar("Result")

# Even SQL that reached DuckDB unchanged could not read files, use the network, load extensions or
# change these settings. In memory, spilling is off: it would write to the working directory.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "lock_configuration": True,
}
_IN_MEMORY: dict[str, str | bool | int | float | list[str]] = {"temp_directory": ""}


class StoreUnusable(Exception):
    """The store's file can't be opened; the message says why."""


class _ReadableTable(NamedTuple):
    """What readers see of a table, as of the last commit."""

    columns: tuple[TableColumn, ...]
    relation_sql: str
    measures_sql: str


class TimestreamStore:
    """Databases and tables with their data, in a file or in memory."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file ``path``; None is a store in memory.

        Raises StoreUnusable if the file is not a store, is in use, or can't be read and written.
        """
        self.clock = SettableClock()
        settings = _SETTINGS if path is not None else _SETTINGS | _IN_MEMORY
        try:
            self._connection = duckdb.connect(str(path or ":memory:"), config=settings)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise StoreUnusable(
                f"{path} can't be used as a store: {reason}. Give the path of a new file, or of a"
                " store that no other process has open."
            ) from error
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS data")
        self.catalog = Catalog(self._connection)
        self._tables: dict[int, TableData] = {}
        self._readable: dict[int, _ReadableTable] = {}
        self._reader = self._connection.cursor()
        self._reader_lock = threading.Lock()
        for table in self.catalog.tables():
            self._publish(table)

    def close(self) -> None:
        """Close the store; a file then has no write-ahead log beside it."""
        self._reader.close()
        self._connection.close()

    def databases(self) -> list[str]:
        """Names of the databases, sorted."""
        return [database.name for database in self.catalog.databases()]

    def tables(self, database: str) -> list[str]:
        """Names of a database's tables, sorted.

        Raises ResourceNotFoundException if the database does not exist.
        """
        return [table.name for table in self.catalog.tables(database)]

    def columns(self, database: str, table: str) -> Sequence[TableColumn]:
        """A table's columns as queries see them, in Timestream's order.

        Raises ResourceNotFoundException if the table does not exist.
        """
        return self._find(database, table).columns

    def relation(self, database: str, table: str) -> str:
        """A DuckDB subquery with a table's columns under their names.

        It has no records whose retention has ended. Raises ResourceNotFoundException if the table
        does not exist.
        """
        definition = self.catalog.table(database, table)
        earliest = definition.expiry(self.clock.now())
        relation = self._readable[definition.id].relation_sql
        return f"({relation} WHERE {TIME_SQL} >= make_timestamp_ns({earliest}))"

    def now(self) -> int:
        """The time of queries, in nanoseconds since 1970."""
        return self.clock.now()

    def measures(self, database: str, table: str) -> list[tuple[str, str, list[str]]]:
        """A table's measure names and types, with the dimensions that they were written with.

        Raises ResourceNotFoundException if the table does not exist.
        """
        with self.cursor() as cursor:
            return cursor.execute(self._find(database, table).measures_sql).fetchall()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new connection for reading; it sees all acknowledged writes."""
        with self._reader_lock:
            return self._reader.cursor()

    def change(self, operation: Callable[[Catalog], Result]) -> Result:
        """Run a change of the catalog in a transaction.

        Raises the ServiceError of the operation; nothing is changed then.
        """
        with self._transaction():
            result = operation(self.catalog)
        self.catalog.reload()
        return result

    def create_table(self, table: TableDefinition) -> None:
        """Create the data of a table that was added to the catalog, in the same transaction."""
        create_tables(self._connection, table)
        self._publish(table)

    def drop_table(self, table: TableDefinition) -> None:
        """Drop the data of a table that was removed from the catalog, in the same transaction."""
        drop_tables(self._connection, table)
        self._tables.pop(table.id, None)

    def delete_expired(self, table: TableDefinition) -> None:
        """Delete the records of a table whose retention has ended, in a transaction."""
        self._data(table).delete_before(table.expiry(self.clock.now()))

    def expire(self, database: str, table: str) -> None:
        """Delete the records of a table whose retention has ended, if the table still exists."""
        with contextlib.suppress(ResourceNotFoundException), self._transaction():
            self.delete_expired(self.catalog.table(database, table))

    def write(self, requests: Sequence[PendingRecords]) -> None:
        """Store the records of several requests in one transaction, in order.

        Duplicates and records that the table can't take are rejected in their requests. Everything
        is stored when this returns, and nothing if it raises.
        """
        by_table: dict[int, list[PendingRecords]] = {}
        for pending in requests:
            by_table.setdefault(pending.table.id, []).append(pending)
        with self._transaction():
            for group in by_table.values():
                self._data(group[0].table).write(group)
        for group in by_table.values():
            self._publish(group[0].table)

    def _find(self, database: str, table: str) -> _ReadableTable:
        return self._readable[self.catalog.table(database, table).id]

    def _data(self, table: TableDefinition) -> TableData:
        data = self._tables.get(table.id)
        if data is None:
            data = self._tables[table.id] = TableData(self._connection, self.catalog, table)
        return data

    def _publish(self, table: TableDefinition) -> None:
        """Show readers the columns that a table has now."""
        columns = self._data(table).columns
        self._readable[table.id] = _ReadableTable(
            columns.visible, columns.relation_sql, columns.measures_sql
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException as error:
            self._connection.rollback()
            if not isinstance(error, ServiceError):
                # What is cached of the tables may differ from what is stored.
                self._tables.clear()
            raise
