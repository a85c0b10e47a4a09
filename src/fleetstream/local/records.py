"""WriteRecords: from the request's records and common attributes to rows.

Everything that a request alone decides is checked here; what depends on stored data is for
`points`. What the API's reference calls invalid fails the whole request; what exceeds a limit, or
has a time or value that can't be stored, is a rejection of that record alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.local import limits
from fleetstream.local.catalog import Table
from fleetstream.local.errors import ValidationException
from fleetstream.local.requests import MeasureValue, Record, ScalarType, WriteRecords
from fleetstream.local.series import Rejected, Series, identify, measure_names_bytes
from fleetstream.local.sheet import Sheet
from fleetstream.local.values import (
    ARROW_TYPES,
    BYTES,
    LEAST_TIME,
    MOST_TIME,
    typed,
    whole_number,
)

NANOSECONDS = {
    "SECONDS": 1_000_000_000,
    "MILLISECONDS": 1_000_000,
    "MICROSECONDS": 1_000,
    "NANOSECONDS": 1,
}
_TIME_BYTES = 8
_HOUR = 3_600_000_000_000
_NO_ATTRIBUTES = Record()


@dataclass
class _Texts:
    """The values of one column, as the request has them, and the rows they are in."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class _Reading:
    """One request while its records are read, row by row."""

    def __init__(self, request: WriteRecords, table: Table) -> None:
        self.common = request.common_attributes or _NO_ATTRIBUTES
        self.rejected: dict[int, str] = {}
        self.indexes: list[int] = []
        self.series: list[Series] = []
        self.times: list[int] = []
        self.units: list[int] = []
        self.versions: list[int] = []
        self.sizes: list[int] = []
        self.columns: dict[tuple[str, ScalarType], _Texts] = {}
        self.measures: set[tuple[str, str]] = set()
        self.required = [
            key.name
            for key in table.schema.composite_partition_key or ()
            if key.enforcement_in_record == "REQUIRED" and key.name is not None
        ]
        self._known_times: dict[tuple[str | None, str], int] = {}
        for index, record in enumerate(request.records):
            try:
                self._read(index, record)
            except Rejected as reason:
                self.rejected[index] = str(reason)

    def _read(self, index: int, record: Record) -> None:
        common = self.common
        measure_name = record.measure_name or common.measure_name
        if measure_name is None:
            raise ValidationException("A measure name is required for a record.")
        unit = record.time_unit or common.time_unit or "MILLISECONDS"
        time = self._time(record.time or common.time, unit)
        version = record.version if record.version is not None else common.version
        version = 1 if version is None else version
        if version < 1:
            raise ValidationException(f"Version must be 1 or greater, but is {version}.")
        kind = record.measure_value_type or common.measure_value_type or "DOUBLE"
        values = self._values(record, kind)
        series = identify(measure_name, common.dimensions or (), record.dimensions or ())
        self._check_partition(series)
        size = series.size + _TIME_BYTES
        if kind == "MULTI":
            size += measure_names_bytes(tuple([value.name for value in values]))
        row = len(self.indexes)
        self.indexes.append(index)
        self.series.append(series)
        self.times.append(time)
        self.units.append(NANOSECONDS[unit])
        self.versions.append(version)
        self.sizes.append(size)
        self.measures.add((measure_name, kind.lower()))
        columns = self.columns
        for value in values:
            key = (value.name, value.type)
            column = columns.get(key)
            if column is None:
                column = columns[key] = _Texts()
            column.rows.append(row)
            column.texts.append(value.value)

    def _time(self, text: str | None, unit: str) -> int:
        """A record's time in nanoseconds since 1970."""
        known = self._known_times.get((text, unit))
        if known is not None:
            return known
        number = whole_number(text) if text is not None else None
        time = None if number is None else number * NANOSECONDS[unit]
        if time is None or not LEAST_TIME <= time <= MOST_TIME:
            raise ValidationException("Invalid time for record.")
        self._known_times[text, unit] = time
        return time

    def _values(self, record: Record, kind: str) -> Sequence[MeasureValue]:
        """A record's values; that of a single-measure record under the name of its column."""
        common = self.common
        value = record.measure_value if record.measure_value is not None else common.measure_value
        several = (
            record.measure_values if record.measure_values is not None else common.measure_values
        )
        if kind == "MULTI":
            if not several or value is not None:
                raise ValidationException(
                    "A record of type MULTI must have MeasureValues, and no MeasureValue."
                )
            return several
        if kind == "TIMESTAMP":
            raise ValidationException(
                "TIMESTAMP is an invalid measure value type for a single measure; only a value of"
                " a MULTI record can have it."
            )
        if value is None or several:
            raise ValidationException(
                f"A record of type {kind} must have a MeasureValue, and no MeasureValues."
            )
        return (MeasureValue(f"measure_value::{kind.lower()}", value, kind),)  # type: ignore[arg-type]

    def _check_partition(self, series: Series) -> None:
        """Reject a record without the dimension that the table's partition key requires."""
        for name in self.required:
            if all(name != dimension for dimension, _ in series.dimensions):
                raise Rejected(
                    f"The record has no dimension {name}, which the table's partition key requires."
                )


