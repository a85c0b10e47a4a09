"""Comparisons: operators, BETWEEN, IN, IS NULL, LIKE, and quantified comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql.conversion import cast_literal, convert
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.arithmetic import operator_error
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.expressions.subqueries import single_column
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import (
    BOOLEAN,
    DATE,
    TIME,
    TIMESTAMP,
    VARCHAR,
    SqlType,
    common_type,
)

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

_OPERATORS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}


def compare(operator: str, left: TypedSql, right: TypedSql) -> TypedSql | None:
    """``left operator right``; None if values of their types can't be compared."""
    sides = comparable(left, right)
    if sides is None:
        return None
    return TypedSql(f"({sides[0].sql} {operator} {sides[1].sql})", BOOLEAN)


def comparable(*values: TypedSql) -> list[TypedSql] | None:
    """Values converted to a type in which they can be compared; None if there is none.

    String literals are converted to a timestamp, date or time that they are compared with.
    """
    common = common_type([value.type for value in values if not _is_string_literal(value)])
    if common in (TIMESTAMP, DATE, TIME):
        return [_as_moment(value, common) for value in values]
    common = common_type([value.type for value in values])
    return None if common is None else [convert(value, common) for value in values]


def _is_string_literal(value: TypedSql) -> bool:
    return value.type == VARCHAR and isinstance(value.literal, str)


def _as_moment(value: TypedSql, of: SqlType) -> TypedSql:
    if _is_string_literal(value):
        return TypedSql(cast_literal(str(value.literal), of), of, simple=True)
    return convert(value, of)


def _comparison(translator: ExpressionTranslator, node: exp.Binary) -> TypedSql:
    operator = _OPERATORS[type(node)]
    if isinstance(node.expression, exp.Any | exp.All):
        return _quantified(translator, node, operator, node.expression)
    left, right = translator.translate(node.this), translator.translate(node.expression)
    result = compare(operator, left, right)
    if result is None:
        operator_error(node, operator, left.type, right.type)
    return result


def _quantified(
    translator: ExpressionTranslator, node: exp.Expr, operator: str, quantifier: exp.Expr
) -> TypedSql:
    inner = quantifier.this
    inner = inner.this if isinstance(inner, exp.Subquery | exp.Paren) else inner
    query, of = single_column(translator, quantifier, inner)
    left = translator.translate(node.this)
    if common_type((left.type, of)) is None:
        operator_error(node, operator, left.type, of)
    word = "ANY" if isinstance(quantifier, exp.Any) else "ALL"
    return TypedSql(f"({left.sql} {operator} {word}({query}))", BOOLEAN)


def _between(translator: ExpressionTranslator, node: exp.Between) -> TypedSql:
    require_only(node, "this", "low", "high")
    values = [translator.translate(node.args[name]) for name in ("this", "low", "high")]
    converted = comparable(*values)
    if converted is None:
        operator_error(node, "BETWEEN", values[0].type, values[1].type)
    value, low, high = converted
    return TypedSql(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)


def _in(translator: ExpressionTranslator, node: exp.In) -> TypedSql:
    require_only(node, "this", "expressions", "query")
    value = translator.translate(node.this)
    if node.args.get("query"):
        query, of = single_column(translator, node, node.args["query"].this)
        if common_type((value.type, of)) is None:
            operator_error(node, "IN", value.type, of)
        return TypedSql(f"({value.sql} IN ({query}))", BOOLEAN)
    choices = [translator.translate(part) for part in node.expressions]
    converted = comparable(value, *choices)
    if converted is None:
        operator_error(node, "IN", value.type, choices[0].type)
    listed = ", ".join(choice.sql for choice in converted[1:])
    return TypedSql(f"({converted[0].sql} IN ({listed}))", BOOLEAN)


def _is_null(translator: ExpressionTranslator, node: exp.Is) -> TypedSql:
    if not isinstance(node.expression, exp.Null):
        raise query_error(node, "IS must be followed by NULL, NOT NULL or DISTINCT FROM")
    return TypedSql(f"({translator.translate(node.this).sql} IS NULL)", BOOLEAN)


def _like(translator: ExpressionTranslator, node: exp.Like) -> TypedSql:
    return TypedSql(f"({_like_sql(translator, node)})", BOOLEAN)


def _like_sql(translator: ExpressionTranslator, node: exp.Like) -> str:
    require_only(node, "this", "expression", "negate")
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return f"{translator.varchar(node.this)} {word} {translator.varchar(node.expression)}"


def _escape(translator: ExpressionTranslator, node: exp.Escape) -> TypedSql:
    like, escape = node.this, node.expression
    if not isinstance(like, exp.Like) or len(escape.name) != 1:
        raise query_error(node, "ESCAPE must follow LIKE, with a string of one character")
    return TypedSql(f"({_like_sql(translator, like)} ESCAPE {translator.varchar(escape)})", BOOLEAN)


HANDLERS: Handlers = {
    **dict.fromkeys(_OPERATORS, _comparison),
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is_null,
    exp.Like: _like,
    exp.Escape: _escape,
}
