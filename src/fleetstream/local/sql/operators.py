"""Operators: arithmetic on numbers, instants and durations, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from fleetstream.local.sql.conversion import cast_literal, coerce
from fleetstream.local.sql.time_functions import (
    add_months,
    add_nanoseconds,
    nanoseconds,
)
from fleetstream.local.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    NUMERIC,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    YEAR_TO_MONTH,
    Bound,
    Type,
    common_type,
)

ARITHMETIC: Mapping[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
MOMENTS = (DATE, TIMESTAMP)
INTERVALS = (DAY_TO_SECOND, YEAR_TO_MONTH)


def arithmetic(operator: str, left: Bound, right: Bound) -> Bound | None:
    """`left operator right` for one of + - * / %; None when the types don't go together."""
    if left.type == UNKNOWN and right.type in (*NUMERIC, *INTERVALS):
        left = coerce(left, right.type)
    if right.type == UNKNOWN and left.type in (*NUMERIC, *INTERVALS):
        right = coerce(right, left.type)
    if left.type in NUMERIC and right.type in NUMERIC:
        return _of_numbers(operator, left, right)
    if left.type in MOMENTS and right.type in INTERVALS and operator in "+-":
        return _shifted(left, operator, right)
    if operator == "+" and left.type in INTERVALS and right.type in MOMENTS:
        return _shifted(right, "+", left)
    if operator == "-" and left.type in MOMENTS and right.type in MOMENTS:
        return Bound(f"({nanoseconds(left)} - {nanoseconds(right)})", DAY_TO_SECOND)
    return _of_intervals(operator, left, right)


def _of_numbers(operator: str, left: Bound, right: Bound) -> Bound | None:
    kind = common_type((left.type, right.type))
    if kind is None:
        return None
    # Whole numbers divide to a whole number; DuckDB's own / would not.
    symbol = "//" if operator == "/" and kind != DOUBLE else operator
    return Bound(f"({coerce(left, kind).sql} {symbol} {coerce(right, kind).sql})", kind)


def _shifted(moment: Bound, operator: str, interval: Bound) -> Bound:
    count = interval.sql if operator == "+" else f"(-{interval.sql})"
    add = add_months if interval.type == YEAR_TO_MONTH else add_nanoseconds
    return Bound(add(moment, count), moment.type)


def _of_intervals(operator: str, left: Bound, right: Bound) -> Bound | None:
    if left.type in INTERVALS and left.type == right.type and operator in "+-":
        return Bound(f"({left.sql} {operator} {right.sql})", left.type)
    if operator == "*" and left.type in NUMERIC and right.type in INTERVALS:
        left, right = right, left
    if left.type not in INTERVALS or right.type not in NUMERIC or operator not in "*/":
        return None
    if right.type == DOUBLE:
        return Bound(f"CAST(round({left.sql} {operator} {right.sql}) AS BIGINT)", left.type)
    symbol = "//" if operator == "/" else "*"
    return Bound(f"({left.sql} {symbol} {coerce(right, BIGINT).sql})", left.type)


def alike(*values: Bound) -> list[Bound] | None:
    """The values turned into one type that they can be compared in; None when there is none.

    Text that is written out is read as a timestamp, a date or a time beside one of these.
    """
    kinds = [value.type for value in values]
    kind = common_type([k for v, k in zip(values, kinds, strict=True) if not _is_text(v)])
    if kind in (TIMESTAMP, DATE, TIME):
        return [_as_moment(value, kind) for value in values]
    kind = common_type(kinds)
    return None if kind is None else [coerce(value, kind) for value in values]


def _is_text(value: Bound) -> bool:
    return value.type == VARCHAR and isinstance(value.literal, str)


def _as_moment(value: Bound, kind: Type) -> Bound:
    if _is_text(value):
        return Bound(cast_literal(str(value.literal), kind), kind)
    return coerce(value, kind)


def comparison(operator: str, left: Bound, right: Bound) -> Bound | None:
    """`left operator right` for a comparison; None when the types don't go together."""
    sides = alike(left, right)
    if sides is None:
        return None
    return Bound(f"({sides[0].sql} {operator} {sides[1].sql})", BOOLEAN)
