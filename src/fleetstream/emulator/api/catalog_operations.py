"""The write API's operations on databases, tables and tags.

Requests, responses and errors are those of the API reference.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from fleetstream.emulator import limits
from fleetstream.emulator.api import shapes
from fleetstream.emulator.errors import ServiceQuotaExceededException, ValidationException
from fleetstream.emulator.store.catalog import (
    ACCOUNT,
    REGION,
    Catalog,
    DatabaseDefinition,
    TableDefinition,
)
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.table_properties import (
    MagneticStoreWriteProperties,
    PartitionKey,
    RetentionProperties,
    TableSchema,
    to_json,
)

DEFAULT_PAGE_SIZE = 20

_DEFAULT_KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/local"
_DEFAULT_RETENTION = RetentionProperties(
    limits.DEFAULT_MEMORY_STORE_HOURS, limits.DEFAULT_MAGNETIC_STORE_DAYS
)
_DEFAULT_SCHEMA = TableSchema((PartitionKey("MEASURE"),))


class _HasArn(Protocol):
    @property
    def arn(self) -> str: ...


Resource = TypeVar("Resource", bound=_HasArn)


class CatalogOperations:
    """One method per operation; each returns the response as JSON types.

    Operations that change the catalog must run in the writer thread.
    """

    def __init__(self, store: TimestreamStore) -> None:
        self._store = store

    def create_database(self, request: shapes.CreateDatabase) -> dict[str, Any]:
        now = self._store.clock.seconds()
        database = DatabaseDefinition(
            request.database_name, request.kms_key_id or _DEFAULT_KMS_KEY, now, now
        )

        def create(catalog: Catalog) -> None:
            if len(catalog.databases()) >= limits.DATABASES:
                raise ServiceQuotaExceededException(
                    f"An account can have {limits.DATABASES} databases; delete one first."
                )
            catalog.add_database(database)
            catalog.put_tags(database.arn, tags_of(request.tags))

        self._store.change(create)
        return {"Database": self._describe_database(database)}

    def describe_database(self, request: shapes.DatabaseReference) -> dict[str, Any]:
        database = self._store.catalog.database(request.database_name)
        return {"Database": self._describe_database(database)}

    def list_databases(self, request: shapes.ListDatabases) -> dict[str, Any]:
        listed, token = page(
            self._store.catalog.databases(), request.next_token, request.max_results
        )
        return {"Databases": [self._describe_database(database) for database in listed], **token}

    def update_database(self, request: shapes.UpdateDatabase) -> dict[str, Any]:
        def update(catalog: Catalog) -> DatabaseDefinition:
            database = msgspec.structs.replace(
                catalog.database(request.database_name),
                kms_key_id=request.kms_key_id,
                updated=self._store.clock.seconds(),
            )
            catalog.put_database(database)
            return database

        return {"Database": self._describe_database(self._store.change(update))}

    def delete_database(self, request: shapes.DatabaseReference) -> dict[str, Any]:
        def delete(catalog: Catalog) -> None:
            database = catalog.database(request.database_name)
            if catalog.tables(database.name):
                raise ValidationException(
                    f"The database {database.name} still has tables; delete them first."
                )
            catalog.remove_database(database.name)
            catalog.remove_tags(database.arn)

        self._store.change(delete)
        return {}

    def create_table(self, request: shapes.CreateTable) -> dict[str, Any]:
        now = self._store.clock.seconds()

        def create(catalog: Catalog) -> TableDefinition:
            catalog.database(request.database_name)
            if len(catalog.tables()) >= limits.TABLES:
                raise ServiceQuotaExceededException(
                    f"An account can have {limits.TABLES} tables; delete one first."
                )
            table = TableDefinition(
                id=catalog.new_table_id(),
                database=request.database_name,
                name=request.table_name,
                retention=request.retention_properties or _DEFAULT_RETENTION,
                magnetic_store=request.magnetic_store_write_properties
                or MagneticStoreWriteProperties(enable_magnetic_store_writes=False),
                schema=_complete_schema(request.schema),
                created=now,
                updated=now,
            )
            catalog.add_table(table)
            catalog.put_tags(table.arn, tags_of(request.tags))
            self._store.create_table(table)
            return table

        return {"Table": _describe_table(self._store.change(create))}

    def describe_table(self, request: shapes.TableReference) -> dict[str, Any]:
        table = self._store.catalog.table(request.database_name, request.table_name)
        return {"Table": _describe_table(table)}

    def list_tables(self, request: shapes.ListTables) -> dict[str, Any]:
        """A page of the tables of one database, or of all if the request names none."""
        listed, token = page(
            self._store.catalog.tables(request.database_name),
            request.next_token,
            request.max_results,
        )
        return {"Tables": [_describe_table(table) for table in listed], **token}

    def update_table(self, request: shapes.UpdateTable) -> dict[str, Any]:
        def update(catalog: Catalog) -> TableDefinition:
            table = catalog.table(request.database_name, request.table_name)
            schema = table.schema
            if request.schema is not None:
                schema = _complete_schema(request.schema)
                _check_same_keys(table.schema, schema)
            # A longer retention does not bring back what has expired. Nothing may be refused from
            # here on: the store keeps what it knows of the table when a change is refused.
            self._store.delete_expired(table)
            table = msgspec.structs.replace(
                table,
                retention=request.retention_properties or table.retention,
                magnetic_store=request.magnetic_store_write_properties or table.magnetic_store,
                schema=schema,
                updated=self._store.clock.seconds(),
            )
            catalog.put_table(table)
            return table

        return {"Table": _describe_table(self._store.change(update))}

    def delete_table(self, request: shapes.TableReference) -> dict[str, Any]:
        def delete(catalog: Catalog) -> None:
            table = catalog.table(request.database_name, request.table_name)
            catalog.remove_table(table)
            self._store.drop_table(table)

        self._store.change(delete)
        return {}

    def tag_resource(self, request: shapes.TagResource) -> dict[str, Any]:
        def tag(catalog: Catalog) -> None:
            tags = catalog.tags(request.resource_arn) | tags_of(request.tags)
            if len(tags) > limits.TAGS_PER_RESOURCE:
                raise ServiceQuotaExceededException(
                    f"A resource can have {limits.TAGS_PER_RESOURCE} tags; remove some first."
                )
            catalog.put_tags(request.resource_arn, tags_of(request.tags))

        self._store.change(tag)
        return {}

    def untag_resource(self, request: shapes.UntagResource) -> dict[str, Any]:
        """Removes tags; keys that the resource does not have are ignored."""

        def untag(catalog: Catalog) -> None:
            catalog.tags(request.resource_arn)
            catalog.remove_tags(request.resource_arn, request.tag_keys)

        self._store.change(untag)
        return {}

    def list_tags_for_resource(self, request: shapes.ListTagsForResource) -> dict[str, Any]:
        tags = self._store.catalog.tags(request.resource_arn)
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _describe_database(self, database: DatabaseDefinition) -> dict[str, Any]:
        tables = self._store.catalog.tables()
        return {
            "Arn": database.arn,
            "DatabaseName": database.name,
            "TableCount": sum(table.database == database.name for table in tables),
            "KmsKeyId": database.kms_key_id,
            "CreationTime": database.created,
            "LastUpdatedTime": database.updated,
        }


def _describe_table(table: TableDefinition) -> dict[str, Any]:
    return {
        "Arn": table.arn,
        "TableName": table.name,
        "DatabaseName": table.database,
        "TableStatus": "ACTIVE",
        "RetentionProperties": to_json(table.retention),
        "CreationTime": table.created,
        "LastUpdatedTime": table.updated,
        "MagneticStoreWriteProperties": to_json(table.magnetic_store),
        "Schema": to_json(table.schema),
    }


def tags_of(tags: Sequence[shapes.TagShape] | None) -> dict[str, str]:
    """A request's tags, by key."""
    return {tag.key: tag.value for tag in tags or ()}


