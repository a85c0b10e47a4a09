"""Inserting once: rows that are known to be new are appended, for others the table is asked."""

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from fleetstream.generate.records import Records
from fleetstream.targets.sink import Rejection
from fleetstream.targets.seen import Seen, add_absent


class WrittenOnce:
    """Inserts into one table, over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._seen = Seen(self._holds)

    def insert(self, rows: pa.Table, batches: Iterable[Records]) -> tuple[Rejection, ...]:
        """Add ``rows``, which are the records of ``batches``, in one transaction.

        What is there with the same values stays as it is; what is there with other values is
        rejected. Raises :class:`duckdb.Error` and adds nothing where the database fails.
        """
        look = self._seen.look(batches)
        rejections: tuple[Rejection, ...] = ()
        with self._connection.cursor() as cursor:
            cursor.begin()
            try:
                if look.all_new:
                    cursor.register("incoming", rows)
                    cursor.execute(f"INSERT INTO {self._table} BY NAME SELECT * FROM incoming")
                else:
                    rejections = add_absent(cursor, self._table, rows)
                cursor.commit()
            except duckdb.Error:
                cursor.rollback()
                raise
        self._seen.remember(look)
        return rejections

    def _holds(self, timestamp: int) -> bool:
        """Whether the table has any record at a timestamp."""
        found = self._connection.execute(
            f"SELECT 1 FROM {self._table} WHERE time = make_timestamp(?) LIMIT 1", [timestamp]
        ).fetchone()
        return found is not None
