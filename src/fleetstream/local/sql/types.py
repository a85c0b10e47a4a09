"""The types of Timestream's query language, and how each is held in DuckDB.

The list is the developer guide's page "Supported data types". Two types have no match in DuckDB
and are held as numbers, because its own INTERVAL counts microseconds: an `interval day to second`
is a BIGINT of nanoseconds, an `interval year to month` a BIGINT of months. A row is a STRUCT whose
fields are named f1, f2, … by place, so that renaming a field costs nothing; a time series is a
list of such rows of (time, value).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Type:
    """Any type of the query language."""

    @property
    def duckdb(self) -> str:
        """The DuckDB type that holds it."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """The `Type` structure of the query API (`ScalarType`, `ArrayColumnInfo` and so on)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scalar(Type):
    """A type without parts; `name` is the one that people write in SQL."""

    name: str
    storage: str

    @property
    def duckdb(self) -> str:
        """The DuckDB type that holds it."""
        return self.storage

    def describe(self) -> dict[str, Any]:
        """The `Type` structure, with the API's `ScalarType` word."""
        return {"ScalarType": self.name.upper().replace(" ", "_")}

    def __str__(self) -> str:
        return self.name


VARCHAR = Scalar("varchar", "VARCHAR")
BOOLEAN = Scalar("boolean", "BOOLEAN")
INTEGER = Scalar("integer", "INTEGER")
BIGINT = Scalar("bigint", "BIGINT")
DOUBLE = Scalar("double", "DOUBLE")
TIMESTAMP = Scalar("timestamp", "TIMESTAMP_NS")
DATE = Scalar("date", "DATE")
TIME = Scalar("time", "TIME_NS")
DAY_TO_SECOND = Scalar("interval day to second", "BIGINT")
YEAR_TO_MONTH = Scalar("interval year to month", "BIGINT")
UNKNOWN = Scalar("unknown", "INTEGER")

NUMERIC = (INTEGER, BIGINT, DOUBLE)
COLUMN_TYPES = {
    "varchar": VARCHAR,
    "double": DOUBLE,
    "bigint": BIGINT,
    "boolean": BOOLEAN,
    "timestamp": TIMESTAMP,
}
"""The types that a stored column can have, by the catalogue's word for them."""


@dataclass(frozen=True)
class Array(Type):
    """An array of elements of one type."""

    element: Type

    @property
    def duckdb(self) -> str:
        """The DuckDB type that holds it."""
        return f"{self.element.duckdb}[]"

    def describe(self) -> dict[str, Any]:
        """The `Type` structure, with the elements' under `ArrayColumnInfo`."""
        return {"ArrayColumnInfo": {"Type": self.element.describe()}}

    def __str__(self) -> str:
        return f"array({self.element})"


@dataclass(frozen=True)
class Row(Type):
    """A row of fields; a field's name is None when it was given none."""

    fields: tuple[tuple[str | None, Type], ...]

    @property
    def duckdb(self) -> str:
        """The DuckDB type that holds it."""
        parts = (f"f{place} {kind.duckdb}" for place, (_, kind) in enumerate(self.fields, 1))
        return f"STRUCT({', '.join(parts)})"

    def describe(self) -> dict[str, Any]:
        """The `Type` structure, with one entry a field under `RowColumnInfo`."""
        return {"RowColumnInfo": [column_info(name, kind) for name, kind in self.fields]}

    def __str__(self) -> str:
        parts = (f"{name} {kind}" if name else str(kind) for name, kind in self.fields)
        return f"row({', '.join(parts)})"


@dataclass(frozen=True)
class TimeSeries(Type):
    """A time series: rows of (time, value), in ascending order of time."""

    value: Type

    @property
    def rows(self) -> Array:
        """The same thing as an array of rows, which is what array functions see."""
        return Array(Row((("time", TIMESTAMP), ("value", self.value))))

    @property
    def duckdb(self) -> str:
        """The DuckDB type that holds it."""
        return self.rows.duckdb

    def describe(self) -> dict[str, Any]:
        """The `Type` structure, with the values' under `TimeSeriesMeasureValueColumnInfo`."""
        return {"TimeSeriesMeasureValueColumnInfo": {"Type": self.value.describe()}}

    def __str__(self) -> str:
        return f"timeseries({self.value})"


def column_info(name: str | None, kind: Type) -> dict[str, Any]:
    """A `ColumnInfo` structure of the query API; a column without a name has no `Name`."""
    return {"Type": kind.describe()} if name is None else {"Name": name, "Type": kind.describe()}


@dataclass(frozen=True)
class Bound:
    """An expression whose meaning is known: DuckDB's text for it, and its type.

    `literal` is the value of a literal (text or number), for functions that need to know it
    beforehand; `decide` is called with the type that the place of a `@parameter` asks for.
    """

    sql: str
    type: Type
    literal: str | int | float | None = None
    decide: Callable[[Type], None] | None = field(default=None, compare=False)


def common_type(kinds: Sequence[Type]) -> Type | None:
    """The narrowest type that all of `kinds` turn into by themselves; None when there is none."""
    result: Type = UNKNOWN
    for kind in kinds:
        joined = _join(result, kind)
        if joined is None:
            return None
        result = joined
    return result


def _join(left: Type, right: Type) -> Type | None:
    if left == right or right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left in NUMERIC and right in NUMERIC:
        return max(left, right, key=NUMERIC.index)
    if {left, right} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    if isinstance(left, Array) and isinstance(right, Array):
        element = _join(left.element, right.element)
        return None if element is None else Array(element)
    if isinstance(left, TimeSeries) and isinstance(right, TimeSeries):
        value = _join(left.value, right.value)
        return None if value is None else TimeSeries(value)
    if isinstance(left, Row) and isinstance(right, Row) and len(left.fields) == len(right.fields):
        return _join_rows(left, right)
    return None


def _join_rows(left: Row, right: Row) -> Row | None:
    fields: list[tuple[str | None, Type]] = []
    for (name, kind), (other_name, other_kind) in zip(left.fields, right.fields, strict=True):
        joined = _join(kind, other_kind)
        if joined is None:
            return None
        fields.append((name if name == other_name else None, joined))
    return Row(tuple(fields))
