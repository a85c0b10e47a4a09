"""What databases and tables there are, and their properties, columns and tags.

The catalogue is kept in DuckDB's own tables, in the schema `catalog`, and mirrored in memory. A
change is written first, inside the caller's transaction, and shown to readers after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import duckdb
import msgspec

from fleetstream.local.errors import ConflictException, ResourceNotFoundException
from fleetstream.local.requests import (
    MagneticStoreWriteProperties,
    RetentionProperties,
    Schema,
)

ColumnKind = Literal["dimension", "measure_name", "time", "measure_value"]
ColumnType = Literal["varchar", "double", "bigint", "boolean", "timestamp"]

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class Column:
    """A column of a table, as Timestream shows it."""

    name: str
    kind: ColumnKind
    type: ColumnType


MEASURE_NAME = Column("measure_name", "measure_name", "varchar")
TIME = Column("time", "time", "timestamp")


class Database(msgspec.Struct, frozen=True):
    """A database and its properties; times are seconds since 1970."""

    name: str
    kms_key_id: str
    created: float
    updated: float

    @property
    def arn(self) -> str:
        """The database's resource name."""
        return f"arn:aws:timestream:{REGION}:{ACCOUNT}:database/{self.name}"


class Table(msgspec.Struct, frozen=True):
    """A table and its properties; `id` is what its data are kept under."""

    id: int
    database: str
    name: str
    retention: RetentionProperties
    magnetic_store: MagneticStoreWriteProperties
    schema: Schema
    created: float
    updated: float

    @property
    def arn(self) -> str:
        """The table's resource name."""
        return f"arn:aws:timestream:{REGION}:{ACCOUNT}:database/{self.database}/table/{self.name}"


_TABLES = """
CREATE SCHEMA IF NOT EXISTS catalog;
CREATE TABLE IF NOT EXISTS catalog.databases (name VARCHAR, properties VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.tables (id INTEGER, properties VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.columns
    (table_id INTEGER, place INTEGER, name VARCHAR, kind VARCHAR, type VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.measures (table_id INTEGER, name VARCHAR, type VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.tags (arn VARCHAR, key VARCHAR, value VARCHAR);
"""


