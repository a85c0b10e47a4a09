"""Writing once: a record that a target has already is not added again.

An index of all records would cost more than writing them. Instead the sink remembers which rows
(series and timestamps) it wrote recently. If the target held nothing at a timestamp when that first
came up, it holds there only what was written since. Only where that does not settle whether a
record is new, the target is queried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from fleetstream.generate.keys import Bits, Booleans, mix
from fleetstream.generate.records import Indices, RecordRange, Records
from fleetstream.generate.schema import TIME
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.columns import quoted
from fleetstream.targets.sink import Rejection

MAX_ROWS = 4_000_000
"""Rows remembered: 32 MB."""

MAX_MERGED_ROWS = 500_000
"""Rows up to which what is remembered is merged: a part of the above, to forget little at once."""

MAX_TIMESTAMPS = 200_000
"""Timestamps remembered at which the target held nothing: 20 MB."""

CACHED_DICTIONARIES = 64
"""Hashed dictionaries kept: a run needs one per dimension."""

_PLACE = "__place"
"""The column with each row's index among those that are to be added."""

_EXISTING = "another value is in the table already"


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The rows of some records: their hashes, sorted, and the range of their timestamps.

    ``first`` and ``last`` are in microseconds, both included. ``all_new`` says that the target
    holds no record of these rows yet, and that none of them occurs twice.
    """

    first: int
    last: int
    hashes: Bits
    all_new: bool


class RecentWrites:
    """Remembers what was written recently, to decide whether records are new.

    ``may_hold`` returns for timestamps (microseconds, ascending) whether the target may hold
    records of them.
    """

    def __init__(self, may_hold: Callable[[Indices], Booleans]) -> None:
        self._may_hold = may_hold
        self._new_timestamps: set[int] = set()
        """Those at which the target held nothing when they first came up."""
        self._written: list[RowKeys] = []
        """The oldest first; recent ones are merged, so there are few even of small requests."""
        self._dictionaries = ArrayCache[tuple[Bits, pa.Array]](CACHED_DICTIONARIES)

    def keys_of(self, ranges: Sequence[RecordRange]) -> RowKeys:
        """The rows of records that are about to be written. There must be at least one record."""
        rows = [(each.records, _distinct_rows(each)) for each in ranges]
        timestamps = np.unique(
            np.concatenate([records.timestamps[places] for records, places in rows])
        )
        hashes = np.concatenate([self._hashes(records)[places] for records, places in rows])
        hashes.sort()
        first, last = int(timestamps[0]), int(timestamps[-1])
        repeated = bool((hashes[1:] == hashes[:-1]).any())
        new = self._are_new(timestamps) and not repeated and not self._wrote(first, last, hashes)
        return RowKeys(first, last, hashes, new)

    def remember(self, keys: RowKeys) -> None:
        """The rows are in the target now."""
        while self._written and len(self._written[-1].hashes) <= 2 * len(keys.hashes):
            if len(self._written[-1].hashes) + len(keys.hashes) > MAX_MERGED_ROWS:
                break
            keys = _merged(self._written.pop(), keys)
        self._written.append(keys)
        while sum(len(each.hashes) for each in self._written) > MAX_ROWS:
            oldest = self._written.pop(0)
            self._new_timestamps = {
                each for each in self._new_timestamps if not oldest.first <= each <= oldest.last
            }

    def _are_new(self, timestamps: Indices) -> bool:
        """Whether the target held nothing at any of these timestamps when they first came up."""
        unseen = np.array(sorted(set(timestamps.tolist()) - self._new_timestamps), np.int64)
        if not len(unseen):
            return True
        held = self._may_hold(unseen)
        if len(self._new_timestamps) + len(unseen) > MAX_TIMESTAMPS:
            self._new_timestamps.clear()
        self._new_timestamps.update(unseen[~held].tolist())
        return not held.any()

    def _wrote(self, first: int, last: int, hashes: Bits) -> bool:
        """Whether one of these rows was written recently."""
        return any(
            _have_common(each.hashes, hashes)
            for each in self._written
            if each.first <= last and first <= each.last
        )

    def _hashes(self, records: Records) -> Bits:
        """A hash of each row's dimensions and timestamp; equal rows have equal hashes."""
        sums = mix(records.timestamps.astype(np.uint64))
        for name in records.dimension_names:
            column = records.dimension(name)
            sums += self._word_hashes(name, column.dictionary)[column.indices.to_numpy()]
        return mix(sums)

    def _word_hashes(self, dimension: str, words: pa.StringArray) -> Bits:
        def make() -> tuple[Bits, pa.Array]:
            hashes = np.array([hash((dimension, word)) for word in words.to_pylist()], np.int64)
            # Mixed, since sums of Python's hashes collide where two dimensions swap their words.
            # The words are kept with their hashes, so no other array can have their address.
            return mix(hashes.view(np.uint64)), words

        return self._dictionaries.get((dimension, address(words)), make)[0]


