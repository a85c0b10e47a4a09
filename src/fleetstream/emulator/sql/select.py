"""SELECT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions import ExpressionTranslator
from fleetstream.emulator.sql.expressions.translator import QueryTranslation
from fleetstream.emulator.sql.from_clause import FromTranslator
from fleetstream.emulator.sql.name_resolution import NameScope
from fleetstream.emulator.sql.result_clauses import limit_clause, order_clause, ordinal
from fleetstream.emulator.sql.time_ranges import TimeRangeReader
from fleetstream.emulator.sql.translation import (
    QueryColumn,
    TranslatedQuery,
    TranslationContext,
    internal_name,
)

SELECT_PARTS = ("expressions", "from_", "joins", "where", "group", "having", "distinct", "windows")

_SETS = (exp.GroupingSets, exp.Rollup, exp.Cube)
_GROUPINGS: dict[type[exp.Expr], str] = {
    exp.GroupingSets: "GROUPING SETS ",
    exp.Rollup: "ROLLUP ",
    exp.Cube: "CUBE ",
    exp.Tuple: "",
}


class SelectTranslator:
    """Translates one SELECT; ``scope`` is the scope of its FROM clause, which is empty before."""

    def __init__(
        self, context: TranslationContext, scope: NameScope, translate_query: QueryTranslation
    ) -> None:
        self._context = context
        self._scope = scope
        self._translate_query = translate_query

    def translate(self, node: exp.Select) -> TranslatedQuery:
        windows = {part.name.lower(): part for part in node.args.get("windows") or []}
        expressions = ExpressionTranslator(
            self._context, self._scope, self._translate_query, windows
        )
        source = self._from(node, expressions)
        items = self._select_list(node, expressions)
        where, having = node.args.get("where"), node.args.get("having")
        where_clause = f" WHERE {expressions.boolean(where.this)}" if where else ""
        if self._context.time_ranges is not None:
            reader = TimeRangeReader(self._context, self._scope, self._translate_query)
            self._context.time_ranges += reader.ranges(where.this if where else None)
        group_clause = self._group_by(node, expressions, len(items))
        having_clause = f" HAVING {expressions.boolean(having.this)}" if having else ""
        columns = _result_columns(items)
        order = order_clause(node, expressions, columns, [item.sql for item in items])
        distinct = node.args.get("distinct")
        if distinct is not None:
            require_only(distinct)
        listed = ", ".join(
            f"{item.sql} AS {column.sql}" for item, column in zip(items, columns, strict=True)
        )
        sql = (
            f"SELECT {'DISTINCT ' if distinct else ''}{listed}{source}{where_clause}{group_clause}"
            f"{having_clause}{order}{limit_clause(node)}"
        )
        for relation in self._scope.relations:
            if relation.stored is not None:
                sql = relation.stored.put_into(sql)
        return TranslatedQuery(sql, tuple(columns))

    def _from(self, node: exp.Select, expressions: ExpressionTranslator) -> str:
        clause, joins = node.args.get("from_"), node.args.get("joins") or []
        if clause is None:
            return ""
        sources = FromTranslator(self._context, self._scope, expressions)
        return f" FROM {sources.translate(clause.this, joins)}"

    def _select_list(
        self, node: exp.Select, expressions: ExpressionTranslator
    ) -> list[QueryColumn]:
        """The columns of the result, with the SQL of their expressions; ``*`` is expanded."""
        items: list[QueryColumn] = []
        for part in node.expressions:
            inner = part.this if isinstance(part, exp.Alias) else part
            if isinstance(inner, exp.Star):
                require_only(inner)
                items += self._scope.visible_columns()
            elif isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
                items += self._columns_of(inner)
            else:
                items.append(self._select_item(part, inner, expressions))
        if not items:
            raise query_error(node, "SELECT needs at least one column")
        return items

    def _select_item(
        self, part: exp.Expr, inner: exp.Expr, expressions: ExpressionTranslator
    ) -> QueryColumn:
        value = expressions.translate(inner)
        aliased = isinstance(part, exp.Alias)
        name = part.alias if aliased else _column_name(inner)
        table = next(
            (column.table for column in self._scope.visible_columns() if column.sql == value.sql),
            None,
        )
        return QueryColumn(name or None, value.sql, value.type, table, aliased)

    def _columns_of(self, node: exp.Column) -> Sequence[QueryColumn]:
        """The columns of ``alias.*``."""
        alias = node.args["table"].name
        for relation in self._scope.relations:
            if (relation.alias or "").lower() == alias.lower():
                return relation.columns
        raise query_error(node, f"Table '{alias}' of '*' is not in FROM")

    def _group_by(self, node: exp.Select, expressions: ExpressionTranslator, count: int) -> str:
        clause = node.args.get("group")
        if clause is None:
            return ""
        require_only(clause, "expressions", "all")
        parts = clause.expressions
        if not parts:
            raise query_error(node, "GROUP BY needs at least one expression")
        if clause.args.get("all") is False and any(isinstance(part, _SETS) for part in parts):
            raise query_error(node, "GROUP BY DISTINCT with several grouping sets is not supported")
        keys = ", ".join(_grouping_key(part, expressions, count) for part in parts)
        return f" GROUP BY {keys}"


def _grouping_key(node: exp.Expr, expressions: ExpressionTranslator, count: int) -> str:
    number = ordinal(node, count, "GROUP BY")
    if number is not None:
        return number
    grouping = _GROUPINGS.get(type(node))
    if grouping is None:
        return expressions.translate(node).sql
    keys = ", ".join(_grouping_key(part, expressions, count) for part in node.expressions)
    return f"{grouping}({keys})"


def _column_name(node: exp.Expr) -> str | None:
    """The name of a result's column without an alias."""
    node = node.unnest()
    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.name) if isinstance(node, exp.Column) else None


def _result_columns(items: Sequence[QueryColumn]) -> list[QueryColumn]:
    """The items with unique names as ``sql``: Timestream allows repeated names, DuckDB does not."""
    used: set[str] = set()
    columns = []
    for position, item in enumerate(items):
        name = item.name or f"_col{position}"
        while name.lower() in used:
            name = f"{name}_{position}"
        used.add(name.lower())
        columns.append(replace(item, sql=internal_name(name)))
    return columns
