"""Names in queries: the relations of FROM, their columns, and the queries around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error
from fleetstream.emulator.sql.translation import QueryColumn, TranslatedQuery
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import RowType


@dataclass(frozen=True)
class StoredSource:
    """A stored table in FROM.

    DuckDB takes most of the time of a small query to bind columns, so only those that the query
    uses are read. They are known when the query is translated.

    Attributes:
        database: The name of its database.
        table: Its name.
        placeholder: What stands for it in a query until then.
        columns: Its columns.
        read: Makes the SQL that reads some of them.

    """

    database: str
    table: str
    placeholder: str
    columns: tuple[QueryColumn, ...]
    read: Callable[[Sequence[QueryColumn]], str]

    def put_into(self, query: str) -> str:
        """A query with the SQL that reads the table in place of the placeholder."""
        used = [column for column in self.columns if column.sql in query]
        return query.replace(self.placeholder, self.read(used))


@dataclass(frozen=True)
class Relation:
    """A relation of FROM; ``alias``, or ``database`` and ``alias``, can qualify its columns.

    ``stored`` is the stored table that it is, if it is one.
    """

    alias: str | None
    columns: tuple[QueryColumn, ...]
    database: str | None = None
    stored: StoredSource | None = None

    def is_qualified_by(self, names: Sequence[str]) -> bool:
        """Whether ``names``, in lower case, are its alias, or its database and alias."""
        alias = (self.alias or "").lower()
        if len(names) == 1:
            return alias == names[0]
        return [(self.database or "").lower(), alias] == list(names)


@dataclass
class NameScope:
    """The names that are known in one query.

    Attributes:
        parent: The scope of the query around it.
        relations: The relations of FROM.
        named_queries: The queries of WITH, by name in lower case.
        merged: Columns that USING makes of two columns.
        hidden: The ``sql`` of the columns that USING merged; they can only be named with their
            relation's alias.

    """

    parent: NameScope | None = None
    relations: list[Relation] = field(default_factory=list)
    named_queries: dict[str, TranslatedQuery] = field(default_factory=dict)
    merged: list[QueryColumn] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    def named_query(self, name: str) -> TranslatedQuery | None:
        """The query of WITH with this name, in this scope or around it."""
        for scope in self._with_parents():
            if name.lower() in scope.named_queries:
                return scope.named_queries[name.lower()]
        return None

    def visible_columns(self) -> Iterator[QueryColumn]:
        """The columns that ``*`` stands for."""
        yield from self.merged
        for relation in self.relations:
            yield from (column for column in relation.columns if column.sql not in self.hidden)

    def resolve(self, node: exp.Expr, names: Sequence[str]) -> TypedSql:
        """The column of a name: ``column``, ``alias.column`` or ``database.table.column``.

        Names after the column's select fields of rows.
        """
        for scope in self._with_parents():
            found = scope.resolve_here(node, names)
            if found is not None:
                return found
        raise query_error(node, f"Column '{'.'.join(names)}' does not exist")

    def _with_parents(self) -> Iterator[NameScope]:
        scope: NameScope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def resolve_here(self, node: exp.Expr, names: Sequence[str]) -> TypedSql | None:
        """The column that ``resolve`` returns, if it is in this scope."""
        for length in range(min(len(names), 3), 0, -1):
            candidates = self._columns_named(names[:length])
            if len({candidate.sql for candidate in candidates}) > 1:
                raise query_error(node, f"Column '{'.'.join(names[:length])}' is ambiguous")
            if candidates:
                return select_fields(node, candidates[0].value(), names[length:])
        return None

    def _columns_named(self, names: Sequence[str]) -> list[QueryColumn]:
        *qualifiers, wanted = (name.lower() for name in names)
        columns: Iterator[QueryColumn] = self.visible_columns()
        if qualifiers:
            columns = (
                column
                for relation in self.relations
                if relation.is_qualified_by(qualifiers)
                for column in relation.columns
            )
        return [column for column in columns if column.is_named(wanted)]


def select_fields(node: exp.Expr, value: TypedSql, names: Sequence[str]) -> TypedSql:
    """The field that ``names`` selects from a row, one name per level."""
    for name in names:
        if not isinstance(value.type, RowType):
            raise query_error(node, f"Expression of type {value.type} has no field '{name}'")
        for number, (field_name, of) in enumerate(value.type.fields, 1):
            if field_name is not None and field_name.lower() == name.lower():
                value = TypedSql(f"({value.sql}).f{number}", of, value.simple)
                break
        else:
            raise query_error(node, f"{value.type} has no field '{name}'")
    return value