@dataclass(frozen=True, slots=True)
class Addition:
    """What became of rows: those that are refused, and how many were stored before.

    ``unchanged`` counts the rows that are stored already with the same values.
    """

    rejections: tuple[Rejection, ...]
    unchanged: int


def add_absent(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, key: Sequence[str]
) -> Addition:
    """Add those of ``rows`` to ``table`` whose ``key`` is not in it yet; of several, the first.

    The key includes the time. The table's row is kept where there is one: a row with the same
    values is unchanged, one with other values is rejected.
    """
    names = rows.column_names
    columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    same = " AND ".join(
        f"there.{quoted(name)} IS NOT DISTINCT FROM incoming.{quoted(name)}"
        if name in names
        else f"there.{quoted(name)} IS NULL"
        for name in key
        if name in (*names, *columns)
    )
    differs = " OR ".join(
        f"there.{quoted(name)} IS DISTINCT FROM incoming.{quoted(name)}"
        for name in names
        if name not in key
    )
    listed = ", ".join(quoted(name) for name in key if name in names)
    first, last = time_range(rows)
    # Without these bounds each request would read the whole table.
    there = (
        f"(FROM {table} WHERE {TIME} BETWEEN make_timestamp({first}) AND make_timestamp({last}))"
    )
    connection.register("incoming", rows.append_column(_PLACE, pa.array(np.arange(len(rows)))))
    ((added,),) = connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * EXCLUDE ({_PLACE}) FROM "
        f"(SELECT * FROM incoming ANTI JOIN {there} AS there ON {same}) "
        f"QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY {_PLACE}) = 1"
    ).fetchall()
    found = connection.execute(
        f"SELECT DISTINCT {_PLACE} FROM incoming JOIN {there} AS there ON {same} "
        f"WHERE {differs} ORDER BY {_PLACE}"
    ).fetchall()
    rejections = tuple(Rejection(index, _EXISTING) for (index,) in found)
    return Addition(rejections, len(rows) - added - len(rejections))


def time_range(rows: pa.Table) -> tuple[int, int]:
    """The first and the last timestamp of rows, in microseconds."""
    times = rows[TIME].to_numpy().astype(np.int64)
    return int(times.min()), int(times.max())


def _distinct_rows(part: RecordRange) -> Indices:
    """The rows of a range of records; records of the same row follow each other."""
    rows: Indices = part.records.rows[part.start : part.stop]
    distinct: Indices = rows[np.diff(rows, prepend=-1) != 0]
    return distinct


def _merged(one: RowKeys, other: RowKeys) -> RowKeys:
    """Rows that are known together. A stable sort merges sorted runs in linear time."""
    hashes = np.concatenate([one.hashes, other.hashes])
    hashes.sort(kind="stable")
    first, last = min(one.first, other.first), max(one.last, other.last)
    return RowKeys(first, last, hashes, all_new=False)


def _have_common(ours: Bits, theirs: Bits) -> bool:
    """Whether two sorted arrays share an element."""
    places = np.minimum(np.searchsorted(ours, theirs), len(ours) - 1)
    return bool((ours[places] == theirs).any())
