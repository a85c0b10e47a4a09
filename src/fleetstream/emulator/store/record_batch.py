"""The records of several requests for one table, as columns.

Arrow and NumPy cost about as much for ten records as for a thousand, so the records of all requests
that are stored together are parsed and checked together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.emulator import limits
from fleetstream.emulator.store.pending_records import ColumnTexts, PendingRecords
from fleetstream.emulator.store.value_parsing import parse_values
from fleetstream.emulator.store.values import MAX_TIME, MIN_TIME, STORAGE, ValueType


class RecordBatch:
    """Records as columns, with one entry per record of all requests, in order.

    ``times`` are nanoseconds since 1970. ``values`` has an array per name and type of a column,
    with null where a record has no valid value; TIMESTAMP values are nanoseconds since 1970.
    """

    def __init__(self, requests: Sequence[PendingRecords]) -> None:
        """Parse the records; those with an invalid time, value or size are rejected."""
        self.requests = requests
        lengths = [len(pending.times) for pending in requests]
        self.starts = [0, *accumulate(lengths)]
        self.times = _numbers(pending.times for pending in requests)
        self.versions = _numbers(pending.versions for pending in requests)
        self._sizes = _numbers(pending.sizes for pending in requests)
        self.values: dict[tuple[str, ValueType], pa.Array] = {}
        self._check_times(lengths)
        self._add_values()
        for row in np.flatnonzero(self._sizes > limits.RECORD_BYTES):
            size, most = self._sizes[row], limits.RECORD_BYTES
            self.reject(int(row), f"The record has {size} bytes, more than {most}.")

    def __len__(self) -> int:
        return self.starts[-1]

    def reject(self, row: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a record in its request."""
        owner = int(np.searchsorted(self.starts, row, "right")) - 1
        self.requests[owner].reject(row - self.starts[owner], reason, existing_version)

    def accepted(self) -> npt.NDArray[np.intp]:
        """The rows of the records that have not been rejected."""
        accepted = np.ones(len(self), np.bool_)
        for start, pending in zip(self.starts, self.requests, strict=False):
            for index in pending.rejections:
                accepted[start + index] = False
        return np.flatnonzero(accepted)

    def _check_times(self, lengths: Sequence[int]) -> None:
        """Reject the records outside of their table's time range."""
        earliest = np.repeat([pending.earliest for pending in self.requests], lengths)
        latest = np.repeat([pending.latest for pending in self.requests], lengths)
        for row in np.flatnonzero((self.times < earliest) | (self.times >= latest)):
            writes = self.requests[0].table.magnetic_store.enable_magnetic_store_writes
            self.reject(
                int(row),
                f"The record timestamp is outside the time range [{_iso(int(earliest[row]))},"
                f" {_iso(int(latest[row]))}) of the"
                f" {'data ingestion window' if writes else 'memory store'}.",
            )

    def _add_values(self) -> None:
        """Parse the values of all columns, one type at a time."""
        parts: dict[tuple[str, ValueType], list[tuple[int, ColumnTexts]]] = {}
        for start, pending in zip(self.starts, self.requests, strict=False):
            for key, column in pending.values.items():
                parts.setdefault(key, []).append((start, column))
        for value_type in STORAGE:
            columns = {key: found for key, found in parts.items() if key[1] == value_type}
            if columns:
                self._add_columns(value_type, columns)

    def _add_columns(
        self,
        value_type: ValueType,
        columns: dict[tuple[str, ValueType], list[tuple[int, ColumnTexts]]],
    ) -> None:
        found = chain.from_iterable(columns.values())
        texts = list(chain.from_iterable(column.texts for _, column in found))
        values = parse_values(texts, value_type)
        first = 0
        for key, parts in columns.items():
            count = sum(len(column.texts) for _, column in parts)
            part, first = values.slice(first, count), first + count
            # A record has at most one value of a column, and the parts are in order.
            rows = None if count == len(self) else _rows(parts)
            self._add_sizes(value_type, parts, rows)
            if value_type == "TIMESTAMP":
                part = self._to_nanoseconds(part, _rows(parts))
            if part.null_count:
                self._reject_invalid(key, part, parts)
            if rows is not None:
                spread: npt.NDArray[np.int64] = np.full(len(self), -1)
                spread[rows] = np.arange(count)
                part = part.take(pa.array(spread, mask=spread < 0))
            self.values[key] = part

    def _add_sizes(
        self,
        value_type: ValueType,
        parts: Sequence[tuple[int, ColumnTexts]],
        rows: Sequence[int] | None,
    ) -> None:
        """Add the metered sizes of values to those of their records (guide, "Writes")."""
        sizes = self._sizes if rows is None else self._sizes[rows]
        size = STORAGE[value_type].size
        if size is None:
            sizes += [len(text.encode()) for _, column in parts for text in column.texts]
        else:
            sizes += size
        if rows is not None:
            self._sizes[rows] = sizes

    def _to_nanoseconds(self, numbers: pa.Array, rows: Sequence[int]) -> pa.Array:
        """Values of a TIMESTAMP column; null for one outside of the range of timestamps."""
        units = list(chain.from_iterable(pending.units for pending in self.requests))
        times = [
            None if number is None else number * units[row]
            for number, row in zip(numbers.to_pylist(), rows, strict=True)
        ]
        return pa.array(
            [t if t is not None and MIN_TIME <= t <= MAX_TIME else None for t in times],
            STORAGE["TIMESTAMP"].arrow,
        )

    def _reject_invalid(
        self,
        key: tuple[str, ValueType],
        values: pa.Array,
        parts: Sequence[tuple[int, ColumnTexts]],
    ) -> None:
        """Reject the records whose values of one column are null, that is invalid."""
        rows = _rows(parts)
        texts = [text for _, column in parts for text in column.texts]
        for index in np.flatnonzero(values.is_null()):
            self.reject(
                rows[index],
                f"The value {texts[index][:40]!r} of {key[0]} is not a valid {key[1]}.",
            )


def _numbers(parts: Iterable[list[int]]) -> npt.NDArray[np.int64]:
    return np.array(list(chain.from_iterable(parts)), np.int64)


def _rows(parts: Sequence[tuple[int, ColumnTexts]]) -> list[int]:
    """The rows of a column's values."""
    return [start + row for start, column in parts for row in column.rows]


def _iso(time: int) -> str:
    """A time in nanoseconds since 1970, in the service's notation."""
    moment = datetime.fromtimestamp(time // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time // 1_000_000 % 1_000:03}Z"
