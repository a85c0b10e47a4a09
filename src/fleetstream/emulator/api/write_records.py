"""WriteRecords: from a request to the columns that are written.

Everything that can be checked without stored data is checked here. What the API reference calls
invalid fails the whole request; a record that exceeds a limit, or whose time or value can't be
stored, is rejected alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.emulator import limits
from fleetstream.emulator.api.dimensions import identify_series, measure_names_size
from fleetstream.emulator.api.measure_values import ColumnTexts, collect_values
from fleetstream.emulator.api.shapes import MeasureType, RecordShape, WriteRecords
from fleetstream.emulator.api.value_parsing import parse_bigint, parse_values
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.catalog import TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords, RecordRejected
from fleetstream.emulator.store.series import SeriesIdentity
from fleetstream.emulator.store.values import MAX_TIME, MIN_TIME, STORAGE, ValueType

NANOSECONDS = {
    "SECONDS": 1_000_000_000,
    "MILLISECONDS": 1_000_000,
    "MICROSECONDS": 1_000,
    "NANOSECONDS": 1,
}
_TIME_SIZE = 8
_HOUR = 3_600_000_000_000
_NO_ATTRIBUTES = RecordShape()


def read_records(request: WriteRecords, table: TableDefinition, now: int) -> PendingRecords:
    """The records of a request; ``now`` is the present time in nanoseconds since 1970.

    Raises ValidationException if the request is invalid.
    """
    records, common = request.records, request.common_attributes or _NO_ATTRIBUTES
    types: list[MeasureType] = [
        record.measure_value_type or common.measure_value_type or "DOUBLE" for record in records
    ]
    units = [
        NANOSECONDS[record.time_unit or common.time_unit or "MILLISECONDS"] for record in records
    ]
    retention = table.retention.memory_store_retention_period_in_hours
    pending = PendingRecords(
        table=table,
        series=[None] * len(records),
        times=_times([record.time or common.time for record in records], units),
        versions=_versions(records, common),
        values={},
        measures=set(),
        memory_store_start=now - retention * _HOUR,
        accepted=np.ones(len(records), np.bool_),
    )
    columns = collect_values(records, common, types)
    sizes = _read_series(pending, request, columns.names)
    pending.measures = {
        (series.measure_name, measure_type)
        for series, measure_type in set(zip(pending.series, types, strict=True))
        if series is not None
    }
    _check_times(pending, now)
    for value_type in STORAGE:
        texts = {name: column for (name, of), column in columns.texts.items() if of == value_type}
        if texts:
            _add_values(pending, value_type, texts, units)
            for column in texts.values():
                _add_sizes(sizes, value_type, column)
    pending.values = {key: pending.values[key] for key in columns.texts}
    for row in np.flatnonzero(sizes > limits.RECORD_BYTES):
        pending.reject(
            int(row), f"The record has {sizes[row]} bytes, more than {limits.RECORD_BYTES}."
        )
    return pending


def _times(texts: list[str | None], units: list[int]) -> npt.NDArray[np.int64]:
    """The records' times, in nanoseconds since 1970."""
    # Most requests have one time, so each distinct time is parsed once.
    parsed = {pair: _time(*pair) for pair in set(zip(texts, units, strict=True))}
    return np.array([parsed[pair] for pair in zip(texts, units, strict=True)], np.int64)


def _time(text: str | None, unit: int) -> int:
    number = parse_bigint(text) if text is not None else None
    if number is None or not MIN_TIME <= number * unit <= MAX_TIME:
        raise ValidationException("Invalid time for record.")
    return number * unit


def _versions(records: tuple[RecordShape, ...], common: RecordShape) -> npt.NDArray[np.int64]:
    default = common.version if common.version is not None else 1
    versions = [r.version if r.version is not None else default for r in records]
    if min(versions) < 1:
        raise ValidationException(f"Version must be 1 or greater, but is {min(versions)}.")
    return np.array(versions, np.int64)