def _complete_schema(schema: TableSchema | None) -> TableSchema:
    """The schema with the service's defaults: a table is partitioned by measure name."""
    if schema is None or schema.composite_partition_key is None:
        return _DEFAULT_SCHEMA
    if len(schema.composite_partition_key) > 1:
        raise ValidationException("A table can have one partition key only.")
    (key,) = schema.composite_partition_key
    if key.type == "MEASURE":
        if key.name is not None or key.enforcement_in_record is not None:
            raise ValidationException("A partition key of type MEASURE has only a type.")
        return schema
    if key.name is None:
        raise ValidationException("A partition key of type DIMENSION needs the dimension's name.")
    enforcement = key.enforcement_in_record or "OPTIONAL"
    return TableSchema((msgspec.structs.replace(key, enforcement_in_record=enforcement),))


def _check_same_keys(before: TableSchema, after: TableSchema) -> None:
    """Only the enforcement of a key may change (API reference, "Schema")."""

    def keys(schema: TableSchema) -> list[tuple[str, str | None]]:
        return [(key.type, key.name) for key in schema.composite_partition_key or ()]

    if keys(before) != keys(after):
        raise ValidationException(
            "The partition key of a table cannot be changed after it was created; only its"
            " EnforcementInRecord can."
        )


def page(
    resources: Sequence[Resource], token: str | None, size: int | None
) -> tuple[Sequence[Resource], dict[str, str]]:
    """The page after ``token``, and the response's NextToken if there are more pages.

    A token holds the ARN of the last resource of a page.
    """
    resources = sorted(resources, key=lambda resource: resource.arn)
    start = 0
    if token is not None:
        last = _decode_token(token)
        start = sum(resource.arn <= last for resource in resources)
    found = resources[start : start + (size or DEFAULT_PAGE_SIZE)]
    if start + len(found) >= len(resources):
        return found, {}
    return found, {"NextToken": base64.urlsafe_b64encode(found[-1].arn.encode()).decode()}


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValidationException(
            "Invalid pagination token: use a NextToken that this operation returned."
        ) from error
