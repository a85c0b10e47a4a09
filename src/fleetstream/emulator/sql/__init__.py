"""Timestream's SQL on DuckDB: parsed by a sqlglot dialect, typed, and written as DuckDB's SQL.

``translate`` does all of it. No part of a query's text reaches DuckDB unchanged: every function,
type and relation in the translation comes from the tables of this package, or from the store.
"""

from __future__ import annotations

from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.dialect import TimestreamDialect
from fleetstream.emulator.sql.errors import token_column
from fleetstream.emulator.sql.failures import failure_message
from fleetstream.emulator.sql.result_texts import as_texts
from fleetstream.emulator.sql.statements import translate, translate_query
from fleetstream.emulator.sql.translation import (
    CatalogReader,
    QueryColumn,
    TimeRange,
    TranslatedQuery,
    TranslatedStatement,
)
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    INTEGERS,
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
    column_info,
    text_type,
)

__all__ = [
    "BIGINT",
    "BOOLEAN",
    "DATE",
    "INTEGERS",
    "INTERVALS",
    "NUMERIC",
    "TIME",
    "TIMESTAMP",
    "UNKNOWN",
    "VARCHAR",
    "ArrayType",
    "CatalogReader",
    "QueryColumn",
    "RowType",
    "ScalarType",
    "SqlType",
    "TimeRange",
    "TimeSeriesType",
    "TimestreamDialect",
    "TranslatedQuery",
    "TranslatedStatement",
    "as_texts",
    "cast_sql",
    "column_info",
    "failure_message",
    "text_type",
    "token_column",
    "translate",
    "translate_query",
]
