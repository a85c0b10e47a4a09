"""Writing once: a record that a target has already is not added again.

An index of all records would cost more than writing them. Instead the sink remembers which cells
(series and timestamps) it wrote lately. A timestamp at which the target held nothing when it first
came up holds just what was written since. Only where that does not decide it, the target is
queried.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.keys import Bits, mix
from fleetstream.generate.records import Indices, Records
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.sink import Rejection

MAX_REMEMBERED = 4_000_000
"""Rows remembered: 32 MB."""

MAX_TIMESTAMPS = 200_000
"""Timestamps remembered at which the target held nothing."""

CACHED_DICTIONARIES = 64
"""Hashed dictionaries kept: a run needs one per dimension."""

_EXISTING = "another value is in the table already"


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The rows of some batches: ``first`` and ``last`` timestamp (microseconds), sorted hashes.

    ``all_new`` says that none of them is in the target yet, and none occurs twice.
    """

    first: int
    last: int
    hashes: Bits
    all_new: bool


class RecentWrites:
    """What was written lately.

    ``held_before`` returns which timestamps between two, both included, the target holds records
    of (microseconds).
    """

    def __init__(self, held_before: Callable[[int, int], Iterable[int]]) -> None:
        self._held_before = held_before
        self._known_new: set[int] = set()
        """Timestamps that the target held no records of when they first came up."""
        self._written: deque[RowKeys] = deque()
        self._words = ArrayCache[tuple[Bits, pa.Array]](CACHED_DICTIONARIES)

    def keys_of(self, batches: Iterable[Records]) -> RowKeys:
        """The rows of batches that are about to be written."""
        listed = list(batches)
        stamps = np.concatenate([each.timestamps[each.rows] for each in listed])
        rows = np.concatenate([self._row_hashes(each)[each.rows] for each in listed])
        # Single-measure records of a row follow each other; each row counts once.
        starts = np.concatenate([_row_starts(each.rows) for each in listed])
        hashes = np.sort(rows[starts])
        first, last = int(stamps.min()), int(stamps.max())
        repeated = bool((hashes[1:] == hashes[:-1]).any())
        new = (
            not repeated
            and self._times_are_new(stamps)
            and not self._were_written(first, last, hashes)
        )
        return RowKeys(first, last, hashes, new)

    def remember(self, keys: RowKeys) -> None:
        """The rows are in the target now."""
        self._written.append(keys)
        while sum(len(each.hashes) for each in self._written) > MAX_REMEMBERED:
            self._forget(self._written.popleft())

    def _forget(self, keys: RowKeys) -> None:
        self._known_new = {each for each in self._known_new if not keys.first <= each <= keys.last}

    def _times_are_new(self, stamps: Indices) -> bool:
        """Whether the target held no records of any of these timestamps at first."""
        unseen = set(np.unique(stamps).tolist()) - self._known_new
        if not unseen:
            return True
        held = unseen.intersection(self._held_before(min(unseen), max(unseen)))
        if len(self._known_new) > MAX_TIMESTAMPS:
            self._known_new.clear()
        self._known_new |= unseen - held
        return not held

    def _were_written(self, first: int, last: int, hashes: Bits) -> bool:
        """Whether one of these rows is among those written lately."""
        return any(
            _have_common(each.hashes, hashes)
            for each in self._written
            if each.first <= last and first <= each.last
        )

    def _row_hashes(self, records: Records) -> Bits:
        """A hash of each row's dimensions and timestamp; equal rows have equal hashes."""
        total = mix(records.timestamps.astype(np.uint64))
        for place, name in enumerate(records.dimension_names, start=1):
            column = records.dimension(name)
            hashes = self._word_hashes(name, column.dictionary)
            # An odd factor per place distinguishes two dimensions that swap values.
            total += hashes[column.indices.to_numpy()] * np.uint64(2 * place + 1)
        return mix(total)

    def _word_hashes(self, dimension: str, words: pa.StringArray) -> Bits:
        def make() -> tuple[Bits, pa.Array]:
            hashes = np.array([hash((dimension, word)) for word in words.to_pylist()], np.int64)
            # The words are kept beside their hashes, so that their address stays their own.
            return hashes.view(np.uint64), words

        return self._words.get((dimension, address(words)), make)[0]


@dataclass(frozen=True, slots=True)
class Addition:
    """What became of rows: those refused, and how many were there already with the same values."""

    rejections: tuple[Rejection, ...]
    unchanged: int


def add_absent(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, key: Sequence[str]
) -> Addition:
    """Add those of ``rows`` to ``table`` whose ``key`` is not there yet; of several, the first.

    A row that is there with the same values stays as it is; one that is there with other values is
    rejected.
    """
    place = "__place"
    names = rows.column_names
    columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    same = " AND ".join(
        [f'there."{name}" IS NOT DISTINCT FROM incoming."{name}"' for name in key if name in names]
        + [f'there."{name}" IS NULL' for name in key if name not in names and name in columns]
    )
    differs = " OR ".join(
        f'there."{name}" IS DISTINCT FROM incoming."{name}"' for name in names if name not in key
    )
    listed = ", ".join(f'"{name}"' for name in key if name in names)
    connection.register("incoming", rows.append_column(place, pa.array(np.arange(len(rows)))))
    added = connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * EXCLUDE ({place}) FROM "
        f"(SELECT * FROM incoming ANTI JOIN {table} AS there ON {same}) "
        f"QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY {place}) = 1"
    ).fetchall()
    found = connection.execute(
        f"SELECT {place} FROM incoming JOIN {table} AS there ON {same} "
        f"WHERE {differs} ORDER BY {place}"
    ).fetchall()
    rejections = tuple(Rejection(index, _EXISTING) for (index,) in found)
    return Addition(rejections, len(rows) - added[0][0] - len(rejections))


def _have_common(ours: Bits, theirs: Bits) -> bool:
    """Whether two sorted arrays share an element."""
    places = np.minimum(np.searchsorted(ours, theirs), len(ours) - 1)
    return bool((ours[places] == theirs).any())


def _row_starts(rows: Indices) -> npt.NDArray[np.bool_]:
    """Which records are the first of their row."""
    starts: npt.NDArray[np.bool_] = np.diff(rows, prepend=-1) != 0
    return starts
