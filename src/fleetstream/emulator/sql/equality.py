"""Comparisons of two values of the same type, as the service makes them.

They differ from DuckDB's where a value contains NaN or nulls. For DuckDB, NaN is equal to itself
and greater than all other numbers; at the service, every comparison with it is false, and ``<>`` is
true. For DuckDB, rows and arrays with nulls at the same places are equal; at the service, null is
an unknown value in them too.
"""

from __future__ import annotations

from fleetstream.emulator.sql.typed_sql import TypedSql, fill, let
from fleetstream.emulator.sql.types import DOUBLE, ArrayType, RowType, SqlType, as_array

# Each is null if one side is null, as the plain operator.
_DOUBLES = {
    "=": "({0} = {1} AND (NOT isnan({0}) OR {1} IS NULL))",
    "<>": "({0} <> {1} OR (isnan({0}) AND {1} IS NOT NULL))",
    "<": "({0} < {1} AND (NOT isnan({1}) OR {0} IS NULL))",
    "<=": "({0} <= {1} AND (NOT isnan({1}) OR {0} IS NULL))",
    ">": "({0} > {1} AND (NOT isnan({0}) OR {1} IS NULL))",
    ">=": "({0} >= {1} AND (NOT isnan({0}) OR {1} IS NULL))",
}


def compared(operator: str, left: TypedSql, right: TypedSql) -> str:
    """``left operator right``; both must have the same type."""
    of = as_array(left.type)
    if operator in ("=", "<>") and isinstance(of, RowType | ArrayType):
        same = fill(equal(of, "{0}", "{1}"), [left, right])
        return same if operator == "=" else f"(NOT {same})"
    if of == DOUBLE and operator in _DOUBLES and not _is_exact(operator, left, right):
        return fill(_DOUBLES[operator], [left, right])
    return f"({left.sql} {operator} {right.sql})"


def _is_exact(operator: str, left: TypedSql, right: TypedSql) -> bool:
    """Whether DuckDB's own comparison is right, because one side is never NaN."""
    if operator in ("=", "<>"):
        return left.never_nan or right.never_nan
    return (right if operator in ("<", "<=") else left).never_nan


def equal(of: SqlType, left: str, right: str, depth: int = 0) -> str:
    """A template for ``left = right``, values of the type ``of``, that uses both several times."""
    of = as_array(of)
    if of == DOUBLE:
        return _DOUBLES["="].format(left, right)
    if isinstance(of, RowType):
        fields = (
            equal(field, f"({left}).f{number}", f"({right}).f{number}", depth)
            for number, (_, field) in enumerate(of.fields, 1)
        )
        return f"({' AND '.join(fields)})"
    if isinstance(of, ArrayType):
        index = f"i{depth}"
        element = equal(of.element, f"({left})[{index}]", f"({right})[{index}]", depth + 1)
        elements = f"list_transform(range(1, len({left}) + 1), lambda {index}: {element})"
        return (
            f"(CASE WHEN len({left}) <> len({right}) THEN false"
            f" WHEN {right} IS NOT NULL THEN {all_true(elements, f'q{depth}')} END)"
        )
    return f"({left} = {right})"


def all_true(tests: str, name: str = "q") -> str:
    """Whether all of a list of booleans are true; null if one is null, and none is false."""
    return let(
        name,
        tests,
        f"CASE WHEN list_contains({name}, false) THEN false"
        f" WHEN list_count({name}) = len({name}) THEN true END",
    )


def any_true(tests: str, name: str = "q") -> str:
    """Whether one of a list of booleans is true; null if one is null, and none is true."""
    return let(
        name,
        tests,
        f"CASE WHEN list_contains({name}, true) THEN true"
        f" WHEN list_count({name}) = len({name}) THEN false END",
    )
