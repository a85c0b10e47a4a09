"""Timestream's SQL on DuckDB: parsed by a sqlglot dialect, typed, and written as DuckDB's SQL.

``translate`` does all of it. No part of a query's text reaches DuckDB unchanged: every function,
type and relation in the translation comes from the tables of this package, or from the store.
"""

from __future__ import annotations

from fleetstream.emulator.sql.failures import failure_message
from fleetstream.emulator.sql.statements import translate
from fleetstream.emulator.sql.translation import TranslatedStatement
from fleetstream.emulator.sql.types import (
    UNKNOWN,
    VARCHAR,
    ArrayType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    column_info,
)

__all__ = [
    "UNKNOWN",
    "VARCHAR",
    "ArrayType",
    "RowType",
    "ScalarType",
    "SqlType",
    "TimeSeriesType",
    "TranslatedStatement",
    "column_info",
    "failure_message",
    "translate",
]
