"""FROM: stored tables, named queries, subqueries, VALUES, UNNEST, and joins.

A stored table is only read through the SQL that the store provides for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from fleetstream.emulator.quoting import quote_identifier
from fleetstream.emulator.sql.conversion import convert
from fleetstream.emulator.sql.errors import keywords, query_error, require_only
from fleetstream.emulator.sql.expressions import ExpressionTranslator
from fleetstream.emulator.sql.expressions.arithmetic import operator_error
from fleetstream.emulator.sql.expressions.comparisons import compare
from fleetstream.emulator.sql.name_resolution import NameScope, Relation, StoredSource
from fleetstream.emulator.sql.table_lookup import find_table
from fleetstream.emulator.sql.translation import (
    QueryColumn,
    TranslatedQuery,
    TranslationContext,
    internal_name,
)
from fleetstream.emulator.sql.types import (
    BIGINT,
    COLUMN_TYPES,
    ArrayType,
    RowType,
    SqlType,
    as_array,
    common_type,
)
from fleetstream.emulator.store.catalog import TIME_COLUMN

_JOINS = {"": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


class FromTranslator:
    """Translates the FROM clause of one query, and adds its relations to the query's scope."""

    def __init__(
        self, context: TranslationContext, scope: NameScope, expressions: ExpressionTranslator
    ) -> None:
        self._context = context
        self._scope = scope
        self._expressions = expressions

    def translate(self, source: exp.Expr, joins: Sequence[exp.Expr]) -> str:
        sql = self._source(source)
        for join in [*(source.args.get("joins") or []), *joins]:
            sql = self._join(sql, join)
        return sql

    def _join(self, left: str, node: exp.Expr) -> str:
        require_only(node, "this", "side", "kind", "on", "using")
        side, kind = str(node.args.get("side") or "").upper(), str(node.args.get("kind") or "")
        on, using = node.args.get("on"), node.args.get("using")
        if kind.upper() not in ("", "INNER", "CROSS", "OUTER") or side not in _JOINS:
            words = " ".join(word for word in (side, kind, "JOIN") if word)
            raise query_error(node, f"{words} is not supported")
        left_columns = list(self._scope.visible_columns())
        right = self._source(node.this)
        if node.this.args.get("joins"):
            raise query_error(node, "Joins inside parentheses are not supported; use a subquery")
        if using:
            names = [name.name for name in using]
            condition = " AND ".join(
                self._merge_columns(node, name, left_columns, side) for name in names
            )
        elif on is not None:
            condition = self._expressions.boolean(on)
        elif side:
            raise query_error(node, f"{side} JOIN needs ON or USING")
        else:
            return f"{left} CROSS JOIN {right}"
        return f"{left} {_JOINS[side]} {right} ON {condition}"

    def _merge_columns(
        self, node: exp.Expr, name: str, left_columns: Sequence[QueryColumn], side: str
    ) -> str:
        """Make one column of the two that USING names; returns the condition of the join."""
        left_column = next((column for column in left_columns if column.is_named(name)), None)
        right_columns = self._scope.relations[-1].columns
        right_column = next((column for column in right_columns if column.is_named(name)), None)
        if left_column is None or right_column is None:
            raise query_error(node, f"Column '{name}' of USING is missing on one side")
        left, right = left_column.value(), right_column.value()
        condition, common = compare("=", left, right), common_type((left.type, right.type))
        if condition is None or common is None:
            operator_error(node, "=", left.type, right.type)
        merged = left.sql
        if side in ("RIGHT", "FULL"):
            merged = f"coalesce({convert(left, common).sql}, {convert(right, common).sql})"
        scope = self._scope
        scope.hidden |= {left.sql, right.sql}
        scope.merged = [column for column in scope.merged if column.sql != left.sql]
        scope.merged.append(QueryColumn(left_column.name, merged, common))
        return condition.sql

    def _source(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Unnest):
            return self._unnest(node)
        if isinstance(node, exp.Subquery):
            require_only(node, "this", "alias", "joins")
            if isinstance(node.this, exp.Table):
                raise query_error(node, "A table in parentheses is not supported; use a subquery")
            return self._derived_table(node, self._expressions.query(node.this))
        if isinstance(node, exp.Values):
            return self._derived_table(node, self._expressions.query(node))
        if isinstance(node, exp.Table):
            return self._table(node)
        raise query_error(node, f"{keywords(node)} in FROM is not supported")

    def _table(self, node: exp.Table) -> str:
        named = self._scope.named_query(node.name) if not node.args.get("db") else None
        if named is not None:
            require_only(node, "this", "alias", "joins")
            return self._derived_table(node, named, node.name)
        catalog = self._context.catalog
        database, table = find_table(catalog, node)
        alias = self._context.new_alias()
        columns = tuple(
            QueryColumn(
                column.name,
                f"{alias}.{internal_name(column.name)}",
                COLUMN_TYPES[column.type],
                (database, table),
            )
            for column in catalog.columns(database, table)
        )

        def read(used: Sequence[QueryColumn]) -> str:
            names = [str(column.name) for column in used] or [TIME_COLUMN.name]
            listed = (f"{quote_identifier(name)} AS {internal_name(name)}" for name in names)
            relation = catalog.relation(database, table, names)
            return f"(SELECT {', '.join(listed)} FROM {relation}) AS {alias}"

        placeholder = f"{self._context.mark}_{alias}_"
        source = StoredSource(database, table, placeholder, columns, read)
        self._add_relation(node, table, columns, stored=source)
        return placeholder

    def _derived_table(
        self, node: exp.Expr, query: TranslatedQuery, name: str | None = None
    ) -> str:
        alias = self._context.new_alias()
        columns = tuple(
            QueryColumn(column.name, f"{alias}.{column.sql}", column.type, column.table)
            for column in query.columns
        )
        self._add_relation(node, name, columns)
        return f"({query.sql}) AS {alias}"

    def _unnest(self, node: exp.Unnest) -> str:
        """UNNEST; an array of rows and a time series have one column per field."""
        require_only(node, "expressions", "alias", "offset")
        alias = self._context.new_alias()
        arrays, unnested = [], []
        columns: list[QueryColumn] = []
        for number, expression in enumerate(node.expressions, 1):
            array = self._expressions.translate(expression)
            of = as_array(array.type)
            if not isinstance(of, ArrayType):
                raise query_error(expression, f"Cannot unnest type: {of}")
            arrays.append(f"{array.sql} AS a{number}")
            unnested.append(f"unnest(a{number}) AS e{number}")
            columns += _element_columns(f"{alias}.e{number}", of.element)
        names = list(node.args["alias"].args.get("columns") or []) if node.args.get("alias") else []
        ordinality = node.args.get("offset")
        if ordinality:
            lengths = ", ".join(f"len(a{number})" for number in range(1, len(arrays) + 1))
            unnested.append(f"unnest(range(1, list_max([{lengths}]) + 1)) AS ordinality")
            columns.append(QueryColumn(None, f"{alias}.ordinality", BIGINT))
            names += [ordinality] if isinstance(ordinality, exp.Identifier) else []
        self._add_relation(node, None, tuple(columns), column_names=names)
        # The inner query evaluates each array once.
        inner = f"SELECT {', '.join(arrays)}"
        return f"LATERAL (SELECT {', '.join(unnested)} FROM ({inner})) AS {alias}"

    def _add_relation(
        self,
        node: exp.Expr,
        name: str | None,
        columns: tuple[QueryColumn, ...],
        *,
        stored: StoredSource | None = None,
        column_names: Sequence[exp.Expr] | None = None,
    ) -> None:
        """Add a relation under its alias, with the column names of the alias."""
        alias = node.args.get("alias")
        if column_names is None:
            column_names = (alias.args.get("columns") or []) if alias is not None else []
        if column_names and len(column_names) != len(columns):
            raise query_error(
                node,
                f"Column alias list has {len(column_names)} entries but there are"
                f" {len(columns)} columns",
            )
        if column_names:
            columns = tuple(
                QueryColumn(given.name, column.sql, column.type, column.table)
                for given, column in zip(column_names, columns, strict=True)
            )
        # Only the name of a stored table can follow that of its database.
        database = stored.database if stored is not None and not node.alias else None
        self._scope.relations.append(Relation(node.alias or name, columns, database, stored))


def _element_columns(sql: str, element: SqlType) -> list[QueryColumn]:
    if not isinstance(element, RowType):
        return [QueryColumn(None, sql, element)]
    return [
        QueryColumn(name, f"({sql}).f{number}", of)
        for number, (name, of) in enumerate(element.fields, 1)
    ]
