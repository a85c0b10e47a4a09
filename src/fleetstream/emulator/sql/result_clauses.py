"""ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error
from fleetstream.emulator.sql.expressions import ExpressionTranslator
from fleetstream.emulator.sql.expressions.aggregate_calls import order_by
from fleetstream.emulator.sql.functions import AGGREGATES
from fleetstream.emulator.sql.translation import QueryColumn
from fleetstream.emulator.sql.typed_sql import TypedSql


def order_clause(
    node: exp.Expr,
    expressions: ExpressionTranslator,
    columns: Sequence[QueryColumn],
    select_list: Sequence[str] = (),
) -> str:
    """ORDER BY; ``columns`` are the result's, and ``select_list`` is the SQL of their expressions.

    Names and numbers of the result's columns take precedence over other names, also in expressions
    without aggregate functions.
    """
    clause = node.args.get("order")
    if clause is None:
        return ""
    distinct = node.args.get("distinct") and isinstance(node, exp.Select)
    # In an expression, DuckDB would take a name for that of a column of FROM.
    values = select_list or [column.sql for column in columns]
    results = {
        column.name.lower(): TypedSql(sql, column.type)
        for column, sql in zip(columns, values, strict=True)
        if column.name is not None and "random(" not in sql  # would be another random value
    }

    def result_column(part: exp.Expr) -> str | None:
        part = part.unnest()
        number = ordinal(part, len(columns), "ORDER BY")
        if number is not None:
            return number
        if isinstance(part, exp.Column) and len(part.parts) == 1:
            for position, column in enumerate(columns, 1):
                if column.is_named(part.name):
                    return str(position)
        if not distinct and _reads(part, results):
            with expressions.lambda_scope(results):
                return expressions.translate(part).sql
        sql = expressions.translate(part).sql
        if sql in select_list:
            return str(select_list.index(sql) + 1)
        if distinct:
            raise query_error(
                part, "For SELECT DISTINCT, ORDER BY expressions must appear in the SELECT list"
            )
        return sql

    return f" ORDER BY {order_by(expressions, clause, result_column)}"


def _reads(part: exp.Expr, results: Mapping[str, TypedSql]) -> bool:
    """Whether an expression reads columns of the result; aggregates read those of FROM."""
    nodes = list(part.walk(prune=lambda node: isinstance(node, exp.Query)))
    names = [node for node in nodes if isinstance(node, exp.Column) and len(node.parts) == 1]
    calls = [str(node.this).lower() for node in nodes if isinstance(node, exp.Anonymous)]
    return any(name.name.lower() in results for name in names) and not any(
        call in AGGREGATES for call in calls
    )


def ordinal(node: exp.Expr, count: int, clause: str) -> str | None:
    """The number of a column of the SELECT list; None if the node is not a number."""
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    if not str(node.this).isdecimal() or not 1 <= int(node.this) <= count:
        raise query_error(node, f"{clause} position {node.this} is not in the SELECT list")
    return str(int(node.this))


def limit_clause(node: exp.Expr) -> str:
    """LIMIT and OFFSET."""
    sql = ""
    for name in ("limit", "offset"):
        clause = node.args.get(name)
        if clause is None:
            continue
        count = clause.args.get("expression") or clause.args.get("count")
        options = clause.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise query_error(node, "PERCENT and WITH TIES are not supported")
        if isinstance(clause, exp.Fetch) and count is None:
            count = exp.Literal.number(1)
        if isinstance(count, exp.Var) and count.name.upper() == "ALL":
            continue
        if not isinstance(count, exp.Literal) or not str(count.this).isdecimal():
            raise query_error(node, f"{name.upper()} must be followed by a whole number")
        sql += f" {name.upper()} {int(count.this)}"
    return sql
