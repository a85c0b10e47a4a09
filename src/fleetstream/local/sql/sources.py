"""FROM: stored tables, named queries, subqueries, VALUES, UNNEST, and how they are joined.

A table is only ever read through the store's own name for it, so nothing else can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from fleetstream.local.sql.conversion import coerce
from fleetstream.local.sql.expressions import Expressions
from fleetstream.local.sql.operators import comparison
from fleetstream.local.sql.rejection import only, rejected
from fleetstream.local.sql.scope import (
    Field,
    Query,
    Relation,
    Scope,
    Translation,
    identifier,
    internal,
)
from fleetstream.local.sql.types import (
    BIGINT,
    COLUMN_TYPES,
    Array,
    Bound,
    Row,
    TimeSeries,
    Type,
    common_type,
)

QueryBinder = Callable[[exp.Expr, Scope], Query]

_SIDES = {"": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


def find_table(translation: Translation, node: exp.Expr) -> tuple[str, str]:
    """The stored database and table that `node` names, in the store's own spelling.

    Raises:
        ValidationException: it names none; says what is missing.

    """
    only(node, "this", "db", "alias", "joins")
    database, table = node.args.get("db"), node.this
    if not isinstance(table, exp.Identifier):
        raise rejected(node, f"Table function '{table.name or table}' is not supported")
    if database is None:
        raise rejected(node, f'Table \'{table.name}\' needs its database: "database"."table"')
    tables = translation.tables
    found = _spelled(database.name, tables.databases())
    if found is None:
        raise rejected(node, f"Database '{database.name}' does not exist")
    named = _spelled(table.name, tables.tables(found))
    if named is None:
        raise rejected(node, f"Table '{found}.{table.name}' does not exist")
    return found, named


def _spelled(name: str, known: Sequence[str]) -> str | None:
    """`name` as the store spells it: exactly, or else but for the case of letters."""
    if name in known:
        return name
    alike = [other for other in known if other.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


class Sources:
    """Translates the FROM clause of one query into its scope."""

    def __init__(self, translation: Translation, scope: Scope, bind_query: QueryBinder) -> None:
        self._translation = translation
        self._scope = scope
        self._bind_query = bind_query
        self._expressions = Expressions(translation, scope, bind_query)

    def bind(self, source: exp.Expr, joins: Sequence[exp.Expr]) -> str:
        """DuckDB's text of FROM; the relations are added to the scope."""
        text = self._source(source)
        for join in [*(source.args.get("joins") or []), *joins]:
            text = self._join(text, join)
        return text

    def _join(self, left: str, node: exp.Expr) -> str:
        only(node, "this", "side", "kind", "on", "using")
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "")
        on, using = node.args.get("on"), node.args.get("using")
        if kind.upper() not in ("", "INNER", "CROSS", "OUTER") or side not in _SIDES:
            raise rejected(node, f"{side} {kind} JOIN is not supported".replace("  ", " ").strip())
        before = list(self._scope.visible())
        right = self._source(node.this)
        if node.this.args.get("joins"):
            raise rejected(node, "Joins inside parentheses are not supported; use a subquery")
        if using:
            condition = self._merge(node, using, before, side)
        elif on is not None:
            condition = self._expressions.condition(on)
        elif side:
            raise rejected(node, f"{side} JOIN needs ON or USING")
        else:
            return f"{left} CROSS JOIN {right}"
        return f"{left} {_SIDES[side]} {right} ON {condition}"

    def _merge(
        self, node: exp.Expr, using: Sequence[exp.Expr], before: Sequence[Field], side: str
    ) -> str:
        """The condition of USING; of each pair of columns one remains, whichever is not null."""
        conditions, added = [], self._scope.relations[-1]
        for name in using:
            pair = [
                next(
                    (part for part in fields if (part.name or "").lower() == name.name.lower()),
                    None,
                )
                for fields in (before, added.fields)
            ]
            if pair[0] is None or pair[1] is None:
                raise rejected(node, f"Column '{name.name}' of USING is missing on one side")
            left, right = (Bound(part.sql, part.type) for part in pair if part)
            equal, kind = comparison("=", left, right), common_type((left.type, right.type))
            if equal is None or kind is None:
                raise rejected(node, f"Cannot apply operator: {left.type} = {right.type}")
            conditions.append(equal.sql)
            both = f"coalesce({coerce(left, kind).sql}, {coerce(right, kind).sql})"
            text = both if side in ("RIGHT", "FULL") else left.sql
            self._scope.hidden |= {left.sql, right.sql}
            self._scope.merged = [part for part in self._scope.merged if part.sql != left.sql]
            self._scope.merged.append(Field(pair[0].name, text, kind))
        return " AND ".join(conditions)

    def _source(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Unnest):
            return self._unnest(node)
        if isinstance(node, exp.Subquery):
            only(node, "this", "alias", "joins")
            if isinstance(node.this, exp.Table):
                raise rejected(node, "A table in parentheses is not supported; use a subquery")
            return self._derived(node, self._bind_query(node.this, self._scope))
        if isinstance(node, exp.Values):
            return self._derived(node, self._bind_query(node, self._scope))
        if isinstance(node, exp.Table):
            return self._table(node)
        raise rejected(node, f"{type(node).__name__.upper()} in FROM is not supported")

    def _table(self, node: exp.Table) -> str:
        named = self._scope.cte(node.name) if not node.args.get("db") else None
        if named is not None:
            only(node, "this", "alias", "joins")
            return self._derived(node, named, node.name)
        database, table = find_table(self._translation, node)
        tables = self._translation.tables
        alias = self._translation.fresh("r")
        columns = tables.columns(database, table)
        fields = tuple(
            Field(
                column.name,
                f"{alias}.{internal(column.name)}",
                COLUMN_TYPES[column.type],
                (database, table),
            )
            for column in columns
        )
        self._add(node, table, fields, None if node.alias else database)
        read = ", ".join(
            f"{identifier(column.name)} AS {internal(column.name)}" for column in columns
        )
        return f"(SELECT {read} FROM {tables.relation(database, table)}) AS {alias}"

    def _derived(self, node: exp.Expr, query: Query, name: str | None = None) -> str:
        alias = self._translation.fresh("r")
        fields = tuple(
            Field(part.name, f"{alias}.{part.sql}", part.type, part.table) for part in query.fields
        )
        self._add(node, name, fields)
        return f"({query.sql}) AS {alias}"

    def _unnest(self, node: exp.Unnest) -> str:
        """UNNEST, beside what stands before it in FROM: rows and series give a column a field."""
        only(node, "expressions", "alias", "offset")
        alias, parts, lengths = self._translation.fresh("u"), [], []
        fields: list[Field] = []
        for place, expression in enumerate(node.expressions, 1):
            array = self._expressions.bind(expression)
            kind = array.type.rows if isinstance(array.type, TimeSeries) else array.type
            if not isinstance(kind, Array):
                raise rejected(expression, f"Cannot unnest type: {kind}")
            parts.append(f"unnest({array.sql}) AS e{place}")
            lengths.append(f"len({array.sql})")
            fields += _elements(f"{alias}.e{place}", kind.element)
        names = list(node.args["alias"].args.get("columns") or []) if node.args.get("alias") else []
        offset = node.args.get("offset")
        if offset:
            longest = lengths[0] if len(lengths) == 1 else f"greatest({', '.join(lengths)})"
            parts.append(f"unnest(range(1, {longest} + 1)) AS place")
            name = offset if isinstance(offset, exp.Identifier) else None
            fields.append(Field(None, f"{alias}.place", BIGINT))
            names += [name] if name is not None else []
        self._add(node, None, tuple(fields), names=names)
        return f"LATERAL (SELECT {', '.join(parts)}) AS {alias}"

    def _add(
        self,
        node: exp.Expr,
        name: str | None,
        fields: tuple[Field, ...],
        database: str | None = None,
        names: Sequence[exp.Expr] | None = None,
    ) -> None:
        """Put a relation into the scope, under its alias and with the alias's column names."""
        alias = node.args.get("alias")
        if names is None:
            names = (alias.args.get("columns") or []) if alias is not None else []
        if names and len(names) != len(fields):
            raise rejected(
                node,
                f"Column alias list has {len(names)} entries but there are {len(fields)} columns",
            )
        if names:
            fields = tuple(
                Field(given.name, part.sql, part.type, part.table)
                for given, part in zip(names, fields, strict=True)
            )
        self._scope.relations.append(Relation(node.alias or name, fields, database))


def _elements(text: str, element: Type) -> list[Field]:
    if not isinstance(element, Row):
        return [Field(None, text, element)]
    return [
        Field(name, f"({text}).f{place}", kind)
        for place, (name, kind) in enumerate(element.fields, 1)
    ]
