"""Literals: numbers, text, durations (`15m`), and intervals in SQL's own notation."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from sqlglot import exp

from fleetstream.local.sql.dialect import MONTHS
from fleetstream.local.sql.rejection import rejected
from fleetstream.local.sql.string_functions import quote
from fleetstream.local.sql.time_functions import duration_nanoseconds
from fleetstream.local.sql.types import (
    BIGINT,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    VARCHAR,
    YEAR_TO_MONTH,
    Bound,
)


def read_literal(node: exp.Literal) -> Bound:
    """Text, or a number: whole ones are integer or bigint, all others double."""
    text = str(node.this)
    if node.is_string:
        return Bound(quote(text), VARCHAR, literal=text)
    try:
        if text.isdecimal():
            return _whole(node, int(text))
        number = float(text)
    except ValueError as error:
        raise rejected(node, f"'{text}' is not a number") from error
    return Bound(f"CAST('{number!r}' AS DOUBLE)", DOUBLE, literal=number)


def _whole(node: exp.Expr, number: int) -> Bound:
    if number < 2**31:
        return Bound(str(number), INTEGER, literal=number)
    if number < 2**63:
        return Bound(f"CAST({number} AS BIGINT)", BIGINT, literal=number)
    raise rejected(node, f"{number} is larger than the largest bigint, {2**63 - 1}")


def read_interval(node: exp.Interval) -> Bound:
    """A duration such as `15m`, or an interval such as INTERVAL '2' DAY."""
    amount, unit = str(node.name).strip(), node.args.get("unit")
    if not isinstance(node.this, exp.Literal) or not isinstance(unit, exp.Var):
        raise rejected(node, "An interval must be a number and one unit, such as INTERVAL '2' DAY")
    word = unit.name.lower()
    if word in MONTHS:
        months = _months(node, amount) * MONTHS[word]
        return Bound(f"CAST({months} AS BIGINT)", YEAR_TO_MONTH)
    try:
        count = duration_nanoseconds(amount, word)
    except ValueError as error:
        raise rejected(node, str(error)) from error
    return Bound(f"CAST({count} AS BIGINT)", DAY_TO_SECOND)


def _months(node: exp.Expr, amount: str) -> int:
    try:
        number = Decimal(amount)
        if number == int(number) and abs(number) < 2**31:
            return int(number)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise rejected(node, f"'{amount}' is not a whole number of months or years")
