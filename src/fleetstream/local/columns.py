"""Measure values of a request, from one record after the other to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from fleetstream.local.errors import ValidationException
from fleetstream.local.requests import MeasureType, MeasureValue, Record, ScalarType

SINGLE = "measure_value::"
"""What the columns of single-measure values begin with; their type follows."""


@dataclass
class Texts:
    """The values of one column, as the request has them, and the rows they are in."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Columns:
    """The values of a request by the name and type of their columns.

    `names` has, for each record, the names of its values, and nothing for a single-measure record;
    it is empty when all are.
    """

    texts: dict[tuple[str, ScalarType], Texts]
    names: list[tuple[str, ...]]


def columns(records: Sequence[Record], common: Record, kinds: Sequence[MeasureType]) -> Columns:
    """The values of records, with those of the common attributes; `kinds` are their types.

    Raises:
        ValidationException: a record's value or values are missing, or not of its type.

    """
    single = [
        record.measure_value if record.measure_value is not None else common.measure_value
        for record in records
    ]
    multi = [
        record.measure_values if record.measure_values is not None else common.measure_values
        for record in records
    ]
    for kind, value, values in zip(kinds, single, multi, strict=True):
        _check(kind, value, values)
    if "MULTI" not in kinds:
        return Columns(_by_kind(kinds, single), [])
    several = [values or () for values in multi]
    return _uniform(several) or _mixed(kinds, single, several)


def _check(kind: MeasureType, value: str | None, values: tuple[MeasureValue, ...] | None) -> None:
    if kind == "MULTI":
        if not values or value is not None:
            raise ValidationException(
                "A record of type MULTI must have MeasureValues, and no MeasureValue."
            )
    elif kind == "TIMESTAMP":
        raise ValidationException(
            "TIMESTAMP is an invalid measure value type for a single measure; only a value of a"
            " MULTI record can have it."
        )
    elif value is None or values:
        raise ValidationException(
            f"A record of type {kind} must have a MeasureValue, and no MeasureValues."
        )


def _by_kind(
    kinds: Sequence[MeasureType], values: Sequence[str | None]
) -> dict[tuple[str, ScalarType], Texts]:
    """The columns of single-measure values; None, of a multi-measure record, is left out."""
    found: dict[tuple[str, ScalarType], Texts] = {}
    first = kinds[0]
    if first != "MULTI" and kinds.count(first) == len(kinds):
        texts = [value for value in values if value is not None]
        return {(f"{SINGLE}{first.lower()}", first): Texts(list(range(len(texts))), texts)}
    for row, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        if value is not None and kind != "MULTI":
            column = found.setdefault((f"{SINGLE}{kind.lower()}", kind), Texts())
            column.rows.append(row)
            column.texts.append(value)
    return found


def _uniform(several: Sequence[tuple[MeasureValue, ...]]) -> Columns | None:
    """The columns of multi-measure records that all have the same, in the same order, or None.

    That is what programs send, and it is several times faster than looking at each value.
    """
    count, width = len(several), len(several[0])
    if any(len(values) != width for values in several):
        return None
    every = list(chain.from_iterable(several))
    names, types = [value.name for value in every], [value.type for value in every]
    if names != names[:width] * count or types != types[:width] * count:
        return None
    texts = [value.value for value in every]
    rows = list(range(count))
    found = {
        (names[place], types[place]): Texts(rows, texts[place::width]) for place in range(width)
    }
    return Columns(found, [tuple(names[:width])] * count)


def _mixed(
    kinds: Sequence[MeasureType],
    single: Sequence[str | None],
    several: Sequence[tuple[MeasureValue, ...]],
) -> Columns:
    """The columns of any records."""
    found = _by_kind(kinds, single)
    for row, values in enumerate(several):
        for value in values:
            column = found.setdefault((value.name, value.type), Texts())
            column.rows.append(row)
            column.texts.append(value.value)
    return Columns(found, [tuple([value.name for value in values]) for values in several])
