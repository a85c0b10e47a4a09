"""The types of Timestream's query language, and the DuckDB types that hold their values.

The types are those of the developer guide's page "Supported data types". Intervals are held as
numbers, because DuckDB's INTERVAL counts microseconds: an ``interval day to second`` is a BIGINT of
nanoseconds, an ``interval year to month`` a BIGINT of months. A row is a STRUCT with fields f1, f2,
… by position, so that renaming a field needs no conversion. A time series is a list of rows of
(time, value).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class SqlType(ABC):
    """A type of the query language; its text is the type's name in SQL."""

    @property
    @abstractmethod
    def duckdb(self) -> str:
        """The DuckDB type that holds the values."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The query API's ``Type`` structure."""


@dataclass(frozen=True)
class ScalarType(SqlType):
    """A type without parts."""

    name: str
    storage: str

    @property
    def duckdb(self) -> str:
        return self.storage

    def describe(self) -> dict[str, Any]:
        return {"ScalarType": self.name.upper().replace(" ", "_")}

    def __str__(self) -> str:
        return self.name


VARCHAR = ScalarType("varchar", "VARCHAR")
BOOLEAN = ScalarType("boolean", "BOOLEAN")
INTEGER = ScalarType("integer", "INTEGER")
BIGINT = ScalarType("bigint", "BIGINT")
DOUBLE = ScalarType("double", "DOUBLE")
TIMESTAMP = ScalarType("timestamp", "TIMESTAMP_NS")
DATE = ScalarType("date", "DATE")
TIME = ScalarType("time", "TIME_NS")
DAY_TO_SECOND = ScalarType("interval day to second", "BIGINT")
YEAR_TO_MONTH = ScalarType("interval year to month", "BIGINT")
UNKNOWN = ScalarType("unknown", "INTEGER")
"""The type of NULL and of parameters."""

INTEGERS = (INTEGER, BIGINT)
NUMERIC = (*INTEGERS, DOUBLE)
"""Numeric types; each converts implicitly to those after it."""
INTERVALS = (DAY_TO_SECOND, YEAR_TO_MONTH)
COLUMN_TYPES = {kind.name.upper(): kind for kind in (VARCHAR, DOUBLE, BIGINT, BOOLEAN, TIMESTAMP)}
"""The types of stored columns, by their names in the store."""


@dataclass(frozen=True)
class ArrayType(SqlType):
    """An array."""

    element: SqlType

    @property
    def duckdb(self) -> str:
        return f"{self.element.duckdb}[]"

    def describe(self) -> dict[str, Any]:
        return {"ArrayColumnInfo": {"Type": self.element.describe()}}

    def __str__(self) -> str:
        return f"array({self.element})"


@dataclass(frozen=True)
class RowType(SqlType):
    """A row; the name of a field is None if it has none."""

    fields: tuple[tuple[str | None, SqlType], ...]

    @property
    def duckdb(self) -> str:
        parts = (f"f{number} {of.duckdb}" for number, (_, of) in enumerate(self.fields, 1))
        return f"STRUCT({', '.join(parts)})"

    def describe(self) -> dict[str, Any]:
        return {"RowColumnInfo": [column_info(name, of) for name, of in self.fields]}

    def __str__(self) -> str:
        parts = (f"{name} {of}" if name else str(of) for name, of in self.fields)
        return f"row({', '.join(parts)})"


@dataclass(frozen=True)
class TimeSeriesType(SqlType):
    """A time series: rows of (time, value), sorted by time."""

    value: SqlType

    @property
    def rows(self) -> ArrayType:
        """The type of the same data as an array of rows."""
        return ArrayType(RowType((("time", TIMESTAMP), ("value", self.value))))

    @property
    def duckdb(self) -> str:
        return self.rows.duckdb

    def describe(self) -> dict[str, Any]:
        return {"TimeSeriesMeasureValueColumnInfo": {"Type": self.value.describe()}}

    def __str__(self) -> str:
        return f"timeseries({self.value})"


def as_array(of: SqlType) -> SqlType:
    """The array type of a time series; any other type unchanged."""
    return of.rows if isinstance(of, TimeSeriesType) else of


def column_info(name: str | None, of: SqlType) -> dict[str, Any]:
    """The query API's ``ColumnInfo`` structure; an unnamed column has no ``Name``."""
    return {"Type": of.describe()} if name is None else {"Name": name, "Type": of.describe()}


def result_type(of: SqlType) -> SqlType:
    """The type in which a column of a result leaves DuckDB: its own if it is a number, or text.

    ``result_texts`` makes texts of numbers.
    """
    return of if of in (DOUBLE, *INTEGERS) else text_type(of)


def text_type(of: SqlType) -> SqlType:
    """The type with VARCHAR in place of every scalar type: the form in which results are sent."""
    if isinstance(of, TimeSeriesType):
        return text_type(of.rows)
    if isinstance(of, ArrayType):
        return ArrayType(text_type(of.element))
    if isinstance(of, RowType):
        return RowType(tuple((name, text_type(field)) for name, field in of.fields))
    return VARCHAR


def common_type(types: Sequence[SqlType]) -> SqlType | None:
    """The narrowest type that all ``types`` convert to implicitly; None if there is none."""
    result: SqlType = UNKNOWN
    for of in types:
        common = _common_type(result, of)
        if common is None:
            return None
        result = common
    return result


def _common_type(left: SqlType, right: SqlType) -> SqlType | None:
    if left == right or right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left in NUMERIC and right in NUMERIC:
        return max(left, right, key=NUMERIC.index)
    if {left, right} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    if isinstance(left, ArrayType) and isinstance(right, ArrayType):
        element = _common_type(left.element, right.element)
        return None if element is None else ArrayType(element)
    if isinstance(left, TimeSeriesType) and isinstance(right, TimeSeriesType):
        value = _common_type(left.value, right.value)
        return None if value is None else TimeSeriesType(value)
    if isinstance(left, RowType) and isinstance(right, RowType):
        return _common_row(left, right)
    return None


def _common_row(left: RowType, right: RowType) -> RowType | None:
    if len(left.fields) != len(right.fields):
        return None
    fields: list[tuple[str | None, SqlType]] = []
    for (name, of), (other_name, other) in zip(left.fields, right.fields, strict=True):
        common = _common_type(of, other)
        if common is None:
            return None
        fields.append((name if name == other_name else None, common))
    return RowType(tuple(fields))
