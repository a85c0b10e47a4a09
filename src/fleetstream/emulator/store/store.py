"""The store: one DuckDB database with the catalog and all data.

One thread writes (see ``writer``). Any number of threads read, each through its own cursor, and see
what has been committed. An insert into DuckDB costs about as much for ten rows as for ten thousand,
so a store in memory buffers rows until somebody reads. With a file, they are inserted at once,
because they must be on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from fleetstream.emulator.clock import SettableClock
from fleetstream.emulator.errors import (
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
)
from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sizes import parse_size
from fleetstream.emulator.store.capacity import StoreCapacity
from fleetstream.emulator.store.catalog import Catalog, TableColumn, TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.snapshot import Snapshots
from fleetstream.emulator.store.table_columns import (
    TIME_SQL,
    StoredRelation,
    create_tables,
    drop_tables,
)
from fleetstream.emulator.store.table_data import TableData

Result = TypeVar("Result")

# Even SQL that reached DuckDB unchanged could not use files other than those of snapshots, use the
# network, load extensions or change these settings. In memory, spilling is off: it would write to
# the working directory. The allocator's threads give memory back after a query.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allocator_background_threads": True,
}
_IN_MEMORY: dict[str, str | bool | int | float | list[str]] = {"temp_directory": ""}

BUFFERED_PART = 0.02
"""Buffered rows are inserted when they have this part of the memory limit."""


class StoreUnusable(Exception):
    """The store's file cannot be opened; the message says why."""


class _Buffer(NamedTuple):
    """The rows of a table that have been committed, but not inserted into DuckDB."""

    table: TableDefinition
    rows: tuple[pa.Table, ...]