def read(request: WriteRecords, table: Table, now: int) -> Sheet:
    """The rows of a request to write into `table` at the moment `now`, in nanoseconds since 1970.

    Raises:
        ValidationException: the request is invalid as a whole.

    """
    reading = _Reading(request, table)
    rows = len(reading.indexes)
    memory_from = now - table.retention.memory_store_retention_period_in_hours * _HOUR
    sheet = Sheet(
        table=table,
        records=len(request.records),
        indexes=reading.indexes,
        series=reading.series,
        times=np.array(reading.times, np.int64),
        versions=np.array(reading.versions, np.int64),
        values={},
        measures=reading.measures,
        memory_from=memory_from,
        kept=np.ones(rows, np.bool_),
    )
    for index, reason in reading.rejected.items():
        sheet.reject_record(index, reason)
    _check_times(sheet, now)
    sizes = np.array(reading.sizes, np.int64)
    everywhere = list(range(rows))
    for kind in ARROW_TYPES:
        columns = {name: column for (name, of), column in reading.columns.items() if of == kind}
        _add_values(sheet, kind, columns, everywhere, reading.units)
        for column in columns.values():
            sizes[column.rows] += _value_bytes(kind, column.texts)
    sheet.values = {key: sheet.values[key] for key in reading.columns}
    for row in np.flatnonzero(sizes > limits.RECORD_BYTES):
        sheet.reject(
            int(row), f"The record has {sizes[row]} bytes, more than {limits.RECORD_BYTES}."
        )
    return sheet


def _check_times(sheet: Sheet, now: int) -> None:
    """Reject the rows outside the table's time range."""
    earliest, store = sheet.memory_from, "memory store"
    if sheet.table.magnetic_store.enable_magnetic_store_writes:
        store = "data ingestion window"
        days = sheet.table.retention.magnetic_store_retention_period_in_days
        earliest = max(now - days * 24 * _HOUR, LEAST_TIME)
    latest = now + limits.FUTURE_MINUTES * 60 * NANOSECONDS["SECONDS"]
    outside = (sheet.times < earliest) | (sheet.times >= latest)
    for row in np.flatnonzero(outside):
        sheet.reject(
            int(row),
            f"The record timestamp is outside the time range [{_iso(earliest)}, {_iso(latest)})"
            f" of the {store}.",
        )


def _iso(time: int) -> str:
    """A time in nanoseconds since 1970, as the service writes it."""
    moment = datetime.fromtimestamp(time // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time // 1_000_000 % 1_000:03}Z"


def _add_values(
    sheet: Sheet,
    kind: ScalarType,
    columns: dict[str, _Texts],
    everywhere: list[int],
    units: list[int],
) -> None:
    """Type the columns of one kind, all at once, and put them into the sheet."""
    values = typed([text for column in columns.values() for text in column.texts], kind)
    start = 0
    for name, column in columns.items():
        part = values.slice(start, len(column.texts))
        start += len(column.texts)
        if kind == "TIMESTAMP":
            part = _nanoseconds(part, [units[row] for row in column.rows])
        if part.null_count:
            for place in np.flatnonzero(part.is_null()):
                sheet.reject(
                    column.rows[place],
                    f"The value {column.texts[place][:40]!r} of {name} is not a valid {kind}.",
                )
        if column.rows != everywhere:
            spread: npt.NDArray[np.int64] = np.full(len(everywhere), -1)
            spread[column.rows] = np.arange(len(column.rows))
            part = part.take(pa.array(spread, mask=spread < 0))
        sheet.values[name, kind] = part


def _nanoseconds(numbers: pa.Array, units: list[int]) -> pa.Array:
    """Values of TIMESTAMP columns, in their records' units, as nanoseconds; null if too far."""
    times = [
        None if number is None else number * unit
        for number, unit in zip(numbers.to_pylist(), units, strict=True)
    ]
    return pa.array(
        [t if t is not None and LEAST_TIME <= t <= MOST_TIME else None for t in times],
        pa.int64(),
    )


def _value_bytes(kind: ScalarType, texts: list[str]) -> int | list[int]:
    """What values count towards their records' sizes (the guide's metering page)."""
    if kind == "VARCHAR":
        return [len(text.encode()) for text in texts]
    return BYTES[kind]