class Catalog:
    """The databases, tables and tags of one store.

    Only one thread changes it, the one that owns `connection`; any thread may read.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._databases: dict[str, Database] = {}
        self._tables: dict[tuple[str, str], Table] = {}
        self._tags: dict[str, dict[str, str]] = {}
        connection.execute(_TABLES)
        self.reload()

    def reload(self) -> None:
        """Take everything from the store, forgetting what was not committed."""
        rows = self._connection.execute("SELECT properties FROM catalog.databases").fetchall()
        databases = [msgspec.json.decode(text, type=Database) for (text,) in rows]
        self._databases = {database.name: database for database in databases}
        rows = self._connection.execute("SELECT properties FROM catalog.tables").fetchall()
        tables = [msgspec.json.decode(text, type=Table) for (text,) in rows]
        self._tables = {(table.database, table.name): table for table in tables}
        tags: dict[str, dict[str, str]] = {}
        rows = self._connection.execute("SELECT * FROM catalog.tags ORDER BY rowid").fetchall()
        for arn, key, value in rows:
            tags.setdefault(arn, {})[key] = value
        self._tags = tags

    def databases(self) -> list[Database]:
        """All databases, by name."""
        return sorted(self._databases.values(), key=lambda database: database.name)

    def tables(self, database: str | None = None) -> list[Table]:
        """The tables of a database, or of all, by name.

        Raises:
            ResourceNotFoundException: there is no such database.

        """
        if database is not None:
            self.database(database)
        found = [t for t in self._tables.values() if database is None or t.database == database]
        return sorted(found, key=lambda table: (table.database, table.name))

    def database(self, name: str) -> Database:
        """The database of this name.

        Raises:
            ResourceNotFoundException: there is none.

        """
        found = self._databases.get(name)
        if found is None:
            raise ResourceNotFoundException(f"The database {name} does not exist.")
        return found

    def table(self, database: str, name: str) -> Table:
        """The table of this name.

        Raises:
            ResourceNotFoundException: there is no such database, or no such table in it.

        """
        found = self._tables.get((database, name))
        if found is None:
            self.database(database)
            raise ResourceNotFoundException(f"The table {name} does not exist.")
        return found

    def add_database(self, database: Database) -> None:
        """Add a database.

        Raises:
            ConflictException: there is one of this name.

        """
        if database.name in self._databases:
            raise ConflictException(f"The database {database.name} already exists.")
        self.put_database(database)

    def put_database(self, database: Database) -> None:
        """Write a database's properties."""
        self.remove_database(database.name)
        self._connection.execute(
            "INSERT INTO catalog.databases VALUES (?, ?)",
            [database.name, msgspec.json.encode(database).decode()],
        )

    def remove_database(self, name: str) -> None:
        """Remove a database that has no tables."""
        self._connection.execute("DELETE FROM catalog.databases WHERE name = ?", [name])

    def new_table_id(self) -> int:
        """A number that no table has."""
        return max((table.id for table in self._tables.values()), default=0) + 1

    def add_table(self, table: Table) -> None:
        """Add a table.

        Raises:
            ConflictException: its database has one of this name.

        """
        if (table.database, table.name) in self._tables:
            raise ConflictException(f"The table {table.name} already exists.")
        self.put_table(table)

    def put_table(self, table: Table) -> None:
        """Write a table's properties."""
        self._connection.execute("DELETE FROM catalog.tables WHERE id = ?", [table.id])
        self._connection.execute(
            "INSERT INTO catalog.tables VALUES (?, ?)",
            [table.id, msgspec.json.encode(table).decode()],
        )

    def remove_table(self, table: Table) -> None:
        """Remove a table, its columns and its tags."""
        for name in ("columns", "measures"):
            self._connection.execute(f"DELETE FROM catalog.{name} WHERE table_id = ?", [table.id])
        self._connection.execute("DELETE FROM catalog.tables WHERE id = ?", [table.id])
        self.remove_tags(table.arn)

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a resource.

        Raises:
            ResourceNotFoundException: there is no such resource.

        """
        resources: Iterable[Database | Table] = (*self.databases(), *self.tables())
        if all(resource.arn != arn for resource in resources):
            raise ResourceNotFoundException(f"The resource {arn} does not exist.")
        return dict(self._tags.get(arn, {}))

    def put_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Add tags to a resource; those of the same key are replaced."""
        self.remove_tags(arn, tags)
        if tags:
            self._connection.executemany(
                "INSERT INTO catalog.tags VALUES (?, ?, ?)",
                [[arn, key, value] for key, value in tags.items()],
            )

    def remove_tags(self, arn: str, keys: Iterable[str] | None = None) -> None:
        """Remove the tags of these keys, or all, from a resource."""
        if keys is None:
            self._connection.execute("DELETE FROM catalog.tags WHERE arn = ?", [arn])
            return
        self._connection.execute(
            "DELETE FROM catalog.tags WHERE arn = ? AND key IN (SELECT unnest(?))",
            [arn, list(keys)],
        )

    def columns(self, table: Table) -> list[Column]:
        """A table's dimensions and measure values, in the order of their first appearance."""
        rows = self._connection.execute(
            "SELECT name, kind, type FROM catalog.columns WHERE table_id = ? ORDER BY place",
            [table.id],
        ).fetchall()
        return [Column(*row) for row in rows]

    def add_column(self, table: Table, place: int, column: Column) -> None:
        """Write down a table's new column; `place` is how many it had."""
        self._connection.execute(
            "INSERT INTO catalog.columns VALUES (?, ?, ?, ?, ?)",
            [table.id, place, column.name, column.kind, column.type],
        )

    def measures(self, table: Table) -> set[tuple[str, str]]:
        """A table's measure names, each with its data type; one that has several, several times."""
        rows = self._connection.execute(
            "SELECT name, type FROM catalog.measures WHERE table_id = ?", [table.id]
        ).fetchall()
        return {(name, kind) for name, kind in rows}

    def add_measure(self, table: Table, name: str, kind: str) -> None:
        """Write down a table's new measure name, or an old one's new type."""
        self._connection.execute(
            "INSERT INTO catalog.measures VALUES (?, ?, ?)", [table.id, name, kind]
        )
