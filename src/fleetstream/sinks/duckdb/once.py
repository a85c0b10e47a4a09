"""Writing once: a record that is in the table already is not added again.

A unique index would cost more than the inserts. Instead it is known, for the timestamps of late,
which series were written at them: a timestamp that was not in the table when it first came up holds
just what this sink wrote since. Records of other series are appended at once; for all others the
table is asked.
"""

from collections.abc import Iterable

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.records import Records
from fleetstream.sinks import Rejection
from fleetstream.sinks.duckdb.layout import KEY_COLUMNS
from fleetstream.sinks.memo import Memo, address

REMEMBERED = 4_000_000
"""Series remembered, over all timestamps: 32 MB."""

CACHED_WORDS = 64
"""Hashed dictionaries kept: a run needs one for each dimension."""

Hashes = npt.NDArray[np.uint64]

_EXISTING = "another value is in the table already"


class WrittenOnce:
    """Inserts into one table, over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._written: dict[int, Hashes] = {}
        self._words = Memo[tuple[Hashes, pa.Array]](CACHED_WORDS)

    def insert(self, rows: pa.Table, batches: Iterable[Records]) -> tuple[Rejection, ...]:
        """Add ``rows``, which are the records of ``batches``, in one transaction.

        What is there with the same values stays as it is; what is there with other values is
        rejected. Raises :class:`duckdb.Error` and adds nothing where the database fails.
        """
        hashes: dict[int, list[Hashes]] = {}
        for records in batches:
            hashes.setdefault(records.timestamp, []).append(self._series_hashes(records))
        new = {timestamp: np.sort(np.concatenate(each)) for timestamp, each in hashes.items()}
        known_to_be_new = all(self._is_new(timestamp, new[timestamp]) for timestamp in new)
        with self._connection.cursor() as cursor:
            cursor.begin()
            try:
                rejections = (
                    self._append(cursor, rows) if known_to_be_new else self._add(cursor, rows)
                )
                cursor.commit()
            except duckdb.Error:
                cursor.rollback()
                raise
        self._remember(new)
        return rejections

    def _is_new(self, timestamp: int, hashes: Hashes) -> bool:
        """Whether none of these series can have a record at ``timestamp`` in the table."""
        if (hashes[1:] == hashes[:-1]).any():
            return False
        if timestamp not in self._written:
            found = self._connection.execute(
                f"SELECT 1 FROM {self._table} WHERE time = make_timestamp(?) LIMIT 1",
                [timestamp],
            ).fetchone()
            if found:
                return False
            self._written[timestamp] = np.empty(0, np.uint64)
        written = self._written[timestamp]
        places = np.searchsorted(written, hashes)
        places[places == len(written)] = 0
        return not (len(written) and (written[places] == hashes).any())

    def _remember(self, new: dict[int, Hashes]) -> None:
        for timestamp, hashes in new.items():
            if timestamp in self._written:
                both = np.concatenate([self._written[timestamp], hashes])
                self._written[timestamp] = np.sort(both, kind="stable")
        while len(self._written) > 1 and sum(map(len, self._written.values())) > REMEMBERED:
            del self._written[next(iter(self._written))]

    def _append(self, cursor: duckdb.DuckDBPyConnection, rows: pa.Table) -> tuple[Rejection, ...]:
        """Add rows that are known to be new."""
        cursor.register("incoming", rows)
        cursor.execute(f"INSERT INTO {self._table} BY NAME SELECT * FROM incoming")
        return ()

    def _add(self, cursor: duckdb.DuckDBPyConnection, rows: pa.Table) -> tuple[Rejection, ...]:
        """Add those rows whose key is not there yet, then find those that differ from what is."""
        place = "__place"
        names = rows.column_names
        keys = [name for name in KEY_COLUMNS if name in names]
        absent = [name for name in KEY_COLUMNS if name not in names]
        same = " AND ".join(
            [f'there."{name}" IS NOT DISTINCT FROM incoming."{name}"' for name in keys]
            + [f'there."{name}" IS NULL' for name in absent]
        )
        differs = " OR ".join(
            f'there."{name}" IS DISTINCT FROM incoming."{name}"'
            for name in names
            if name not in KEY_COLUMNS
        )
        key = ", ".join(f'"{name}"' for name in keys)
        cursor.register("incoming", rows.append_column(place, pa.array(np.arange(len(rows)))))
        cursor.execute(
            f"INSERT INTO {self._table} BY NAME SELECT * EXCLUDE ({place}) FROM "
            f"(SELECT * FROM incoming ANTI JOIN {self._table} AS there ON {same}) "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {place}) = 1"
        )
        found = cursor.execute(
            f"SELECT {place} FROM incoming JOIN {self._table} AS there ON {same} "
            f"WHERE {differs} ORDER BY {place}"
        ).fetchall()
        return tuple(Rejection(index, _EXISTING) for (index,) in found)

    def _series_hashes(self, records: Records) -> Hashes:
        """A 64-bit hash of each row's dimensions; equal dimensions have equal hashes."""
        total = np.zeros(records.batch.num_rows, np.uint64)
        for place, name in enumerate(records.dimension_names, start=1):
            column = records.dimension(name)
            hashes = self._word_hashes(name, column.dictionary)
            # An odd factor for each place keeps two dimensions that swap values apart.
            total += hashes[column.indices.to_numpy()] * np.uint64(2 * place + 1)
        return total

    def _word_hashes(self, dimension: str, words: pa.StringArray) -> Hashes:
        def make() -> tuple[Hashes, pa.Array]:
            hashes = np.array([hash((dimension, word)) for word in words.to_pylist()], np.int64)
            # The words are kept beside their hashes, so that their address stays their own.
            return hashes.view(np.uint64), words

        return self._words.get((dimension, address(words)), make)[0]