class TimestreamStore:
    """Databases and tables with their data, in a file or in memory.

    ``memory_limit`` is how many bytes of memory DuckDB may use.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        memory_limit: str = "50%",
        max_size: str | None = None,
    ) -> None:
        """Open or create the file ``path``; None is a store in memory.

        ``memory_limit`` is what DuckDB may use, a size or a percentage of the machine's memory, and
        ``max_size`` is the size of the file's data from which on nothing is added to them.
        Raises StoreUnusable if the file is not a store, is in use, or cannot be read and written.
        """
        self.clock = SettableClock()
        settings = _SETTINGS if path is not None else _SETTINGS | _IN_MEMORY
        settings = settings | {"memory_limit": memory_limit}
        try:
            self._connection = duckdb.connect(str(path or ":memory:"), config=settings)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise StoreUnusable(
                f"{path} cannot be used as a store: {reason}. Give the path of a new file, or of a"
                " store that no other process has open."
            ) from error
        self._snapshots = Snapshots()
        self._connection.execute(
            f"SET allowed_directories = [{quote(str(self._snapshots.folder))}];"
            "SET enable_external_access = false; SET lock_configuration = true;"
            "CREATE SCHEMA IF NOT EXISTS data"
        )
        self.catalog = Catalog(self._connection)
        self._tables: dict[int, TableData] = {}
        self._readable: dict[int, StoredRelation] = {}
        self._earliest: dict[int, int] = {}
        self._buffered = path is None
        self._buffers: dict[int, _Buffer] = {}
        self._lock = threading.Lock()
        self._writing_thread: int | None = None
        self._reader = self._connection.cursor()
        self._reader_lock = threading.Lock()
        row = self._reader.sql("SELECT current_setting('memory_limit')").fetchall()[0]
        self.memory_limit = parse_size(row[0])
        self._capacity = StoreCapacity(
            self._connection,
            path,
            memory_limit=self.memory_limit,
            max_size=parse_size(max_size) if max_size is not None else None,
        )
        for table in self.catalog.tables():
            self._publish(table)

    def close(self) -> None:
        """Close the store; a file then has no write-ahead log beside it."""
        self._snapshots.close()
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

    def relation(self, database: str, table: str, columns: Sequence[str]) -> str:
        """A DuckDB subquery with some of a table's columns, under their names.

        It has no records whose retention has ended. Raises ResourceNotFoundException if the table
        does not exist, or not any more with these columns.
        """
        definition = self.catalog.table(database, table)
        expiry = definition.expiry(self.clock.now())
        try:
            has_expired = self._earliest[definition.id] < expiry
            sql = self._readable[definition.id].sql(columns)
        except LookupError as error:
            raise ResourceNotFoundException(f"The table {table} has been replaced.") from error
        condition = f" WHERE {TIME_SQL} >= make_timestamp_ns({expiry})" if has_expired else ""
        return f"({sql}{condition})"

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
        """A new connection for reading; it sees all acknowledged writes.

        Raises ThrottlingException if there is not enough memory to insert the latest of them.
        """
        if self._buffers and self._writing_thread != threading.get_ident():
            with self._writing():
                self._insert_buffers()
        with self._reader_lock:
            return self._reader.cursor()

    def snapshot(self) -> BinaryIO:
        """A file with a store that has all acknowledged writes, to read once and close.

        Writing and reading go on while it is made. Raises ThrottlingException while another one is
        made, and InternalServerException if there is no room for it.
        """
        with self.cursor() as cursor:
            return self._snapshots.make(cursor)

    def change(self, operation: Callable[[Catalog], Result]) -> Result:
        """Run a change of the catalog in a transaction.

        Raises the ServiceError of the operation; nothing is changed then.
        """
        with self._writing():
            self._insert_buffers()
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
        """Delete the records of a table whose retention has ended, in ``change``."""
        self._data(table).delete_before(table.expiry(self.clock.now()))

    def expire(self, database: str, table: str) -> None:
        """Delete the records of a table whose retention has ended, if the table still exists.

        Raises ThrottlingException if there is not enough memory to insert what is buffered.
        """
        with self._writing():
            self._insert_buffers()
            with suppress(ResourceNotFoundException):
                found = self.catalog.table(database, table)
                with self._transaction():
                    self.delete_expired(found)
                self._publish(found)

    def write(self, requests: Sequence[PendingRecords]) -> None:
        """Store the records of several requests in one transaction, in order.

        Duplicates and records that the table cannot take are rejected in their requests. Everything
        is stored when this returns, and nothing if it raises. Raises InternalServerException if
        there is no room for more data.
        """
        by_table: dict[int, list[PendingRecords]] = {}
        for pending in requests:
            by_table.setdefault(pending.table.id, []).append(pending)
        with self._writing():
            buffered = sum(data.buffered_bytes for data in self._tables.values())
            if buffered > BUFFERED_PART * self.memory_limit:
                # Without enough memory, the rows stay where they are, and the next check counts
                # them.
                with suppress(ThrottlingException):
                    self._insert_buffers()
            self._capacity.check(sum(len(pending.times) for pending in requests), buffered)
            with self._transaction():
                for number, group in by_table.items():
                    data = self._data(group[0].table)
                    data.write(group)
                    # Before the commit, since readers see the records from then on.
                    self._earliest[number] = min(self._earliest[number], data.earliest)
            for number, group in by_table.items():
                self._publish(group[0].table)
                self._note_buffer(number, group[0].table)

    def _note_buffer(self, number: int, table: TableDefinition) -> None:
        """Take note of what a table buffers, after a commit."""
        rows = tuple(self._tables[number].buffer)
        if rows:
            self._buffers[number] = _Buffer(table, rows)
        else:
            self._buffers.pop(number, None)

    def _insert_buffers(self) -> None:
        """Insert what is buffered; if there is not enough memory, it stays in the buffers."""
        if not self._buffers:
            return
        try:
            with self._transaction():
                for table, _ in self._buffers.values():
                    self._data(table).insert_buffer()
        except duckdb.OutOfMemoryException as error:
            raise ThrottlingException(
                "The server has not enough memory at the moment; send the request again."
            ) from error
        self._buffers = {}

    def _find(self, database: str, table: str) -> StoredRelation:
        return self._readable[self.catalog.table(database, table).id]

    def _data(self, table: TableDefinition) -> TableData:
        data = self._tables.get(table.id)
        if data is None:
            buffer = self._buffers[table.id].rows if table.id in self._buffers else ()
            data = TableData(self._connection, self.catalog, table, self._buffered, buffer)
            self._tables[table.id] = data
        return data

    def _publish(self, table: TableDefinition) -> None:
        """Show readers the columns that a table has now, and when its earliest record was."""
        data = self._data(table)
        self._earliest[table.id], columns = data.earliest, data.columns
        readable = self._readable.get(table.id)
        if readable is not None and len(readable.columns) == columns.count:
            # Columns are only ever added.
            return
        self._readable[table.id] = columns.relation()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The right to use the connection that writes."""
        with self._lock:
            self._writing_thread = threading.get_ident()
            try:
                yield
            finally:
                self._writing_thread = None

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
