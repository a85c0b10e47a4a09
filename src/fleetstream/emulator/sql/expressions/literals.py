"""Literals, arrays and rows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.dialect import MONTHS
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.functions.times import duration_nanoseconds
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    UNKNOWN,
    VARCHAR,
    YEAR_TO_MONTH,
    ArrayType,
    RowType,
)

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator


def _literal(_: ExpressionTranslator, node: exp.Literal) -> TypedSql:
    """A string; or a number, which is an integer, a bigint or a double."""
    text = str(node.this)
    if node.is_string:
        return TypedSql(quote(text), VARCHAR, simple=True, literal=text)
    try:
        if text.isdecimal():
            return _integer(node, int(text))
        number = float(text)
    except ValueError as error:
        raise query_error(node, f"'{text}' is not a number") from error
    return TypedSql(
        f"CAST('{number!r}' AS DOUBLE)", DOUBLE, simple=True, literal=number, never_nan=True
    )


def _integer(node: exp.Expr, number: int) -> TypedSql:
    if number < 2**31:
        return TypedSql(str(number), INTEGER, simple=True, literal=number)
    if number < 2**63:
        return TypedSql(f"CAST({number} AS BIGINT)", BIGINT, simple=True, literal=number)
    raise query_error(node, f"{number} is larger than the largest bigint, {2**63 - 1}")


def _interval(_: ExpressionTranslator, node: exp.Interval) -> TypedSql:
    """A duration such as ``15m``, or an interval such as INTERVAL '2' DAY."""
    amount, unit_node = str(node.name).strip(), node.args.get("unit")
    if not isinstance(node.this, exp.Literal) or not isinstance(unit_node, exp.Var):
        raise query_error(
            node, "An interval must be a number and one unit, such as INTERVAL '2' DAY"
        )
    unit = unit_node.name.lower()
    if unit in MONTHS:
        count, of = _months(node, amount) * MONTHS[unit], YEAR_TO_MONTH
    else:
        count, of = duration_nanoseconds(amount, unit), DAY_TO_SECOND
    return TypedSql(f"CAST({count} AS BIGINT)", of, simple=True)


def _months(node: exp.Expr, amount: str) -> int:
    try:
        number = Decimal(amount)
        if number == int(number) and abs(number) < 2**31:
            return int(number)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise query_error(node, f"'{amount}' is not a whole number of months or years")


def _null(_: ExpressionTranslator, __: exp.Null) -> TypedSql:
    return TypedSql("NULL", UNKNOWN, simple=True)


def _boolean(_: ExpressionTranslator, node: exp.Boolean) -> TypedSql:
    return TypedSql("true" if node.this else "false", BOOLEAN, simple=True)


def _array(translator: ExpressionTranslator, node: exp.Array) -> TypedSql:
    require_only(node, "expressions")
    values, element = translator.same_type(node, node.expressions)
    array = ArrayType(element)
    if not values:
        return TypedSql(f"CAST([] AS {array.duckdb})", array)
    return TypedSql(f"[{', '.join(value.sql for value in values)}]", array)


def _tuple(translator: ExpressionTranslator, node: exp.Tuple) -> TypedSql:
    return row(translator, node, node.expressions)


def row(translator: ExpressionTranslator, node: exp.Expr, parts: Sequence[exp.Expr]) -> TypedSql:
    """A row; its fields have no names."""
    if not parts:
        raise query_error(node, "ROW needs at least one value")
    values = [translator.translate(part) for part in parts]
    fields = ", ".join(f"f{number} := {value.sql}" for number, value in enumerate(values, 1))
    return TypedSql(
        f"struct_pack({fields})", RowType(tuple((None, value.type) for value in values))
    )


HANDLERS: Handlers = {
    exp.Literal: _literal,
    exp.Interval: _interval,
    exp.Null: _null,
    exp.Boolean: _boolean,
    exp.Array: _array,
    exp.Tuple: _tuple,
}
