"""What a translation reads, its state, and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Protocol

from fleetstream.emulator.quoting import quote_identifier
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import SqlType
from fleetstream.emulator.store.catalog import TableColumn


class CatalogReader(Protocol):
    """What a translation reads from the store."""

    def databases(self) -> Sequence[str]:
        """Names of the databases."""

    def tables(self, database: str) -> Sequence[str]:
        """Names of a database's tables."""

    def columns(self, database: str, table: str) -> Sequence[TableColumn]:
        """A table's columns, in order."""

    def measures(self, database: str, table: str) -> Sequence[tuple[str, str, Sequence[str]]]:
        """Name, data type and dimensions of a table's measures."""

    def now(self) -> int:
        """The time of queries, in nanoseconds since 1970."""

    def relation(self, database: str, table: str, columns: Sequence[str]) -> str:
        """A DuckDB subquery that reads some columns of a table."""


@dataclass(frozen=True)
class TimeRange:
    """The times that the conditions of one SELECT leave of a stored table.

    ``starts`` and ``ends`` are DuckDB expressions of timestamps: all starts are before or at the
    times, and all ends after or at them. Without any, the times have no such bound.
    """

    database: str
    table: str
    starts: tuple[str, ...]
    ends: tuple[str, ...]


@dataclass
class TranslationContext:
    """State of the translation of one statement.

    Attributes:
        catalog: Databases and tables.
        preparing: Whether the query is prepared, and may have parameters.
        time_ranges: Gets the time ranges of the query's tables, if it is not None.
        now: The time of the query, in nanoseconds since 1970.
        parameters: Types of the query's parameters, as far as they are known.
        volatile: Whether the translation contains a random call, which DuckDB refuses inside TRY.
        mark: What no text of the statement can contain.

    """

    catalog: CatalogReader
    preparing: bool = False
    time_ranges: list[TimeRange] | None = None
    now: int = field(init=False)
    parameters: dict[str, SqlType] = field(default_factory=dict)
    volatile: bool = False
    mark: str = field(default_factory=token_hex)
    _aliases: int = 0

    def __post_init__(self) -> None:
        self.now = self.catalog.now()

    def new_alias(self) -> str:
        """A relation name that nothing else in the statement has."""
        self._aliases += 1
        return f"r{self._aliases}"


def internal_name(name: str) -> str:
    """The quoted identifier of a Timestream column in the translation.

    It starts with an underscore, and no lambda variable does: within ``lambda t``, DuckDB reads
    ``t.f1`` as a field of a column ``t``, if there is one.
    """
    return quote_identifier(f"_{name}")


@dataclass(frozen=True)
class QueryColumn:
    """A column of a relation or of a query's result.

    Attributes:
        name: Its name in Timestream, if it has one.
        sql: The DuckDB expression that reads it.
        type: Its type.
        table: Database and table, if it is read from a stored table unchanged.
        aliased: Whether the query gave it another name.

    """

    name: str | None
    sql: str
    type: SqlType
    table: tuple[str, str] | None = None
    aliased: bool = False

    def value(self) -> TypedSql:
        """The column's value; the store refuses NaN, so a stored column has none."""
        return TypedSql(self.sql, self.type, simple=True, never_nan=self.table is not None)

    def is_named(self, name: str) -> bool:
        """Whether this is the column's name; letter case is ignored."""
        return self.name is not None and self.name.lower() == name.lower()


@dataclass(frozen=True)
class TranslatedQuery:
    """A query in DuckDB's SQL; the ``sql`` of its columns are their names in its result."""

    sql: str
    columns: tuple[QueryColumn, ...]


@dataclass(frozen=True)
class TranslatedStatement:
    """A statement's translation.

    Attributes:
        columns: The columns of the result.
        sql: DuckDB's SQL, whose result has every scalar value as text, but for numbers, which
            ``as_texts`` converts; None for SHOW and DESCRIBE.
        rows: The result of SHOW and DESCRIBE.
        parameters: Names and types of the parameters of a prepared query.
        aggregated: Whether the result is expected to have few rows, for the rows of tables are
            aggregated.

    """

    columns: tuple[QueryColumn, ...]
    sql: str | None = None
    rows: Sequence[Sequence[Any]] = ()
    parameters: Mapping[str, SqlType] | None = None
    aggregated: bool = False
