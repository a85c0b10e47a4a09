"""Subqueries as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import BOOLEAN, SqlType

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator


def single_column(
    translator: ExpressionTranslator, node: exp.Expr, query: exp.Expr
) -> tuple[str, SqlType]:
    """SQL and column type of a subquery, which must have one column."""
    translated = translator.query(query)
    if len(translated.columns) != 1:
        raise query_error(
            node, f"A subquery must return one column here, not {len(translated.columns)}"
        )
    return translated.sql, translated.columns[0].type


def _subquery(translator: ExpressionTranslator, node: exp.Subquery) -> TypedSql:
    require_only(node, "this")
    query, of = single_column(translator, node, node.this)
    return TypedSql(f"({query})", of)


def _exists(translator: ExpressionTranslator, node: exp.Exists) -> TypedSql:
    return TypedSql(f"EXISTS({translator.query(node.this).sql})", BOOLEAN)


HANDLERS: Handlers = {exp.Subquery: _subquery, exp.Exists: _exists}
