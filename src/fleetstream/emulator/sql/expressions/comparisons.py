"""Comparisons: operators, BETWEEN, IN, IS NULL, LIKE, and quantified comparisons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql.conversion import (
    MOMENTS,
    convert,
    convert_literal,
    is_text_literal,
)
from fleetstream.emulator.sql.equality import compared
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.arithmetic import operator_error
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.expressions.subqueries import single_column
from fleetstream.emulator.sql.typed_sql import TypedSql, fill
from fleetstream.emulator.sql.types import (
    BOOLEAN,
    DOUBLE,
    ScalarType,
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
    return TypedSql(compared(operator, *sides), BOOLEAN)


def comparable(*values: TypedSql) -> list[TypedSql] | None:
    """Values converted to a type in which they can be compared; None if there is none.

    String literals are converted to a timestamp, date or time that they are compared with.
    """
    common = common_type([value.type for value in values if not is_text_literal(value)])
    if common in MOMENTS:
        return [convert_literal(value, common) for value in values]
    common = common_type([value.type for value in values])
    return None if common is None else [convert(value, common) for value in values]


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
    if word == "ANY" and operator != "<>":
        query = _without_nan(query, of)
    return TypedSql(f"({left.sql} {operator} {word}({query}))", BOOLEAN)


def _between(translator: ExpressionTranslator, node: exp.Between) -> TypedSql:
    require_only(node, "this", "low", "high")
    values = [translator.translate(node.args[name]) for name in ("this", "low", "high")]
    converted = comparable(*values)
    if converted is None:
        operator_error(node, "BETWEEN", values[0].type, values[1].type)
    value, low, high = converted
    if value.type == DOUBLE and not high.never_nan:
        bounds = (
            compared(">=", _argument(value, 0), _argument(low, 1)),
            compared("<=", _argument(value, 0), _argument(high, 2)),
        )
        return TypedSql(fill(f"({' AND '.join(bounds)})", converted), BOOLEAN)
    return TypedSql(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)


def _argument(value: TypedSql, number: int) -> TypedSql:
    """The placeholder of an argument in a template."""
    return replace(value, sql=f"{{{number}}}", simple=True)


def _in(translator: ExpressionTranslator, node: exp.In) -> TypedSql:
    require_only(node, "this", "expressions", "query")
    value = translator.translate(node.this)
    if node.args.get("query"):
        query, of = single_column(translator, node, node.args["query"].this)
        if common_type((value.type, of)) is None:
            operator_error(node, "IN", value.type, of)
        return TypedSql(f"({value.sql} IN ({_without_nan(query, of)}))", BOOLEAN)
    if not node.expressions:
        raise query_error(node, "IN needs at least one value in its parentheses")
    choices = [translator.translate(part) for part in node.expressions]
    converted = comparable(value, *choices)
    if converted is None:
        operator_error(node, "IN", value.type, choices[0].type)
    if _needs_care(converted):
        arguments = [_argument(part, number) for number, part in enumerate(converted)]
        tests = " OR ".join(compared("=", arguments[0], choice) for choice in arguments[1:])
        return TypedSql(fill(f"({tests})", converted), BOOLEAN)
    listed = ", ".join(choice.sql for choice in converted[1:])
    return TypedSql(f"({converted[0].sql} IN ({listed}))", BOOLEAN)


def _needs_care(values: Sequence[TypedSql]) -> bool:
    """Whether DuckDB's IN may find the first value where the service does not."""
    if values[0].type == DOUBLE:
        return not values[0].never_nan and not all(value.never_nan for value in values[1:])
    return not isinstance(values[0].type, ScalarType)


def _without_nan(query: str, of: SqlType) -> str:
    """A query of one column, without the NaN values, which no comparison but ``<>`` is true for."""
    return (
        f"SELECT * FROM ({query}) AS q(v) WHERE v IS NULL OR NOT isnan(v)"
        if of == DOUBLE
        else query
    )


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
    mark = re.escape(escape.name)
    pattern = like.expression
    if pattern.is_string and not re.fullmatch(
        f"([^{mark}]|{mark}[%_{mark}])*", pattern.name, re.DOTALL
    ):
        raise query_error(node, f"In LIKE, {escape.name} must be followed by %, _ or itself")
    return TypedSql(f"({_like_sql(translator, like)} ESCAPE {translator.varchar(escape)})", BOOLEAN)


HANDLERS: Handlers = {
    **dict.fromkeys(_OPERATORS, _comparison),
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is_null,
    exp.Like: _like,
    exp.Escape: _escape,
}
