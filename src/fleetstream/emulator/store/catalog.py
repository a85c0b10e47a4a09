"""The catalog: databases, tables, columns, measure names and tags.

The catalog is stored in DuckDB tables, in the schema ``catalog``, and cached in memory. A change is
written inside the caller's transaction; readers see it after ``reload``, which follows the commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import duckdb
import msgspec

from fleetstream.emulator.errors import ConflictException, ResourceNotFoundException
from fleetstream.emulator.store.table_properties import (
    MagneticStoreWriteProperties,
    RetentionProperties,
    TableSchema,
)
from fleetstream.emulator.store.values import MIN_TIME, ValueType

ColumnRole = Literal["dimension", "measure_name", "time", "measure_value"]

_HOUR = 3_600_000_000_000

ACCOUNT = "000000000000"
REGION = "us-east-1"


class TableColumn(NamedTuple):
    """A column of a table, as queries see it."""

    name: str
    role: ColumnRole
    type: ValueType


MEASURE_NAME_COLUMN = TableColumn("measure_name", "measure_name", "VARCHAR")
TIME_COLUMN = TableColumn("time", "time", "TIMESTAMP")


class DatabaseDefinition(msgspec.Struct, frozen=True):
    """A database; ``created`` and ``updated`` are seconds since 1970."""

    name: str
    kms_key_id: str
    created: float
    updated: float

    @property
    def arn(self) -> str:
        return f"arn:aws:timestream:{REGION}:{ACCOUNT}:database/{self.name}"


class TableDefinition(msgspec.Struct, frozen=True):
    """A table; ``created`` and ``updated`` are seconds since 1970.

    ``id`` names the DuckDB tables of its data. No two tables of a store ever have the same ``id``,
    so it also tells a table from a later one of the same name.
    """

    id: int
    database: str
    name: str
    retention: RetentionProperties
    magnetic_store: MagneticStoreWriteProperties
    schema: TableSchema
    created: float
    updated: float

    @property
    def arn(self) -> str:
        return f"arn:aws:timestream:{REGION}:{ACCOUNT}:database/{self.database}/table/{self.name}"

    def expiry(self, now: int) -> int:
        """The earliest time of records that are kept; both are nanoseconds since 1970.

        Records move from the memory store to the magnetic store, and are deleted when they are too
        old for both.
        """
        hours = max(
            self.retention.memory_store_retention_period_in_hours,
            self.retention.magnetic_store_retention_period_in_days * 24,
        )
        return max(now - hours * _HOUR, MIN_TIME)


_CATALOG_SQL = """
CREATE SCHEMA IF NOT EXISTS catalog;
CREATE SEQUENCE IF NOT EXISTS catalog.table_ids;
CREATE TABLE IF NOT EXISTS catalog.databases (name VARCHAR, properties VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.tables (id INTEGER, properties VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.columns
    (table_id INTEGER, position INTEGER, name VARCHAR, role VARCHAR, type VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.measures (table_id INTEGER, name VARCHAR, type VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.documents (kind VARCHAR, arn VARCHAR, content VARCHAR);
CREATE TABLE IF NOT EXISTS catalog.tags (arn VARCHAR, key VARCHAR, value VARCHAR);
"""


class Catalog:
    """The databases, tables and tags of one store.

    Only the thread that owns ``connection`` may change the catalog; any thread may read it.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._databases: dict[str, DatabaseDefinition] = {}
        self._tables: dict[tuple[str, str], TableDefinition] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._documents: dict[str, tuple[str, str]] = {}
        connection.execute(_CATALOG_SQL)
        self.reload()

    def reload(self) -> None:
        """Replace the cache by what is stored."""
        rows = self._connection.execute("SELECT properties FROM catalog.databases").fetchall()
        databases = [msgspec.json.decode(text, type=DatabaseDefinition) for (text,) in rows]
        self._databases = {database.name: database for database in databases}
        rows = self._connection.execute("SELECT properties FROM catalog.tables").fetchall()
        tables = [msgspec.json.decode(text, type=TableDefinition) for (text,) in rows]
        self._tables = {(table.database, table.name): table for table in tables}
        tags: dict[str, dict[str, str]] = {}
        rows = self._connection.execute("SELECT * FROM catalog.tags ORDER BY rowid").fetchall()
        for arn, key, value in rows:
            tags.setdefault(arn, {})[key] = value
        self._tags = tags
        rows = self._connection.execute("SELECT * FROM catalog.documents").fetchall()
        self._documents = {arn: (kind, content) for kind, arn, content in rows}

    def databases(self) -> list[DatabaseDefinition]:
        """All databases, sorted by name."""
        return sorted(self._databases.values(), key=lambda database: database.name)

    def tables(self, database: str | None = None) -> list[TableDefinition]:
        """The tables of one database, or of all, sorted by name.

        Raises ResourceNotFoundException if the database does not exist.
        """
        if database is not None:
            self.database(database)
        found = [t for t in self._tables.values() if database is None or t.database == database]
        return sorted(found, key=lambda table: (table.database, table.name))

    def database(self, name: str) -> DatabaseDefinition:
        """Raises ResourceNotFoundException if the database does not exist."""
        found = self._databases.get(name)
        if found is None:
            raise ResourceNotFoundException(f"The database {name} does not exist.")
        return found

    def table(self, database: str, name: str) -> TableDefinition:
        """Raises ResourceNotFoundException if the database or the table does not exist."""
        found = self._tables.get((database, name))
        if found is None:
            self.database(database)
            raise ResourceNotFoundException(f"The table {name} does not exist.")
        return found

    def add_database(self, database: DatabaseDefinition) -> None:
        """Raises ConflictException if there is a database of this name."""
        if database.name in self._databases:
            raise ConflictException(f"The database {database.name} already exists.")
        self.put_database(database)

    def put_database(self, database: DatabaseDefinition) -> None:
        """Write a database, replacing one of the same name."""
        self.remove_database(database.name)
        self._connection.execute(
            "INSERT INTO catalog.databases VALUES (?, ?)",
            [database.name, msgspec.json.encode(database).decode()],
        )

    def remove_database(self, name: str) -> None:
        """Remove a database, which must have no tables."""
        self._connection.execute("DELETE FROM catalog.databases WHERE name = ?", [name])

    def new_table_id(self) -> int:
        """An identifier that no table of this store has, or has had."""
        row = self._connection.execute("SELECT nextval('catalog.table_ids')").fetchone()
        assert row is not None
        number: int = row[0]
        return number

    def add_table(self, table: TableDefinition) -> None:
        """Raises ConflictException if the database has a table of this name."""
        if (table.database, table.name) in self._tables:
            raise ConflictException(f"The table {table.name} already exists.")
        self.put_table(table)

    def put_table(self, table: TableDefinition) -> None:
        """Write a table, replacing the one with the same ``id``."""
        self._connection.execute("DELETE FROM catalog.tables WHERE id = ?", [table.id])
        self._connection.execute(
            "INSERT INTO catalog.tables VALUES (?, ?)",
            [table.id, msgspec.json.encode(table).decode()],
        )

    def remove_table(self, table: TableDefinition) -> None:
        """Remove a table with its columns, measure names and tags."""
        for name in ("columns", "measures"):
            self._connection.execute(f"DELETE FROM catalog.{name} WHERE table_id = ?", [table.id])
        self._connection.execute("DELETE FROM catalog.tables WHERE id = ?", [table.id])
        self.remove_tags(table.arn)

    def tags(self, arn: str) -> dict[str, str]:
        """Raises ResourceNotFoundException if the database, table or document does not exist."""
        resources: Iterable[DatabaseDefinition | TableDefinition] = (
            *self.databases(),
            *self.tables(),
        )
        if all(resource.arn != arn for resource in resources) and arn not in self._documents:
            raise ResourceNotFoundException(f"The resource {arn} does not exist.")
        return dict(self._tags.get(arn, {}))

    def put_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Add tags, replacing those with the same keys."""
        self.remove_tags(arn, tags)
        if tags:
            self._connection.executemany(
                "INSERT INTO catalog.tags VALUES (?, ?, ?)",
                [[arn, key, value] for key, value in tags.items()],
            )

    def remove_tags(self, arn: str, keys: Iterable[str] | None = None) -> None:
        """Remove the tags with these keys, or all."""
        if keys is None:
            self._connection.execute("DELETE FROM catalog.tags WHERE arn = ?", [arn])
            return
        self._connection.execute(
            "DELETE FROM catalog.tags WHERE arn = ? AND key IN (SELECT unnest(?))",
            [arn, list(keys)],
        )

    def documents(self, kind: str) -> list[str]:
        """The contents of all documents of a kind, sorted by ARN."""
        return [
            content
            for _, (of, content) in sorted(self._documents.items(), key=lambda item: item[0])
            if of == kind
        ]

    def put_document(self, kind: str, arn: str, content: str) -> None:
        """Write a document, replacing one of the same ARN: a resource that is no table."""
        self._connection.execute("DELETE FROM catalog.documents WHERE arn = ?", [arn])
        self._connection.execute(
            "INSERT INTO catalog.documents VALUES (?, ?, ?)", [kind, arn, content]
        )

    def remove_document(self, arn: str) -> None:
        """Remove a document and its tags."""
        self._connection.execute("DELETE FROM catalog.documents WHERE arn = ?", [arn])
        self.remove_tags(arn)

    def columns(self, table: TableDefinition) -> list[TableColumn]:
        """A table's dimensions and measure values, in order of their first appearance."""
        rows = self._connection.execute(
            "SELECT name, role, type FROM catalog.columns WHERE table_id = ? ORDER BY position",
            [table.id],
        ).fetchall()
        return [TableColumn(*row) for row in rows]

    def add_column(self, table: TableDefinition, position: int, column: TableColumn) -> None:
        """Add a column; ``position`` counts a table's columns from 0."""
        self._connection.execute(
            "INSERT INTO catalog.columns VALUES (?, ?, ?, ?, ?)", [table.id, position, *column]
        )

    def measures(self, table: TableDefinition) -> set[tuple[str, str]]:
        """A table's measure names, each with every type that it was written with."""
        rows = self._connection.execute(
            "SELECT name, type FROM catalog.measures WHERE table_id = ?", [table.id]
        ).fetchall()
        return {(name, measure_type) for name, measure_type in rows}

    def add_measure(self, table: TableDefinition, name: str, measure_type: str) -> None:
        self._connection.execute(
            "INSERT INTO catalog.measures VALUES (?, ?, ?)", [table.id, name, measure_type]
        )
