"""AND, OR, NOT, CASE, IF, casts, and TRY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql.conversion import cast_literal, cast_sql
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.arithmetic import operator_error
from fleetstream.emulator.sql.expressions.comparisons import compare
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.type_names import read_type, varchar_length
from fleetstream.emulator.sql.typed_sql import TypedSql, let
from fleetstream.emulator.sql.types import BOOLEAN, VARCHAR, SqlType

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator


def _connective(translator: ExpressionTranslator, node: exp.Connector) -> TypedSql:
    word = "AND" if isinstance(node, exp.And) else "OR"
    # All operands at once: a chain of thousands would be nested too deeply.
    operands = [translator.boolean(part) for part in node.flatten(unnest=False)]
    return TypedSql(f"({f' {word} '.join(operands)})", BOOLEAN)


def _not(translator: ExpressionTranslator, node: exp.Not) -> TypedSql:
    return TypedSql(f"(NOT {translator.boolean(node.this)})", BOOLEAN)


def _case(translator: ExpressionTranslator, node: exp.Case) -> TypedSql:
    require_only(node, "this", "ifs", "default")
    if node.args.get("this") is None:
        return _searched_case(translator, node, None)
    outer, translator.context.volatile = translator.context.volatile, False
    operand = translator.translate(node.this)
    operand_is_volatile = translator.context.volatile
    translator.context.volatile |= outer
    if not operand_is_volatile:
        return _searched_case(translator, node, operand)
    # Other operands are repeated: in a lambda, DuckDB supports no aggregates and subqueries.
    result = _searched_case(translator, node, TypedSql("args", operand.type, simple=True))
    return TypedSql(let("args", operand.sql, result.sql), result.type)


def _searched_case(
    translator: ExpressionTranslator, node: exp.Case, operand: TypedSql | None
) -> TypedSql:
    branches = node.args["ifs"]
    conditions = [_condition(translator, branch.this, operand) for branch in branches]
    default = node.args.get("default") or exp.Null()
    results, of = translator.same_type(
        node, [*(branch.args["true"] for branch in branches), default]
    )
    whens = " ".join(
        f"WHEN {condition} THEN {result.sql}"
        for condition, result in zip(conditions, results[:-1], strict=True)
    )
    return TypedSql(f"(CASE {whens} ELSE {results[-1].sql} END)", of)


def _condition(translator: ExpressionTranslator, node: exp.Expr, operand: TypedSql | None) -> str:
    if operand is None:
        return translator.boolean(node)
    value = translator.translate(node)
    result = compare("=", operand, value)
    if result is None:
        operator_error(node, "=", operand.type, value.type)
    return result.sql


def translate_if(
    translator: ExpressionTranslator,
    node: exp.Expr,
    condition: exp.Expr,
    yes: exp.Expr,
    no: exp.Expr | None = None,
) -> TypedSql:
    """IF(condition, yes[, no])."""
    results, of = translator.same_type(node, [yes, no or exp.Null()])
    test = translator.boolean(condition)
    return TypedSql(f"(CASE WHEN {test} THEN {results[0].sql} ELSE {results[1].sql} END)", of)


def _cast(translator: ExpressionTranslator, node: exp.Cast) -> TypedSql:
    require_only(node, "this", "to", "safe")
    length = varchar_length(node.args["to"])
    value = translator.translate(node.this)
    of = VARCHAR if length is not None else read_type(node.args["to"])
    is_try = isinstance(node, exp.TryCast)
    is_literal = isinstance(node.this, exp.Literal) and isinstance(value.literal, str)
    try:
        if is_literal:
            sql = cast_literal(str(value.literal), of)
        else:
            sql = cast_sql(value.sql, value.type, of)
    except ValueError:
        if not is_try and not translator.inside_try:
            raise
        sql = f"CAST(NULL AS {of.duckdb})"
    except LookupError as error:
        raise query_error(node, f"Cannot cast {value.type} to {of}") from error
    if length is not None:
        sql = _shortened(sql, length, value.type)
    if value.set_type:
        value.set_type(of)
    return TypedSql(f"TRY({sql})" if is_try else sql, of, simple=is_literal)


def _shortened(sql: str, length: int, source: SqlType) -> str:
    """A text of at most ``length`` characters, as CAST makes it of a value of type ``source``.

    A longer varchar is cut, and the text of another value must not be longer.
    """
    if source == VARCHAR:
        return f"left({sql}, {length})"
    too_long = fail(f"'The value ' || t || ' does not fit into varchar({length})'")
    return let("t", sql, f"CASE WHEN length(t) > {length} THEN {too_long} ELSE t END")


def translate_try(translator: ExpressionTranslator, node: exp.Expr, argument: exp.Expr) -> TypedSql:
    """TRY(argument), which DuckDB supports only if the argument contains no volatile calls."""
    context = translator.context
    outer = translator.inside_try, context.volatile
    translator.inside_try, context.volatile = True, False
    result = translator.translate(argument)
    if context.volatile:
        raise query_error(node, "TRY around functions that are random is not supported")
    translator.inside_try, context.volatile = outer
    return TypedSql(f"TRY({result.sql})", result.type)


HANDLERS: Handlers = {
    exp.And: _connective,
    exp.Or: _connective,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Not: _not,
    exp.Case: _case,
}
