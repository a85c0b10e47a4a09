"""Conditional functions: the developer guide's page of that name.

IF and TRY have a syntax of their own, and are translated with the expressions.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.emulator.sql.equality import equal
from fleetstream.emulator.sql.functions.signatures import Function, TypeVariable
from fleetstream.emulator.sql.typed_sql import TypedSql

_T = TypeVariable("T")


def _null_if_any_null(name: str) -> Function:
    """GREATEST or LEAST, which DuckDB computes of the arguments that are not null."""
    template = f"CASE WHEN list_count([{{all}}]) = len([{{all}}]) THEN {name}({{all}}) END"
    return Function(name, (_T, _T), _T, template, variadic=True)


def _nullif(arguments: Sequence[TypedSql]) -> str:
    return f"CASE WHEN {equal(arguments[0].type, '{0}', '{1}')} THEN NULL ELSE {{0}} END"


FUNCTIONS = (
    Function("coalesce", (_T, _T), _T, "coalesce({all})", variadic=True),
    _null_if_any_null("greatest"),
    _null_if_any_null("least"),
    Function("nullif", (_T, _T), _T, _nullif),
)
