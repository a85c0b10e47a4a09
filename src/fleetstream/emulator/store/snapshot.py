"""Snapshots: consistent copies of a store, made while others write to it and read it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
from pathlib import Path
from typing import BinaryIO

import duckdb

from fleetstream.emulator.errors import InternalServerException, ThrottlingException
from fleetstream.emulator.quoting import quote, quote_identifier

_COPY = "snapshot"


class Snapshots:
    """Makes snapshots of one store, one at a time.

    Attributes:
        folder: The only folder in which the store's DuckDB may use further files. It is among the
            system's temporary files, and exists while a snapshot is made.

    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"fleetstream-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._closed = False

    def make(self, cursor: duckdb.DuckDBPyConnection) -> BinaryIO:
        """A store with everything that was committed when the copy began, as an open file.

        The file has no name any more, and is gone when it is closed. Raises ThrottlingException
        while another snapshot is made, and InternalServerException if it cannot be written.
        """
        if not self._lock.acquire(blocking=False):
            raise ThrottlingException("Another snapshot is being made; try again later.")
        try:
            if self._closed:
                raise InternalServerException("The server is shutting down.")
            self._cursor = cursor
            self.folder.mkdir()
            path = self.folder / "store"
            _copy(cursor, path)
            return path.open("rb")
        except (duckdb.Error, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise InternalServerException(
                f"The snapshot could not be written to {self.folder.parent}: {reason}"
            ) from error
        finally:
            self._cursor = None
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()

    def close(self) -> None:
        """Stop the copy that is being made, if any, and make no more."""
        self._closed = True
        while not self._lock.acquire(timeout=0.1):
            cursor = self._cursor
            if cursor is not None:
                cursor.interrupt()
        self._lock.release()


def _copy(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    (source,) = cursor.execute("SELECT current_database()").fetchall()[0]
    cursor.execute(f"ATTACH {quote(str(path))} AS {_COPY}")
    try:
        # In one transaction, so that all tables are of the same time.
        cursor.begin()
        try:
            cursor.execute(f"COPY FROM DATABASE {quote_identifier(source)} TO {_COPY}")
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise
    finally:
        # Writes everything into the file, which then has no write-ahead log.
        cursor.execute(f"DETACH {_COPY}")
