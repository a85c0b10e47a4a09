"""Writing once: a record that a target has already is not added again.

An index of all records would cost more than writing them. Instead it is known, for the timestamps
of late, which series were written at them: a timestamp at which the target held nothing when it
first came up holds just what was written since. Only where that does not settle it, the target is
asked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.records import Records
from fleetstream.targets.sink import Rejection
from fleetstream.targets.layout import KEY_COLUMNS
from fleetstream.targets.memo import Memo, address

REMEMBERED = 4_000_000
"""Series remembered, over all timestamps: 32 MB."""

CACHED_WORDS = 64
"""Hashed dictionaries kept: a run needs one for each dimension."""

Hashes = npt.NDArray[np.uint64]

_EXISTING = "another value is in the table already"


@dataclass(frozen=True, slots=True)
class Look:
    """A look at some batches: the hashes of their series by timestamp, and whether all are new."""

    hashes: dict[int, Hashes]
    all_new: bool


class Seen:
    """What was written of late; ``held_before`` says whether the target had a timestamp before."""

    def __init__(self, held_before: Callable[[int], bool]) -> None:
        self._held_before = held_before
        self._written: dict[int, Hashes] = {}
        self._words = Memo[tuple[Hashes, pa.Array]](CACHED_WORDS)

    def look(self, batches: Iterable[Records]) -> Look:
        """Whether no record of ``batches`` can be in the target yet, nor twice among them."""
        listed: dict[int, list[Hashes]] = {}
        for records in batches:
            listed.setdefault(records.timestamp, []).append(self._series_hashes(records))
        hashes = {timestamp: np.sort(np.concatenate(each)) for timestamp, each in listed.items()}
        return Look(hashes, all(self._is_new(timestamp, hashes[timestamp]) for timestamp in hashes))

    def remember(self, look: Look) -> None:
        """What was looked at is in the target now."""
        for timestamp, hashes in look.hashes.items():
            if timestamp in self._written:
                both = np.concatenate([self._written[timestamp], hashes])
                self._written[timestamp] = np.sort(both, kind="stable")
        while len(self._written) > 1 and sum(map(len, self._written.values())) > REMEMBERED:
            del self._written[next(iter(self._written))]

    def _is_new(self, timestamp: int, hashes: Hashes) -> bool:
        """Whether none of these series can have a record at ``timestamp``."""
        if (hashes[1:] == hashes[:-1]).any():
            return False
        if timestamp not in self._written:
            if self._held_before(timestamp):
                return False
            self._written[timestamp] = np.empty(0, np.uint64)
        written = self._written[timestamp]
        places = np.searchsorted(written, hashes)
        places[places == len(written)] = 0
        return not (len(written) and (written[places] == hashes).any())

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


def add_absent(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table
) -> tuple[Rejection, ...]:
    """Add those of ``rows`` to ``table`` whose key is not there yet, of several the first.

    What is there with the same values stays as it is; what is there with other values is rejected.
    """
    place = "__place"
    names = rows.column_names
    keys = [name for name in KEY_COLUMNS if name in names]
    absent = [name for name in KEY_COLUMNS if name not in names]
    columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    same = " AND ".join(
        [f'there."{name}" IS NOT DISTINCT FROM incoming."{name}"' for name in keys]
        + [f'there."{name}" IS NULL' for name in absent if name in columns]
    )
    differs = " OR ".join(
        f'there."{name}" IS DISTINCT FROM incoming."{name}"'
        for name in names
        if name not in KEY_COLUMNS
    )
    key = ", ".join(f'"{name}"' for name in keys)
    connection.register("incoming", rows.append_column(place, pa.array(np.arange(len(rows)))))
    connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * EXCLUDE ({place}) FROM "
        f"(SELECT * FROM incoming ANTI JOIN {table} AS there ON {same}) "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {place}) = 1"
    )
    found = connection.execute(
        f"SELECT {place} FROM incoming JOIN {table} AS there ON {same} "
        f"WHERE {differs} ORDER BY {place}"
    ).fetchall()
    return tuple(Rejection(index, _EXISTING) for (index,) in found)
