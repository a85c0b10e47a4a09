"""The store: one DuckDB database that holds the catalogue and all data.

One thread writes, the store's owner (see `writer`); any number of threads read, each through a
cursor of its own, and see what has been committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from fleetstream.local import layout
from fleetstream.local.catalog import Catalog, Column, Table
from fleetstream.local.errors import ServiceError
from fleetstream.local.points import Points
from fleetstream.local.sheet import Sheet

Result = TypeVar("Result")

# Whatever SQL gets through to DuckDB can reach neither files nor network, nor load extensions, nor
# undo these settings. Spilling is off in memory, where it would leave files in the current folder.
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


class Store:
    """The databases and tables with their data, in a file or in memory."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the store in the file `path`, made if need be; without one, in memory.

        Raises:
            StoreUnusable: the file is no store, is in use, or can't be read and written.

        """
        settings = _SETTINGS if path is not None else _SETTINGS | _IN_MEMORY
        try:
            self._connection = duckdb.connect(str(path or ":memory:"), config=settings)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise StoreUnusable(
                f"{path} can't be used as a store: {reason}. Give the path of a new file, or of one"
                " that `fleetstream serve --store` has made and that nothing else has open."
            ) from error
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS data")
        self.catalog = Catalog(self._connection)
        self._points: dict[int, Points] = {}
        self._shown: dict[int, tuple[tuple[Column, ...], str, str]] = {}
        self._reader = self._connection.cursor()
        self._reader_lock = threading.Lock()
        for table in self.catalog.tables():
            self._load(table)
            self._show(table)

    def close(self) -> None:
        """Close the store; a file then holds everything, without a write-ahead log beside it."""
        self._reader.close()
        self._connection.close()

    def databases(self) -> list[str]:
        """The names of the databases, sorted."""
        return [database.name for database in self.catalog.databases()]

    def tables(self, database: str) -> list[str]:
        """The names of a database's tables, sorted.

        Raises:
            ResourceNotFoundException: there is no such database.

        """
        return [table.name for table in self.catalog.tables(database)]

    def columns(self, database: str, table: str) -> list[Column]:
        """A table's columns, in the order in which Timestream shows them.

        Raises:
            ResourceNotFoundException: there is no such table.

        """
        return list(self._shown[self.catalog.table(database, table).id][0])

    def relation(self, database: str, table: str) -> str:
        """What to put into FROM, before `AS`, to read a table's columns under their names.

        Raises:
            ResourceNotFoundException: there is no such table.

        """
        return self._shown[self.catalog.table(database, table).id][1]

    def measures(self, database: str, table: str) -> list[tuple[str, str, list[str]]]:
        """A table's measure names with a data type and the dimensions they come with.

        A measure name that has come with several types is there once for each.

        Raises:
            ResourceNotFoundException: there is no such table.

        """
        sql = self._shown[self.catalog.table(database, table).id][2]
        with self.cursor() as cursor:
            return cursor.execute(sql).fetchall()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for reading; it sees all writes that were acknowledged."""
        with self._reader_lock:
            return self._reader.cursor()

    def change(self, operation: Callable[[Catalog], Result]) -> Result:
        """Run a change of the catalogue in a transaction.

        Raises:
            ServiceError: the operation is refused; nothing is changed.

        """
        with self._transaction():
            result = operation(self.catalog)
        self.catalog.reload()
        return result

    def create_table(self, table: Table) -> None:
        """Make room for the data of a table that has just been added to the catalogue."""
        layout.create(self._connection, table)
        self._load(table)
        self._show(table)

    def drop_table(self, table: Table) -> None:
        """Remove the data of a table that has just been removed from the catalogue."""
        layout.drop(self._connection, table)
        self._points.pop(table.id, None)

    def write(self, sheets: Sequence[Sheet]) -> None:
        """Store the rows of several requests in one transaction, in order.

        What is refused of them is rejected in the sheets. All is stored when this returns, and
        nothing when it raises.
        """
        by_table: dict[int, list[Sheet]] = {}
        for sheet in sheets:
            by_table.setdefault(sheet.table.id, []).append(sheet)
        with self._transaction():
            for group in by_table.values():
                self._load(group[0].table).store(group)
        for group in by_table.values():
            self._show(group[0].table)

    def _load(self, table: Table) -> Points:
        loaded = self._points.get(table.id)
        if loaded is None:
            loaded = self._points[table.id] = Points(self._connection, self.catalog, table)
        return loaded

    def _show(self, table: Table) -> None:
        """Let readers see the columns that a table has now."""
        shown = self._points[table.id].layout
        self._shown[table.id] = (shown.columns, shown.relation, shown.measures_sql)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException as error:
            self._connection.rollback()
            if not isinstance(error, ServiceError):
                # What is remembered of the tables may be ahead of what is stored now.
                self._points.clear()
            raise
