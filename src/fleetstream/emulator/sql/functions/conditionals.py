"""Conditional functions: the developer guide's page of that name.

IF and TRY have a syntax of their own, and are translated with the expressions.
"""

from __future__ import annotations

from fleetstream.emulator.sql.functions.signatures import FunctionSignature, TypeVariable

_T = TypeVariable("T")


def _null_if_any_null(name: str) -> FunctionSignature:
    """GREATEST or LEAST, which DuckDB computes of the arguments that are not null."""
    template = f"CASE WHEN list_count([{{all}}]) = len([{{all}}]) THEN {name}({{all}}) END"
    return FunctionSignature(name, (_T, _T), _T, template, variadic=True)


FUNCTIONS = (
    FunctionSignature("coalesce", (_T, _T), _T, "coalesce({all})", variadic=True),
    _null_if_any_null("greatest"),
    _null_if_any_null("least"),
    FunctionSignature("nullif", (_T, _T), _T, "nullif({0}, {1})"),
)
