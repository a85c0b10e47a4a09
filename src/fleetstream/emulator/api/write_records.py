"""WriteRecords: from a request to the columns that are written.

What the API reference calls invalid fails the whole request; that is checked here. Times, values
and sizes of records are checked when they are stored, together with those of other requests.
"""

from __future__ import annotations

from fleetstream.emulator import limits
from fleetstream.emulator.api.dimensions import identify_series, measure_names_size
from fleetstream.emulator.api.measure_values import collect_values
from fleetstream.emulator.api.shapes import MeasureType, RecordShape, WriteRecords
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.catalog import TableDefinition
from fleetstream.emulator.store.pending_records import PendingRecords, RecordRejected
from fleetstream.emulator.store.series import SeriesIdentity
from fleetstream.emulator.store.value_parsing import parse_bigint
from fleetstream.emulator.store.values import MAX_TIME, MIN_TIME

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
    memory_store_start = now - table.retention.memory_store_retention_period_in_hours * _HOUR
    earliest = memory_store_start
    if table.magnetic_store.enable_magnetic_store_writes:
        days = table.retention.magnetic_store_retention_period_in_days
        earliest = max(now - days * 24 * _HOUR, MIN_TIME)
    columns = collect_values(records, common, types)
    pending = PendingRecords(
        table=table,
        series=[],
        times=_times([record.time or common.time for record in records], units),
        units=units,
        versions=_versions(records, common),
        sizes=[],
        values=columns.texts,
        measures=set(),
        earliest=earliest,
        latest=now + limits.MAX_FUTURE_MINUTES * 60 * NANOSECONDS["SECONDS"],
        memory_store_start=memory_store_start,
    )
    _read_series(pending, request, columns.names)
    pending.measures = {
        (series.measure_name, measure_type)
        for series, measure_type in zip(pending.series, types, strict=True)
        if series is not None
    }
    return pending


def _times(texts: list[str | None], units: list[int]) -> list[int]:
    """The records' times, in nanoseconds since 1970."""
    # Most requests have one time, so each distinct time is parsed once.
    parsed = {pair: _time(*pair) for pair in set(zip(texts, units, strict=True))}
    return [parsed[pair] for pair in zip(texts, units, strict=True)]


def _time(text: str | None, unit: int) -> int:
    number = parse_bigint(text) if text is not None else None
    if number is None or not MIN_TIME <= number * unit <= MAX_TIME:
        raise ValidationException("Invalid time for record.")
    return number * unit


def _versions(records: tuple[RecordShape, ...], common: RecordShape) -> list[int]:
    default = common.version if common.version is not None else 1
    versions = [r.version if r.version is not None else default for r in records]
    if min(versions) < 1:
        raise ValidationException(f"Version must be 1 or greater, but is {min(versions)}.")
    return versions


def _read_series(
    pending: PendingRecords, request: WriteRecords, value_names: list[tuple[str, ...]]
) -> None:
    """Add the records' series, and their metered sizes without their values."""
    common = request.common_attributes or _NO_ATTRIBUTES
    common_dimensions = bytes(common.dimensions)
    required = pending.table.schema.required_dimensions
    names: tuple[str, ...] = ()
    names_size = 0
    for row, record in enumerate(request.records):
        measure_name = record.measure_name or common.measure_name
        if measure_name is None:
            raise ValidationException("A measure name is required for a record.")
        series, size = None, 0
        try:
            # The records of most requests share one tuple of names.
            if value_names and value_names[row] is not names:
                names_size, names = measure_names_size(value_names[row]), value_names[row]
            series = identify_series(measure_name, common_dimensions, bytes(record.dimensions))
            size = _TIME_SIZE + series.size + names_size
            if required:
                _check_partition(series, required)
        except RecordRejected as reason:
            pending.reject(row, str(reason))
        pending.series.append(series)
        pending.sizes.append(size)


def _check_partition(series: SeriesIdentity, required: tuple[str, ...]) -> None:
    present = {name for name, _ in series.dimensions}
    for name in required:
        if name not in present:
            raise RecordRejected(
                f"The record has no dimension {name}, which the table's partition key requires."
            )
