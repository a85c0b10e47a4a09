"""What names mean inside a query: the relations of FROM, their columns, and the queries around."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from fleetstream.local.catalog import Column
from fleetstream.local.sql.rejection import rejected
from fleetstream.local.sql.types import Bound, Row, Type


class Tables(Protocol):
    """What a translation needs to know of the store."""

    def databases(self) -> Sequence[str]:
        """The names of the databases."""

    def tables(self, database: str) -> Sequence[str]:
        """The names of a database's tables."""

    def columns(self, database: str, table: str) -> Sequence[Column]:
        """A table's visible columns, in order."""

    def measures(self, database: str, table: str) -> Sequence[tuple[str, str, Sequence[str]]]:
        """A table's measures: name, data type, and the names of the dimensions they come with."""

    def relation(self, database: str, table: str) -> str:
        """The SQL name to read a table from."""


@dataclass
class Translation:
    """What is known and gathered during the translation of one statement.

    `now` is the query's one present moment, in nanoseconds since 1970; `parameters` are the types
    found for `@name` placeholders, which only a query that is being prepared may have.
    """

    tables: Tables
    preparing: bool = False
    now: int = field(default_factory=time.time_ns)
    parameters: dict[str, Type] = field(default_factory=dict)
    used_names: int = 0

    def fresh(self, prefix: str) -> str:
        """A name that nothing else in the statement has."""
        self.used_names += 1
        return f"{prefix}{self.used_names}"


def identifier(name: str) -> str:
    """`name` as a quoted identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def internal(name: str) -> str:
    """The identifier under which a column called `name` goes in DuckDB's text.

    It begins with an underscore, as no variable of a lambda does: DuckDB would take `t.f1` inside
    of `lambda t` for a field of a column `t`, if there was one.
    """
    return identifier(f"_{name}")


@dataclass(frozen=True)
class Field:
    """A column that can be named: its name, DuckDB's text for it, and its type.

    `table` tells the stored database and table that it was read from, if straight from one;
    `aliased` whether the query gave it another name.
    """

    name: str | None
    sql: str
    type: Type
    table: tuple[str, str] | None = None
    aliased: bool = False


@dataclass(frozen=True)
class Relation:
    """Something that FROM reads, under the name that columns are qualified with."""

    alias: str | None
    fields: tuple[Field, ...]
    database: str | None = None


@dataclass(frozen=True)
class Query:
    """A query that has been translated: DuckDB's text and its columns.

    A column's `sql` is its name in the text's result.
    """

    sql: str
    fields: tuple[Field, ...]


@dataclass
class Scope:
    """The relations of one FROM, in the scope of the query around it, if any.

    `hidden` holds columns that USING has merged into another, by their text; they can still be
    named with their relation's alias.
    """

    parent: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    ctes: dict[str, Query] = field(default_factory=dict)
    merged: list[Field] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    def cte(self, name: str) -> Query | None:
        """The query that WITH has named so, here or around."""
        scope: Scope | None = self
        while scope is not None:
            if name.lower() in scope.ctes:
                return scope.ctes[name.lower()]
            scope = scope.parent
        return None

    def visible(self) -> Iterator[Field]:
        """The columns that `*` stands for."""
        yield from self.merged
        for relation in self.relations:
            yield from (part for part in relation.fields if part.sql not in self.hidden)

    def resolve(self, node: exp.Expr, names: Sequence[str]) -> Bound:
        """The column that `names` (`column`, `alias.column`, `database.table.column`) means.

        What follows the column's name picks fields out of a row.
        """
        scope: Scope | None = self
        while scope is not None:
            found = scope.find(node, names)
            if found is not None:
                return found
            scope = scope.parent
        raise rejected(node, f"Column '{'.'.join(names)}' does not exist")

    def find(self, node: exp.Expr, names: Sequence[str]) -> Bound | None:
        """What `resolve` looks for, in this scope alone."""
        for width in (3, 2, 1):
            if len(names) < width:
                continue
            candidates = self._candidates(names[:width])
            if len({candidate.sql for candidate in candidates}) > 1:
                raise rejected(node, f"Column '{'.'.join(names[:width])}' is ambiguous")
            if candidates:
                found = Bound(candidates[0].sql, candidates[0].type)
                return dereference(node, found, names[width:])
        return None

    def _candidates(self, names: Sequence[str]) -> list[Field]:
        *qualifiers, wanted = (name.lower() for name in names)
        if not qualifiers:
            fields = list(self.visible())
        else:
            fields = [
                part
                for relation in self.relations
                if _qualifies(relation, qualifiers)
                for part in relation.fields
            ]
        return [part for part in fields if part.name and part.name.lower() == wanted]


def _qualifies(relation: Relation, qualifiers: Sequence[str]) -> bool:
    alias = (relation.alias or "").lower()
    if len(qualifiers) == 1:
        return alias == qualifiers[0]
    return alias == qualifiers[1] and (relation.database or "").lower() == qualifiers[0]


def dereference(node: exp.Expr, value: Bound, names: Sequence[str]) -> Bound:
    """The field of a row that `names` picks, one name a level."""
    for name in names:
        if not isinstance(value.type, Row):
            raise rejected(node, f"Expression of type {value.type} has no field '{name}'")
        for place, (field_name, kind) in enumerate(value.type.fields, 1):
            if field_name is not None and field_name.lower() == name.lower():
                value = Bound(f"({value.sql}).f{place}", kind)
                break
        else:
            raise rejected(node, f"{value.type} has no field '{name}'")
    return value
