"""Queries: SELECT, set operations, VALUES and WITH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from fleetstream.local.sql import invocations
from fleetstream.local.sql.conversion import cast_sql, coerce
from fleetstream.local.sql.expressions import Expressions
from fleetstream.local.sql.rejection import only, rejected
from fleetstream.local.sql.scope import Field, Query, Scope, Translation, internal
from fleetstream.local.sql.sources import Sources
from fleetstream.local.sql.types import Type, common_type

_SET_OPERATIONS: dict[type[exp.Expr], str] = {
    exp.Union: "UNION",
    exp.Intersect: "INTERSECT",
    exp.Except: "EXCEPT",
}
MOST_TEXT = 1_000_000
"""Characters of DuckDB's text for one query: names of WITH are written out where they stand."""
_SELECT = ("expressions", "from_", "joins", "where", "group", "having", "distinct", "windows")
_AROUND = ("with_", "order", "limit", "offset")


class Queries:
    """Translates whole queries; one instance serves one statement."""

    def __init__(self, translation: Translation) -> None:
        self._translation = translation

    def bind(self, node: exp.Expr, outer: Scope | None) -> Query:
        """The meaning of a query, inside the scope of the one around it, if any."""
        query = self._bind(node, outer)
        if len(query.sql) > MOST_TEXT:
            raise rejected(node, "The query is too complex; use fewer levels of nesting")
        return query

    def _bind(self, node: exp.Expr, outer: Scope | None) -> Query:
        if isinstance(node, exp.Subquery):
            only(node, "this", *_AROUND)
            return self._around(node, outer)
        if isinstance(node, exp.Select):
            return self._select(node, outer)
        if isinstance(node, exp.SetOperation):
            only(node, "this", "expression", "distinct", *_AROUND)
            return self._around(node, outer)
        if isinstance(node, exp.Values):
            only(node, "expressions", "alias")
            return self._values(node, outer)
        raise rejected(
            node,
            f"{type(node).__name__.upper()} is not supported; expected SELECT, WITH, SHOW or"
            " DESCRIBE",
        )

    def _with(self, node: exp.Expr, outer: Scope | None) -> Scope:
        """A scope that knows the queries named by WITH; each knows those before it."""
        scope = Scope(outer)
        clause = node.args.get("with_")
        if clause is None:
            return scope
        only(clause, "expressions")
        for part in clause.expressions:
            only(part, "this", "alias")
            query = self.bind(part.this, scope)
            names = part.args["alias"].args.get("columns") or []
            if names and len(names) != len(query.fields):
                raise rejected(
                    part, f"'{part.alias}' has {len(query.fields)} columns, not {len(names)}"
                )
            if names:
                renamed = zip(names, query.fields, strict=True)
                fields = (Field(name.name, old.sql, old.type) for name, old in renamed)
                query = Query(query.sql, tuple(fields))
            scope.ctes[part.alias.lower()] = query
        return scope

    def _around(self, node: exp.Expr, outer: Scope | None) -> Query:
        """A set operation or a query in parentheses, with ORDER BY, LIMIT and OFFSET around it."""
        scope = self._with(node, outer)
        if isinstance(node, exp.SetOperation):
            inner = self._set_operation(node, scope)
        else:
            inner = self.bind(node.this, scope)
        expressions = Expressions(self._translation, Scope(scope), self.bind)
        order = self._order(node, expressions, list(inner.fields), [None] * len(inner.fields))
        limit = self._limit(node)
        if not order and not limit:
            return inner
        return Query(f"SELECT * FROM ({inner.sql}){order}{limit}", inner.fields)

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Query:
        left, right = self.bind(node.this, scope), self.bind(node.expression, scope)
        if len(left.fields) != len(right.fields):
            raise rejected(
                node,
                f"The two sides have {len(left.fields)} and {len(right.fields)} columns; they must"
                " have the same number",
            )
        kinds = []
        for one, other in zip(left.fields, right.fields, strict=True):
            kind = common_type((one.type, other.type))
            if kind is None:
                raise rejected(
                    node, f"A column is {one.type} on one side, {other.type} on the other"
                )
            kinds.append(kind)
        word = _SET_OPERATIONS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        sides = [f"({_as_types(side, kinds)})" for side in (left, right)]
        fields = zip(left.fields, kinds, strict=True)
        return Query(
            f"{sides[0]} {word} {sides[1]}",
            tuple(Field(part.name, part.sql, kind) for part, kind in fields),
        )

    def _values(self, node: exp.Expr, outer: Scope | None) -> Query:
        expressions = Expressions(self._translation, Scope(outer), self.bind)
        rows = [[expressions.bind(part) for part in row.expressions] for row in node.expressions]
        if len({len(row) for row in rows}) != 1:
            raise rejected(node, "All rows of VALUES must have the same number of values")
        kinds = []
        for column in zip(*rows, strict=True):
            kind = common_type([part.type for part in column])
            if kind is None:
                raise rejected(node, "The values of a column of VALUES must have the same type")
            kinds.append(kind)
        texts = (
            ", ".join(coerce(part, kind).sql for part, kind in zip(row, kinds, strict=True))
            for row in rows
        )
        names = [f"c{place}" for place in range(1, len(kinds) + 1)]
        listed = ", ".join(f"({text})" for text in texts)
        sql = f"SELECT * FROM (VALUES {listed}) AS v({', '.join(names)})"
        columns = zip(names, kinds, strict=True)
        return Query(sql, tuple(Field(None, name, kind) for name, kind in columns))

    def _select(self, node: exp.Select, outer: Scope | None) -> Query:
        only(node, *_SELECT, *_AROUND)
        scope = Scope(self._with(node, outer))
        source = self._from(node, scope)
        windows = {part.name.lower(): part for part in node.args.get("windows") or []}
        expressions = Expressions(self._translation, scope, self.bind, windows)
        items = self._items(node, expressions, scope)
        where = node.args.get("where")
        condition = f" WHERE {expressions.condition(where.this)}" if where else ""
        grouped = self._group(node, expressions, len(items))
        having = node.args.get("having")
        filtered = f" HAVING {expressions.condition(having.this)}" if having else ""
        fields = _output(items)
        order = self._order(node, expressions, fields, [item.sql for item in items])
        distinct = node.args.get("distinct")
        if distinct is not None:
            only(distinct)
        listed = ", ".join(
            f"{item.sql} AS {part.sql}" for item, part in zip(items, fields, strict=True)
        )
        kept = "DISTINCT " if distinct else ""
        clauses = f"{source}{condition}{grouped}{filtered}{order}{self._limit(node)}"
        sql = f"SELECT {kept}{listed}{clauses}"
        return Query(sql, tuple(fields))

    def _from(self, node: exp.Select, scope: Scope) -> str:
        clause, joins = node.args.get("from_"), node.args.get("joins") or []
        if clause is None:
            return ""
        return f" FROM {Sources(self._translation, scope, self.bind).bind(clause.this, joins)}"

    def _items(self, node: exp.Select, expressions: Expressions, scope: Scope) -> list[Field]:
        """The columns of SELECT, with `*` and `alias.*` written out; `sql` is the expression."""
        items: list[Field] = []
        for part in node.expressions:
            inner = part.this if isinstance(part, exp.Alias) else part
            if isinstance(inner, exp.Star):
                only(inner)
                items += scope.visible()
            elif isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
                items += _of_relation(inner, scope)
            else:
                bound = expressions.bind(inner)
                name = part.alias if isinstance(part, exp.Alias) else _name(inner)
                table = next((f.table for f in scope.visible() if f.sql == bound.sql), None)
                renamed = isinstance(part, exp.Alias)
                items.append(Field(name or None, bound.sql, bound.type, table, renamed))
        if not items:
            raise rejected(node, "SELECT needs at least one column")
        return items

    def _group(self, node: exp.Select, expressions: Expressions, count: int) -> str:
        clause = node.args.get("group")
        if clause is None:
            return ""
        only(clause, "expressions")
        keys = [self._key(part, expressions, count) for part in clause.expressions]
        return f" GROUP BY {', '.join(keys)}"

    def _key(self, node: exp.Expr, expressions: Expressions, count: int) -> str:
        ordinal = _ordinal(node, count, "GROUP BY")
        if ordinal is not None:
            return ordinal
        words: dict[type[exp.Expr], str] = {
            exp.GroupingSets: "GROUPING SETS",
            exp.Rollup: "ROLLUP",
            exp.Cube: "CUBE",
        }
        if type(node) in words:
            inner = ", ".join(self._key(part, expressions, count) for part in node.expressions)
            return f"{words[type(node)]} ({inner})"
        if isinstance(node, exp.Tuple):
            return (
                f"({', '.join(self._key(part, expressions, count) for part in node.expressions)})"
            )
        return expressions.bind(node).sql

    def _order(
        self,
        node: exp.Expr,
        expressions: Expressions,
        fields: Sequence[Field],
        texts: Sequence[str | None],
    ) -> str:
        """ORDER BY, where the names and numbers of the result's columns go before all others."""
        clause = node.args.get("order")
        if clause is None:
            return ""
        distinct = node.args.get("distinct") and isinstance(node, exp.Select)

        def given(part: exp.Expr) -> str | None:
            ordinal = _ordinal(part, len(fields), "ORDER BY")
            if ordinal is not None:
                return ordinal
            if isinstance(part, exp.Column) and len(part.parts) == 1:
                for place, column in enumerate(fields, 1):
                    if column.name and column.name.lower() == part.name.lower():
                        return str(place)
            text = expressions.bind(part).sql
            if text in texts:
                return str(texts.index(text) + 1)
            if distinct:
                raise rejected(
                    part, "For SELECT DISTINCT, ORDER BY expressions must appear in the SELECT list"
                )
            return text

        return f" ORDER BY {invocations.order(expressions, clause, given)}"

    def _limit(self, node: exp.Expr) -> str:
        text = ""
        for name in ("limit", "offset"):
            clause = node.args.get(name)
            count = clause.args.get("expression") or clause.args.get("count") if clause else None
            if clause is None or (isinstance(count, exp.Var) and count.name.upper() == "ALL"):
                continue
            if not isinstance(count, exp.Literal) or not str(count.this).isdecimal():
                raise rejected(node, f"{name.upper()} must be followed by a whole number")
            text += f" {name.upper()} {int(count.this)}"
        return text


