"""WriteRecords: from the request's records and common attributes to rows.

Everything that a request alone decides is checked here; what depends on stored data is for
`points`. What the API's reference calls invalid fails the whole request; what exceeds a limit, or
has a time or value that can't be stored, is a rejection of that record alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.local import limits
from fleetstream.local.catalog import Table
from fleetstream.local.columns import Texts, columns
from fleetstream.local.errors import ValidationException
from fleetstream.local.requests import MeasureType, Record, ScalarType, WriteRecords
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


def read(request: WriteRecords, table: Table, now: int) -> Sheet:
    """The rows of a request to write into `table` at the moment `now`, in nanoseconds since 1970.

    Raises:
        ValidationException: the request is invalid as a whole.

    """
    records, common = request.records, request.common_attributes or _NO_ATTRIBUTES
    kinds: list[MeasureType] = [
        record.measure_value_type or common.measure_value_type or "DOUBLE" for record in records
    ]
    units = [
        NANOSECONDS[record.time_unit or common.time_unit or "MILLISECONDS"] for record in records
    ]
    texts = [record.time or common.time for record in records]
    sheet = Sheet(
        table=table,
        series=[None] * len(records),
        times=_times(texts, units),
        versions=_versions(records, common),
        values={},
        measures=set(),
        memory_from=now - table.retention.memory_store_retention_period_in_hours * _HOUR,
        kept=np.ones(len(records), np.bool_),
    )
    values = columns(records, common, kinds)
    sizes = _identify(sheet, request, kinds, values.names)
    _check_times(sheet, now)
    for kind in ARROW_TYPES:
        of_kind = {name: column for (name, of), column in values.texts.items() if of == kind}
        if of_kind:
            _add_values(sheet, kind, of_kind, units)
            for column in of_kind.values():
                _add_sizes(sizes, kind, column)
    sheet.values = {key: sheet.values[key] for key in values.texts}
    for row in np.flatnonzero(sizes > limits.RECORD_BYTES):
        sheet.reject(
            int(row), f"The record has {sizes[row]} bytes, more than {limits.RECORD_BYTES}."
        )
    return sheet


def _times(texts: list[str | None], units: list[int]) -> npt.NDArray[np.int64]:
    """The times of records, in nanoseconds since 1970."""
    # Most requests have one time, so each that occurs is read once.
    known = {pair: _time(*pair) for pair in set(zip(texts, units, strict=True))}
    return np.array([known[pair] for pair in zip(texts, units, strict=True)], np.int64)


def _time(text: str | None, unit: int) -> int:
    number = whole_number(text) if text is not None else None
    if number is None or not LEAST_TIME <= number * unit <= MOST_TIME:
        raise ValidationException("Invalid time for record.")
    return number * unit


def _versions(records: tuple[Record, ...], common: Record) -> npt.NDArray[np.int64]:
    usual = common.version if common.version is not None else 1
    versions = [r.version if r.version is not None else usual for r in records]
    if min(versions) < 1:
        raise ValidationException(f"Version must be 1 or greater, but is {min(versions)}.")
    return np.array(versions, np.int64)


def _identify(
    sheet: Sheet,
    request: WriteRecords,
    kinds: list[MeasureType],
    names: list[tuple[str, ...]],
) -> npt.NDArray[np.int64]:
    """Put the records' series into the sheet; gives the records' sizes without their values."""
    common = request.common_attributes or _NO_ATTRIBUTES
    usual, shared = common.measure_name, bytes(common.dimensions)
    required = _required_dimensions(sheet.table)
    sizes: list[int] = []
    names_before: tuple[str, ...] = ()
    names_bytes = 0
    for row, record in enumerate(request.records):
        measure_name = record.measure_name or usual
        if measure_name is None:
            raise ValidationException("A measure name is required for a record.")
        try:
            if names and names[row] is not names_before:
                names_bytes = measure_names_bytes(names[row])
                names_before = names[row]
            series = identify(measure_name, shared, bytes(record.dimensions))
            if required:
                _check_partition(series, required)
        except Rejected as reason:
            sheet.reject(row, str(reason))
            sizes.append(0)
        else:
            sheet.series[row] = series
            sizes.append(_TIME_BYTES + series.size + names_bytes)
    sheet.measures = {
        (series.measure_name, kind.lower())
        for series, kind in set(zip(sheet.series, kinds, strict=True))
        if series is not None
    }
    return np.array(sizes, np.int64)


def _required_dimensions(table: Table) -> list[str]:
    """The dimensions that the table's partition key requires of every record."""
    return [
        key.name
        for key in table.schema.composite_partition_key or ()
        if key.enforcement_in_record == "REQUIRED" and key.name is not None
    ]


def _check_partition(series: Series, required: list[str]) -> None:
    for name in required:
        if all(name != dimension for dimension, _ in series.dimensions):
            raise Rejected(
                f"The record has no dimension {name}, which the table's partition key requires."
            )


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


def _add_values(sheet: Sheet, kind: ScalarType, texts: dict[str, Texts], units: list[int]) -> None:
    """Type the columns of one kind, all at once, and put them into the sheet."""
    everywhere = list(range(len(units)))
    values = typed([text for column in texts.values() for text in column.texts], kind)
    start = 0
    for name, column in texts.items():
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


def _add_sizes(sizes: npt.NDArray[np.int64], kind: ScalarType, column: Texts) -> None:
    """Add what values count towards their records' sizes (the guide's metering page)."""
    if kind == "VARCHAR":
        sizes[column.rows] += [len(text.encode()) for text in column.texts]
    elif len(column.rows) == len(sizes):
        sizes += BYTES[kind]
    else:
        sizes[column.rows] += BYTES[kind]