def _read_series(
    pending: PendingRecords, request: WriteRecords, value_names: list[tuple[str, ...]]
) -> npt.NDArray[np.int64]:
    """Set the records' series; returns the records' metered sizes without their values."""
    common = request.common_attributes or _NO_ATTRIBUTES
    common_dimensions = bytes(common.dimensions)
    required = pending.table.schema.required_dimensions
    sizes: list[int] = []
    names: tuple[str, ...] = ()
    names_size = 0
    for row, record in enumerate(request.records):
        measure_name = record.measure_name or common.measure_name
        if measure_name is None:
            raise ValidationException("A measure name is required for a record.")
        try:
            # The records of most requests share one tuple of names.
            if value_names and value_names[row] is not names:
                names_size, names = measure_names_size(value_names[row]), value_names[row]
            series = identify_series(measure_name, common_dimensions, bytes(record.dimensions))
            if required:
                _check_partition(series, required)
        except RecordRejected as reason:
            pending.reject(row, str(reason))
            sizes.append(0)
        else:
            pending.series[row] = series
            sizes.append(_TIME_SIZE + series.size + names_size)
    return np.array(sizes, np.int64)


def _check_partition(series: SeriesIdentity, required: tuple[str, ...]) -> None:
    present = {name for name, _ in series.dimensions}
    for name in required:
        if name not in present:
            raise RecordRejected(
                f"The record has no dimension {name}, which the table's partition key requires."
            )


def _check_times(pending: PendingRecords, now: int) -> None:
    """Reject the records outside the table's time range."""
    earliest, store = pending.memory_store_start, "memory store"
    if pending.table.magnetic_store.enable_magnetic_store_writes:
        store = "data ingestion window"
        days = pending.table.retention.magnetic_store_retention_period_in_days
        earliest = max(now - days * 24 * _HOUR, MIN_TIME)
    latest = now + limits.MAX_FUTURE_MINUTES * 60 * NANOSECONDS["SECONDS"]
    outside = (pending.times < earliest) | (pending.times >= latest)
    for row in np.flatnonzero(outside):
        pending.reject(
            int(row),
            f"The record timestamp is outside the time range [{_iso(earliest)}, {_iso(latest)})"
            f" of the {store}.",
        )


def _iso(time: int) -> str:
    """A time in nanoseconds since 1970, in the service's notation."""
    moment = datetime.fromtimestamp(time // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time // 1_000_000 % 1_000:03}Z"


def _add_values(
    pending: PendingRecords, value_type: ValueType, texts: dict[str, ColumnTexts], units: list[int]
) -> None:
    """Parse all columns of one type together, and add them to ``pending``."""
    every_row = list(range(len(units)))
    values = parse_values([text for column in texts.values() for text in column.texts], value_type)
    start = 0
    for name, column in texts.items():
        part = values.slice(start, len(column.texts))
        start += len(column.texts)
        if value_type == "TIMESTAMP":
            part = _to_nanoseconds(part, [units[row] for row in column.rows])
        if part.null_count:
            for index in np.flatnonzero(part.is_null()):
                pending.reject(
                    column.rows[index],
                    f"The value {column.texts[index][:40]!r} of {name} is not a valid"
                    f" {value_type}.",
                )
        if column.rows != every_row:
            spread: npt.NDArray[np.int64] = np.full(len(every_row), -1)
            spread[column.rows] = np.arange(len(column.rows))
            part = part.take(pa.array(spread, mask=spread < 0))
        pending.values[name, value_type] = part


def _to_nanoseconds(numbers: pa.Array, units: list[int]) -> pa.Array:
    """Values of TIMESTAMP columns as nanoseconds; null if outside the range of timestamps."""
    times = [
        None if number is None else number * unit
        for number, unit in zip(numbers.to_pylist(), units, strict=True)
    ]
    return pa.array(
        [t if t is not None and MIN_TIME <= t <= MAX_TIME else None for t in times],
        STORAGE["TIMESTAMP"].arrow,
    )


def _add_sizes(sizes: npt.NDArray[np.int64], value_type: ValueType, column: ColumnTexts) -> None:
    """Add the metered sizes of values to those of their records (guide, "Writes")."""
    size = STORAGE[value_type].size
    if size is None:
        sizes[column.rows] += [len(text.encode()) for text in column.texts]
    else:
        sizes[column.rows] += size
