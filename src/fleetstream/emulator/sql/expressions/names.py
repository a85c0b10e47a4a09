"""Columns, variables of lambdas, fields of rows, and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.name_resolution import select_fields
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import UNKNOWN, SqlType

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator


def _column(translator: ExpressionTranslator, node: exp.Column) -> TypedSql:
    require_only(node, "this", "table", "db", "catalog")
    if isinstance(node.this, exp.Star):
        raise query_error(node, "* can only stand alone in a SELECT list")
    names = [part.name for part in node.parts if isinstance(part, exp.Expr)]
    return _resolve(translator, node, names)


def _identifier(translator: ExpressionTranslator, node: exp.Identifier) -> TypedSql:
    return _resolve(translator, node, [node.name])


def _resolve(translator: ExpressionTranslator, node: exp.Expr, names: list[str]) -> TypedSql:
    for variables in reversed(translator.lambda_variables):
        variable = variables.get(names[0].lower())
        if variable is not None:
            return select_fields(node, variable, names[1:])
    return translator.scope.resolve(node, names)


def _dot(translator: ExpressionTranslator, node: exp.Dot) -> TypedSql:
    require_only(node, "this", "expression")
    if not isinstance(node.expression, exp.Identifier):
        raise query_error(node, "A function's name can't be qualified")
    return select_fields(node, translator.translate(node.this), [node.expression.name])


def _parameter(translator: ExpressionTranslator, node: exp.Parameter) -> TypedSql:
    name, parameters = node.name, translator.context.parameters
    if not translator.context.preparing:
        raise query_error(
            node, f"@{name} has no value: parameters are only allowed in PrepareQuery"
        )
    known = parameters.setdefault(name, UNKNOWN)

    def set_type(of: SqlType) -> None:
        parameters[name] = of

    return TypedSql(f"CAST(NULL AS {known.duckdb})", known, simple=True, set_type=set_type)


HANDLERS: Handlers = {
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Dot: _dot,
    exp.Parameter: _parameter,
}
