"""Whether there is room for more data: in memory, in the store's file, and on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from fleetstream.emulator.errors import InternalServerException
from fleetstream.emulator.sizes import write_size

RESERVED_BYTES = 64 * 2**20
"""Free space that is left on the disk: DuckDB gives up a database when it cannot write its log."""

MEMORY_SHARE = 0.8
"""The part of DuckDB's memory that data in memory may fill; queries and deleting need the rest."""
CHECKED_RECORDS = 1_000
"""How many records may be stored before the memory is looked at again; they have at most 2 MB."""
_TABLE_MEMORY_SQL = (
    "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()"
    " WHERE tag IN ('BASE_TABLE', 'IN_MEMORY_TABLE')"
)


class StoreCapacity:
    """The room for more data: in a file up to a size, in memory up to a part of DuckDB's limit."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path | None,
        *,
        memory_limit: int,
        max_size: int | None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._log = path.with_name(f"{path.name}.wal") if path is not None else None
        self._memory_limit = memory_limit
        self._max_size = max_size
        self._unchecked_records = CHECKED_RECORDS

    def check(self, records: int, buffered_bytes: int) -> None:
        """Raise InternalServerException if there is no room for so many records.

        ``buffered_bytes`` are those that are not in DuckDB yet. Used by the writer thread only.
        """
        if self._path is None:
            self._check_memory(records, buffered_bytes)
        else:
            self._check_disk(self._path)

    def _check_memory(self, records: int, buffered_bytes: int) -> None:
        self._unchecked_records += records
        if self._unchecked_records < CHECKED_RECORDS:
            return
        row = self._connection.sql(_TABLE_MEMORY_SQL).fetchall()[0]
        used = row[0] + buffered_bytes
        if used > MEMORY_SHARE * self._memory_limit:
            raise InternalServerException(
                "The records were not stored, because the data have reached the server's memory"
                f" limit: they have {write_size(used)} of {write_size(self._memory_limit)}."
                " Delete tables, or start the server with a larger --memory-limit or with --store."
            )
        self._unchecked_records = 0

    def _check_disk(self, path: Path) -> None:
        free = shutil.disk_usage(path.parent).free
        if free < RESERVED_BYTES:
            raise InternalServerException(
                f"The records were not stored, because the disk of {path} is full: it has"
                f" {write_size(free)} left. Delete other files."
            )
        if self._max_size is None or self._file_size() < self._max_size:
            return
        if self._used_bytes() >= self._max_size:
            raise InternalServerException(
                f"The records were not stored, because the data in {path} have reached the"
                f" maximum size of {write_size(self._max_size)}. Delete tables, or start the"
                " server with a larger --max-store-size."
            )

    def _file_size(self) -> int:
        """Bytes of the files; they keep the space of deleted data for later data."""
        return sum(
            path.stat().st_size for path in (self._path, self._log) if path and path.exists()
        )

    def _used_bytes(self) -> int:
        """Bytes in use, after what is in the log has been moved into the file."""
        self._connection.execute("CHECKPOINT")
        row = self._connection.sql(
            "SELECT used_blocks * block_size FROM pragma_database_size()"
        ).fetchall()[0]
        used: int = row[0]
        return used
