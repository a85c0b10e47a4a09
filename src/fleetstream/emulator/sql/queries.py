"""Queries: WITH, set operations, VALUES, and queries in parentheses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from fleetstream.emulator.sql.conversion import cast_sql, convert
from fleetstream.emulator.sql.errors import keywords, query_error, require_only
from fleetstream.emulator.sql.expressions import ExpressionTranslator
from fleetstream.emulator.sql.name_resolution import NameScope
from fleetstream.emulator.sql.result_clauses import limit_clause, order_clause
from fleetstream.emulator.sql.select import SELECT_PARTS, SelectTranslator
from fleetstream.emulator.sql.translation import QueryColumn, TranslatedQuery, TranslationContext
from fleetstream.emulator.sql.types import SqlType, common_type

MAX_QUERY_CHARACTERS = 1_000_000
"""Maximum size of a query in DuckDB's SQL; each use of a query of WITH repeats its text."""

_SET_OPERATIONS: dict[type[exp.Expr], str] = {
    exp.Union: "UNION",
    exp.Intersect: "INTERSECT",
    exp.Except: "EXCEPT",
}
_OUTER_PARTS = ("with_", "order", "limit", "offset")


class QueryTranslator:
    """Translates the queries of one statement."""

    def __init__(self, context: TranslationContext) -> None:
        self._context = context

    def translate(self, node: exp.Expr, outer: NameScope | None) -> TranslatedQuery:
        """Translate a query; ``outer`` is the scope of the query around it."""
        query = self._translate(node, outer)
        if len(query.sql) > MAX_QUERY_CHARACTERS:
            raise query_error(node, "The query is too complex; use fewer levels of nesting")
        return query

    def _translate(self, node: exp.Expr, outer: NameScope | None) -> TranslatedQuery:
        if isinstance(node, exp.Select):
            require_only(node, *SELECT_PARTS, *_OUTER_PARTS)
            scope = NameScope(self._with(node, outer))
            return SelectTranslator(self._context, scope, self.translate).translate(node)
        if isinstance(node, exp.Subquery):
            require_only(node, "this", *_OUTER_PARTS)
            return self._with_outer_parts(node, outer)
        if isinstance(node, exp.SetOperation):
            require_only(node, "this", "expression", "distinct", *_OUTER_PARTS)
            return self._with_outer_parts(node, outer)
        if isinstance(node, exp.Values):
            require_only(node, "expressions", "alias", *_OUTER_PARTS)
            return self._with_outer_parts(node, outer)
        raise query_error(
            node,
            f"{keywords(node)} is not supported; expected SELECT, VALUES, WITH, SHOW or DESCRIBE",
        )

    def _with(self, node: exp.Expr, outer: NameScope | None) -> NameScope:
        """A scope with the queries of WITH; each can use those before it."""
        scope = NameScope(outer)
        clause = node.args.get("with_")
        if clause is None:
            return scope
        require_only(clause, "expressions")
        for part in clause.expressions:
            require_only(part, "this", "alias")
            query = self.translate(part.this, scope)
            names = part.args["alias"].args.get("columns") or []
            if names and len(names) != len(query.columns):
                raise query_error(
                    part, f"'{part.alias}' has {len(query.columns)} columns, not {len(names)}"
                )
            if names:
                renamed = (
                    QueryColumn(name.name, column.sql, column.type)
                    for name, column in zip(names, query.columns, strict=True)
                )
                query = TranslatedQuery(query.sql, tuple(renamed))
            scope.named_queries[part.alias.lower()] = query
        return scope

    def _with_outer_parts(self, node: exp.Expr, outer: NameScope | None) -> TranslatedQuery:
        """A set operation or a query in parentheses, with ORDER BY, LIMIT and OFFSET after it."""
        scope = self._with(node, outer)
        if isinstance(node, exp.SetOperation):
            inner = self._set_operation(node, scope)
        elif isinstance(node, exp.Values):
            inner = self._values(node, scope)
        else:
            inner = self.translate(node.this, scope)
        expressions = ExpressionTranslator(self._context, NameScope(scope), self.translate)
        clauses = order_clause(node, expressions, inner.columns) + limit_clause(node)
        if not clauses:
            return inner
        return TranslatedQuery(f"SELECT * FROM ({inner.sql}){clauses}", inner.columns)

    def _set_operation(self, node: exp.SetOperation, scope: NameScope) -> TranslatedQuery:
        left, right = self.translate(node.this, scope), self.translate(node.expression, scope)
        if len(left.columns) != len(right.columns):
            raise query_error(
                node,
                f"The two sides have {len(left.columns)} and {len(right.columns)} columns; they"
                " must have the same number",
            )
        types = []
        for one, other in zip(left.columns, right.columns, strict=True):
            common = common_type((one.type, other.type))
            if common is None:
                raise query_error(
                    node, f"A column is {one.type} on one side, {other.type} on the other"
                )
            types.append(common)
        operator = _SET_OPERATIONS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        columns = (
            QueryColumn(column.name, column.sql, of)
            for column, of in zip(left.columns, types, strict=True)
        )
        return TranslatedQuery(
            f"({_converted(left, types)}) {operator} ({_converted(right, types)})", tuple(columns)
        )

    def _values(self, node: exp.Expr, outer: NameScope | None) -> TranslatedQuery:
        expressions = ExpressionTranslator(self._context, NameScope(outer), self.translate)
        rows = [
            [expressions.translate(part) for part in row.expressions] for row in node.expressions
        ]
        if len({len(row) for row in rows}) != 1:
            raise query_error(node, "All rows of VALUES must have the same number of values")
        types = []
        for column in zip(*rows, strict=True):
            common = common_type([value.type for value in column])
            if common is None:
                raise query_error(node, "The values of a column of VALUES must have the same type")
            types.append(common)
        listed = (
            ", ".join(convert(value, of).sql for value, of in zip(row, types, strict=True))
            for row in rows
        )
        names = [f"c{number}" for number in range(1, len(types) + 1)]
        sql = f"SELECT * FROM (VALUES ({'), ('.join(listed)})) AS v({', '.join(names)})"
        columns = (QueryColumn(None, name, of) for name, of in zip(names, types, strict=True))
        return TranslatedQuery(sql, tuple(columns))


def _converted(query: TranslatedQuery, types: Sequence[SqlType]) -> str:
    """A query with its columns converted to ``types``."""
    pairs = list(zip(query.columns, types, strict=True))
    if all(column.type == of for column, of in pairs):
        return query.sql
    columns = ", ".join(
        f"{cast_sql(column.sql, column.type, of)} AS {column.sql}" for column, of in pairs
    )
    return f"SELECT {columns} FROM ({query.sql})"