def _output(items: Sequence[Field]) -> list[Field]:
    """The result's columns under names of their own, since SQL lets names repeat."""
    used: set[str] = set()
    fields = []
    for place, item in enumerate(items):
        name = item.name or f"_col{place}"
        while name.lower() in used:
            name = f"{name}_{place}"
        used.add(name.lower())
        fields.append(replace(item, sql=internal(name)))
    return fields


def _of_relation(node: exp.Column, scope: Scope) -> list[Field]:
    wanted = node.args["table"].name.lower()
    for relation in scope.relations:
        if (relation.alias or "").lower() == wanted:
            return list(relation.fields)
    raise rejected(node, f"Table '{node.args['table'].name}' of '*' is not in FROM")


def _name(node: exp.Expr) -> str | None:
    """The name that a column of a result has of itself."""
    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.name) if isinstance(node, exp.Column) else None


def _ordinal(node: exp.Expr, count: int, clause: str) -> str | None:
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    if not str(node.this).isdecimal() or not 1 <= int(node.this) <= count:
        raise rejected(node, f"{clause} position {node.this} is not in the SELECT list")
    return str(int(node.this))


def _as_types(query: Query, kinds: Sequence[Type]) -> str:
    """A query's text with its columns turned into `kinds`."""
    if all(part.type == kind for part, kind in zip(query.fields, kinds, strict=True)):
        return query.sql
    columns = ", ".join(
        f"{cast_sql(part.sql, part.type, kind)} AS {part.sql}"
        for part, kind in zip(query.fields, kinds, strict=True)
    )
    return f"SELECT {columns} FROM ({query.sql})"
