"""The columns of a query's result as UNLOAD writes them: as texts for CSV, or typed for Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.quoting import quote_identifier
from fleetstream.emulator.sql import (
    BOOLEAN,
    DATE,
    INTERVALS,
    NUMERIC,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    ArrayType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    TranslatedQuery,
    cast_sql,
    text_type,
)

_TYPED = (*NUMERIC, BOOLEAN, VARCHAR, TIMESTAMP, DATE)
"""Types that Parquet has too."""


@dataclass(frozen=True)
class ResultColumn:
    """A column of the result; ``sql`` reads it from the translated query."""

    name: str
    sql: str
    type: SqlType


def result_columns(query: TranslatedQuery) -> list[ResultColumn]:
    """The columns of a query; those without a name are named by position.

    Raises ValidationException if two have the same name, or a type can't be unloaded.
    """
    columns = [
        ResultColumn(column.name or f"_col{position}", column.sql, column.type)
        for position, column in enumerate(query.columns)
    ]
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise ValidationException(
                f"UNLOAD needs different names of columns, but two are named {column.name};"
                " rename one with AS"
            )
        seen.add(column.name)
        if _has_type(column.type, TIME) or _has_type(column.type, UNKNOWN):
            raise ValidationException(
                f"UNLOAD does not support the type {column.type} of the column {column.name}"
            )
    return columns


def partition_columns(
    columns: Sequence[ResultColumn], names: Sequence[str]
) -> tuple[list[ResultColumn], list[ResultColumn]]:
    """The columns in the files, and those that the files are partitioned by.

    Raises ValidationException for an unknown or repeated name, a type that is not VARCHAR, or if no
    column remains.
    """
    by_name = {column.name.lower(): column for column in columns}
    partitions = []
    for name in names:
        column = by_name.pop(name.lower(), None)
        if column is None:
            raise ValidationException(
                f"The query has no column {name} to partition by, or it is named twice"
            )
        if column.type != VARCHAR:
            raise ValidationException(
                f"The column {name} to partition by has the type {column.type}; cast it to varchar"
            )
        partitions.append(column)
    if not by_name:
        raise ValidationException("UNLOAD needs a column that the result is not partitioned by")
    return list(by_name.values()), partitions


def text_query(query: TranslatedQuery, columns: Sequence[ResultColumn]) -> str:
    """The query with every scalar value as the text that the query API returns."""
    return _select(
        query,
        [cast_sql(column.sql, column.type, text_type(column.type)) for column in columns],
    )


def typed_query(query: TranslatedQuery, columns: Sequence[ResultColumn]) -> str:
    """The query with values of Parquet's types; durations are texts."""
    return _select(query, [_typed(column.sql, column.type) for column in columns])


def _select(query: TranslatedQuery, expressions: Sequence[str]) -> str:
    # Numbers as names, because names are case-insensitive in DuckDB.
    listed = (f"{sql} AS c{position}" for position, sql in enumerate(expressions))
    return f"SELECT {', '.join(listed)} FROM ({query.sql})"


def _typed(sql: str, of: SqlType) -> str:
    """An expression whose rows have the names of their fields."""
    if of in _TYPED:
        return sql
    if of in INTERVALS:
        return cast_sql(sql, of, VARCHAR)
    if isinstance(of, TimeSeriesType):
        return _typed(sql, of.rows)
    if isinstance(of, ArrayType):
        return f"list_transform({sql}, lambda e: {_typed('e', of.element)})"
    assert isinstance(of, RowType)
    fields = ", ".join(
        f"{quote_identifier(name or f'field{number - 1}')} := {_typed(f'r.f{number}', field)}"
        for number, (name, field) in enumerate(of.fields, 1)
    )
    packed = f"CASE WHEN r IS NOT NULL THEN struct_pack({fields}) END"
    # Evaluates `sql` once.
    return f"list_transform([{sql}], lambda r: {packed})[1]"


def _has_type(of: SqlType, searched: ScalarType) -> bool:
    if isinstance(of, TimeSeriesType):
        return _has_type(of.value, searched)
    if isinstance(of, ArrayType):
        return _has_type(of.element, searched)
    if isinstance(of, RowType):
        return any(_has_type(field, searched) for _, field in of.fields)
    return of == searched
