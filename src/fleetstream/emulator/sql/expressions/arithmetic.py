"""Arithmetic on numbers, instants and intervals; concatenation; elements of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from fleetstream.emulator.sql.conversion import convert
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.function_calls import call_with_values
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.instants import add_months, add_nanoseconds, to_nanoseconds
from fleetstream.emulator.sql.typed_sql import TypedSql, fill
from fleetstream.emulator.sql.types import (
    BIGINT,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGERS,
    INTERVALS,
    NUMERIC,
    TIMESTAMP,
    UNKNOWN,
    YEAR_TO_MONTH,
    ArrayType,
    SqlType,
    as_array,
    common_type,
)

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

_OPERATORS: Mapping[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_MOMENTS = (DATE, TIMESTAMP)


def operator_error(node: exp.Expr, operator: str, left: SqlType, right: SqlType) -> NoReturn:
    """Raise the error for an operator that does not apply to its operands' types."""
    raise query_error(node, f"Cannot apply operator: {left} {operator} {right}")


def _arithmetic(translator: ExpressionTranslator, node: exp.Binary) -> TypedSql:
    left, right = translator.translate(node.this), translator.translate(node.expression)
    operator = _OPERATORS[type(node)]
    result = calculate(operator, left, right)
    if result is None:
        operator_error(node, operator, left.type, right.type)
    return result


def calculate(operator: str, left: TypedSql, right: TypedSql) -> TypedSql | None:
    """``left operator right``, for + - * / and %; None if the operator does not apply."""
    if left.type == UNKNOWN and right.type in (*NUMERIC, *INTERVALS):
        left = convert(left, right.type)
    if right.type == UNKNOWN and left.type in (*NUMERIC, *INTERVALS):
        right = convert(right, left.type)
    if left.type in NUMERIC and right.type in NUMERIC:
        return _calculate_numbers(operator, left, right)
    if left.type in _MOMENTS and right.type in INTERVALS and operator in "+-":
        return _shift(left, operator, right)
    if operator == "+" and left.type in INTERVALS and right.type in _MOMENTS:
        return _shift(right, "+", left)
    if operator == "-" and left.type in _MOMENTS and right.type in _MOMENTS:
        start, end = to_nanoseconds(right.sql, right.type), to_nanoseconds(left.sql, left.type)
        return TypedSql(f"({end} - {start})", DAY_TO_SECOND)
    return _calculate_intervals(operator, left, right)


def _calculate_numbers(operator: str, left: TypedSql, right: TypedSql) -> TypedSql | None:
    common = common_type((left.type, right.type))
    if common is None:
        return None
    # DuckDB's / would divide integers to a double.
    symbol = "//" if operator == "/" and common != DOUBLE else operator
    return TypedSql(f"({convert(left, common).sql} {symbol} {convert(right, common).sql})", common)


def _shift(moment: TypedSql, operator: str, interval: TypedSql) -> TypedSql:
    count = "{1}" if operator == "+" else "(-{1})"
    add = add_months if interval.type == YEAR_TO_MONTH else add_nanoseconds
    template = add("{0}", moment.type, count)
    return TypedSql(fill(template, [moment, interval]), moment.type)


def _calculate_intervals(operator: str, left: TypedSql, right: TypedSql) -> TypedSql | None:
    if left.type in INTERVALS and left.type == right.type and operator in "+-":
        return TypedSql(f"({left.sql} {operator} {right.sql})", left.type)
    if operator == "*" and left.type in NUMERIC and right.type in INTERVALS:
        left, right = right, left
    if left.type not in INTERVALS or right.type not in NUMERIC or operator not in "*/":
        return None
    if right.type == DOUBLE:
        return TypedSql(f"CAST(round({left.sql} {operator} {right.sql}) AS BIGINT)", left.type)
    symbol = "//" if operator == "/" else "*"
    return TypedSql(f"({left.sql} {symbol} {convert(right, BIGINT).sql})", left.type)


def _negative(translator: ExpressionTranslator, node: exp.Neg) -> TypedSql:
    if isinstance(node.this, exp.Literal) and node.this.name == str(2**63):
        return TypedSql(f"CAST('-{2**63}' AS BIGINT)", BIGINT, simple=True, literal=-(2**63))
    value = translator.translate(node.this)
    if value.type not in (*NUMERIC, *INTERVALS):
        raise query_error(node, f"Cannot apply operator: -{value.type}")
    literal = -value.literal if isinstance(value.literal, int | float) else None
    # DuckDB would negate the smallest integer to one of a larger type.
    sql = f"(-{value.sql})" if literal is not None else f"CAST(-{value.sql} AS {value.type.duckdb})"
    return TypedSql(sql, value.type, value.simple, literal=literal, never_nan=value.never_nan)


def _parentheses(translator: ExpressionTranslator, node: exp.Paren) -> TypedSql:
    return translator.translate(node.this)


def _concatenation(translator: ExpressionTranslator, node: exp.DPipe) -> TypedSql:
    """Concatenation of texts, of all operands at once, or of arrays and elements."""
    operands: list[exp.Expr] = []
    left: exp.Expr = node
    while isinstance(left, exp.DPipe):
        operands.append(left.expression)
        left = left.this.unnest()
    operands = [left, *reversed(operands)]
    values = [translator.translate(operand) for operand in operands]
    if not any(isinstance(as_array(value.type), ArrayType) for value in values):
        return call_with_values(translator, node, "concat", operands, values)
    result = values[0]
    for operand, value in zip(operands[1:], values[1:], strict=True):
        pair, parts = (result, value), (operand, operand)
        result = call_with_values(translator, node, "concat", parts, pair)
    return result


def _element(translator: ExpressionTranslator, node: exp.Bracket) -> TypedSql:
    require_only(node, "this", "expressions")
    array = translator.translate(node.this)
    of = as_array(array.type)
    if not isinstance(of, ArrayType) or len(node.expressions) != 1:
        raise query_error(node, f"Cannot take an element of {array.type} with [ ]")
    index = translator.translate(node.expressions[0])
    if index.type not in (*INTEGERS, UNKNOWN):
        raise query_error(node, f"An array's index must be a whole number, not {index.type}")
    missing = fail("'The array has no element ' || CAST({1} AS VARCHAR)")
    template = f"(CASE WHEN {{1}} < 1 OR {{1}} > len({{0}}) THEN {missing} ELSE ({{0}})[{{1}}] END)"
    return TypedSql(fill(template, [array, convert(index, BIGINT)]), of.element)


HANDLERS: Handlers = {
    **dict.fromkeys(_OPERATORS, _arithmetic),
    exp.Neg: _negative,
    exp.Paren: _parentheses,
    exp.DPipe: _concatenation,
    exp.Bracket: _element,
}
