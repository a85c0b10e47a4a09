"""Timestream's SQL on DuckDB: parsed by a sqlglot dialect, typed, and written out anew.

`translate` is all of it. Nothing of a query's text reaches DuckDB as it is: every function, type
and relation in what it gives comes from the tables of this package or from the store.
"""

from __future__ import annotations

from fleetstream.local.sql.rows import RowTexts
from fleetstream.local.sql.scope import Field, Tables
from fleetstream.local.sql.statements import Statement, translate
from fleetstream.local.sql.types import UNKNOWN, Type, column_info

__all__ = [
    "UNKNOWN",
    "Field",
    "RowTexts",
    "Statement",
    "Tables",
    "Type",
    "column_info",
    "translate",
]
