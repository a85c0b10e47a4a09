"""The measure values of a request, from records to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from fleetstream.emulator.api.shapes import MeasureType, MeasureValueShape, RecordShape
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.pending_records import ColumnTexts
from fleetstream.emulator.store.table_columns import SINGLE_VALUE_PREFIX
from fleetstream.emulator.store.values import ValueType


@dataclass(frozen=True)
class MeasureColumns:
    """The values of a request, by name and type of their columns.

    ``names`` has the names of each record's values: none for a single-measure record. It is empty
    if all records are single-measure records.
    """

    texts: dict[tuple[str, ValueType], ColumnTexts]
    names: list[tuple[str, ...]]


def collect_values(
    records: Sequence[RecordShape], common: RecordShape, types: Sequence[MeasureType]
) -> MeasureColumns:
    """The values of records, with those of the common attributes; ``types`` has one per record.

    Raises ValidationException if a record's value is missing, or does not go with its type.
    """
    single = [
        record.measure_value if record.measure_value is not None else common.measure_value
        for record in records
    ]
    multi = [
        record.measure_values if record.measure_values is not None else common.measure_values
        for record in records
    ]
    for measure_type, value, values in zip(types, single, multi, strict=True):
        _check(measure_type, value, values)
    if "MULTI" not in types:
        return MeasureColumns(_single_values(types, single), [])
    multi_values = [values or () for values in multi]
    return _uniform_columns(multi_values) or _mixed_columns(types, single, multi_values)


def _check(
    measure_type: MeasureType, value: str | None, values: tuple[MeasureValueShape, ...] | None
) -> None:
    if measure_type == "MULTI":
        if not values or value is not None:
            raise ValidationException(
                "A record of type MULTI must have MeasureValues, and no MeasureValue."
            )
    elif measure_type == "TIMESTAMP":
        raise ValidationException(
            "TIMESTAMP is an invalid measure value type for a single measure; only a value of a"
            " MULTI record can have it."
        )
    elif value is None or values:
        raise ValidationException(
            f"A record of type {measure_type} must have a MeasureValue, and no MeasureValues."
        )


def _single_values(
    types: Sequence[MeasureType], values: Sequence[str | None]
) -> dict[tuple[str, ValueType], ColumnTexts]:
    """The columns of single-measure records; multi-measure records are left out."""
    first = types[0]
    if first != "MULTI" and types.count(first) == len(types):
        texts = [value for value in values if value is not None]
        name = f"{SINGLE_VALUE_PREFIX}{first.lower()}"
        return {(name, first): ColumnTexts(list(range(len(texts))), texts)}
    found: dict[tuple[str, ValueType], ColumnTexts] = {}
    for row, (measure_type, value) in enumerate(zip(types, values, strict=True)):
        if value is not None and measure_type != "MULTI":
            name = f"{SINGLE_VALUE_PREFIX}{measure_type.lower()}"
            column = found.setdefault((name, measure_type), ColumnTexts())
            column.rows.append(row)
            column.texts.append(value)
    return found


def _uniform_columns(records: Sequence[tuple[MeasureValueShape, ...]]) -> MeasureColumns | None:
    """The columns of multi-measure records that have the same names and types in the same order.

    Returns None if they differ. Most requests are of this kind, and this is several times faster
    than ``_mixed_columns``.
    """
    count, width = len(records), len(records[0])
    if any(len(values) != width for values in records):
        return None
    values = list(chain.from_iterable(records))
    names, types = [value.name for value in values], [value.type for value in values]
    if names != names[:width] * count or types != types[:width] * count:
        return None
    texts = [value.value for value in values]
    rows = list(range(count))
    columns = {
        (names[column], types[column]): ColumnTexts(rows, texts[column::width])
        for column in range(width)
    }
    return MeasureColumns(columns, [tuple(names[:width])] * count)


def _mixed_columns(
    types: Sequence[MeasureType],
    single: Sequence[str | None],
    multi: Sequence[tuple[MeasureValueShape, ...]],
) -> MeasureColumns:
    columns = _single_values(types, single)
    for row, values in enumerate(multi):
        for value in values:
            column = columns.setdefault((value.name, value.type), ColumnTexts())
            column.rows.append(row)
            column.texts.append(value.value)
    return MeasureColumns(columns, [tuple([value.name for value in values]) for values in multi])
