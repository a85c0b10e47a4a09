"""The write API's operations on databases, tables and tags, and DescribeEndpoints.

What each takes, gives and refuses follows the API's reference.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from fleetstream.local import limits, requests
from fleetstream.local.catalog import ACCOUNT, REGION, Catalog, Database, Table
from fleetstream.local.errors import ServiceQuotaExceededException, ValidationException
from fleetstream.local.requests import (
    MagneticStoreWriteProperties,
    PartitionKey,
    RetentionProperties,
    Schema,
    as_json,
)
from fleetstream.local.store import Store

MOST_LISTED = 20
ENDPOINT_MINUTES = 1440

_DEFAULT_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/local"
_DEFAULT_RETENTION = RetentionProperties(limits.MEMORY_HOURS_DEFAULT, limits.MAGNETIC_DAYS_DEFAULT)
_MEASURE_KEY = Schema((PartitionKey("MEASURE"),))

Named = TypeVar("Named", Database, Table)


class Operations:
    """Every operation but WriteRecords and the queries; answers are as the API's JSON."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_database(self, request: requests.CreateDatabase) -> dict[str, Any]:
        """CreateDatabase."""
        now = time.time()
        database = Database(request.database_name, request.kms_key_id or _DEFAULT_KEY, now, now)

        def add(catalog: Catalog) -> None:
            if len(catalog.databases()) >= limits.DATABASES:
                raise ServiceQuotaExceededException(
                    f"An account can have {limits.DATABASES} databases; delete one first."
                )
            catalog.add_database(database)
            catalog.put_tags(database.arn, _tags(request.tags))

        self._store.change(add)
        return {"Database": self._database(database)}

    def describe_database(self, request: requests.DescribeDatabase) -> dict[str, Any]:
        """DescribeDatabase."""
        return {"Database": self._database(self._store.catalog.database(request.database_name))}

    def list_databases(self, request: requests.ListDatabases) -> dict[str, Any]:
        """ListDatabases, a page of it."""
        found, token = _page(
            self._store.catalog.databases(), request.next_token, request.max_results
        )
        return {"Databases": [self._database(database) for database in found], **token}

    def update_database(self, request: requests.UpdateDatabase) -> dict[str, Any]:
        """UpdateDatabase: another key."""

        def update(catalog: Catalog) -> Database:
            database = msgspec.structs.replace(
                catalog.database(request.database_name),
                kms_key_id=request.kms_key_id,
                updated=time.time(),
            )
            catalog.put_database(database)
            return database

        return {"Database": self._database(self._store.change(update))}

    def delete_database(self, request: requests.DescribeDatabase) -> dict[str, Any]:
        """DeleteDatabase, of one without tables."""

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

    def create_table(self, request: requests.CreateTable) -> dict[str, Any]:
        """CreateTable."""
        now = time.time()

        def add(catalog: Catalog) -> Table:
            catalog.database(request.database_name)
            if len(catalog.tables()) >= limits.TABLES:
                raise ServiceQuotaExceededException(
                    f"An account can have {limits.TABLES} tables; delete one first."
                )
            table = Table(
                id=catalog.new_table_id(),
                database=request.database_name,
                name=request.table_name,
                retention=request.retention_properties or _DEFAULT_RETENTION,
                magnetic_store=request.magnetic_store_write_properties
                or MagneticStoreWriteProperties(enable_magnetic_store_writes=False),
                schema=_schema(request.schema),
                created=now,
                updated=now,
            )
            catalog.add_table(table)
            catalog.put_tags(table.arn, _tags(request.tags))
            self._store.create_table(table)
            return table

        return {"Table": _table(self._store.change(add))}

    def describe_table(self, request: requests.DescribeTable) -> dict[str, Any]:
        """DescribeTable."""
        return {
            "Table": _table(self._store.catalog.table(request.database_name, request.table_name))
        }

    def list_tables(self, request: requests.ListTables) -> dict[str, Any]:
        """ListTables, a page of it; of all databases if none is named."""
        found, token = _page(
            self._store.catalog.tables(request.database_name),
            request.next_token,
            request.max_results,
        )
        return {"Tables": [_table(table) for table in found], **token}

    def update_table(self, request: requests.UpdateTable) -> dict[str, Any]:
        """UpdateTable: other retention, magnetic-store writes, or enforcement of the key."""

        def update(catalog: Catalog) -> Table:
            table = catalog.table(request.database_name, request.table_name)
            if request.schema is not None:
                _check_same_keys(table.schema, _schema(request.schema))
            table = msgspec.structs.replace(
                table,
                retention=request.retention_properties or table.retention,
                magnetic_store=request.magnetic_store_write_properties or table.magnetic_store,
                schema=_schema(request.schema) if request.schema is not None else table.schema,
                updated=time.time(),
            )
            catalog.put_table(table)
            return table

        return {"Table": _table(self._store.change(update))}

    def delete_table(self, request: requests.DescribeTable) -> dict[str, Any]:
        """DeleteTable, with all its data."""

        def delete(catalog: Catalog) -> None:
            table = catalog.table(request.database_name, request.table_name)
            catalog.remove_table(table)
            self._store.drop_table(table)

        self._store.change(delete)
        return {}

    def tag_resource(self, request: requests.TagResource) -> dict[str, Any]:
        """TagResource."""

        def tag(catalog: Catalog) -> None:
            tags = catalog.tags(request.resource_arn) | _tags(request.tags)
            if len(tags) > limits.TAGS_PER_RESOURCE:
                raise ServiceQuotaExceededException(
                    f"A resource can have {limits.TAGS_PER_RESOURCE} tags; remove some first."
                )
            catalog.put_tags(request.resource_arn, _tags(request.tags))

        self._store.change(tag)
        return {}

    def untag_resource(self, request: requests.UntagResource) -> dict[str, Any]:
        """UntagResource; tags that are not there are no error."""

        def untag(catalog: Catalog) -> None:
            catalog.tags(request.resource_arn)
            catalog.remove_tags(request.resource_arn, request.tag_keys)

        self._store.change(untag)
        return {}

    def list_tags_for_resource(self, request: requests.ListTagsForResource) -> dict[str, Any]:
        """ListTagsForResource."""
        tags = self._store.catalog.tags(request.resource_arn)
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _database(self, database: Database) -> dict[str, Any]:
        tables = self._store.catalog.tables()
        return {
            "Arn": database.arn,
            "DatabaseName": database.name,
            "TableCount": sum(table.database == database.name for table in tables),
            "KmsKeyId": database.kms_key_id,
            "CreationTime": database.created,
            "LastUpdatedTime": database.updated,
        }


def _table(table: Table) -> dict[str, Any]:
    return {
        "Arn": table.arn,
        "TableName": table.name,
        "DatabaseName": table.database,
        "TableStatus": "ACTIVE",
        "RetentionProperties": as_json(table.retention),
        "CreationTime": table.created,
        "LastUpdatedTime": table.updated,
        "MagneticStoreWriteProperties": as_json(table.magnetic_store),
        "Schema": as_json(table.schema),
    }


def _tags(tags: Sequence[requests.Tag] | None) -> dict[str, str]:
    return {tag.key: tag.value for tag in tags or ()}


def _schema(schema: Schema | None) -> Schema:
    """The schema as the service completes it: by default, tables are partitioned by measure."""
    if schema is None or schema.composite_partition_key is None:
        return _MEASURE_KEY
    if len(schema.composite_partition_key) > 1:
        raise ValidationException("A table can have one partition key only.")
    (key,) = schema.composite_partition_key
    if key.type == "MEASURE":
        if key.name is not None or key.enforcement_in_record is not None:
            raise ValidationException("A partition key of type MEASURE has only a type.")
        return schema
    if key.name is None:
        raise ValidationException("A partition key of type DIMENSION needs the dimension's name.")
    completed = msgspec.structs.replace(
        key, enforcement_in_record=key.enforcement_in_record or "OPTIONAL"
    )
    return Schema((completed,))


def _check_same_keys(before: Schema, after: Schema) -> None:
    """Refuse a change of anything but the enforcement (the API's reference, "Schema")."""

    def keys(schema: Schema) -> list[tuple[str, str | None]]:
        return [(key.type, key.name) for key in schema.composite_partition_key or ()]

    if keys(before) != keys(after):
        raise ValidationException(
            "The partition key of a table can't be changed after it was created; only its"
            " EnforcementInRecord can."
        )


def _page(
    found: Sequence[Named], token: str | None, most: int | None
) -> tuple[Sequence[Named], dict[str, str]]:
    """The page after `token`, and the answer's NextToken if there is more."""
    found = sorted(found, key=lambda resource: resource.arn)
    start = 0
    if token is not None:
        last = _decode_token(token)
        start = sum(resource.arn <= last for resource in found)
    page = found[start : start + (most or MOST_LISTED)]
    if start + len(page) >= len(found):
        return page, {}
    return page, {"NextToken": base64.urlsafe_b64encode(page[-1].arn.encode()).decode()}


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValidationException(
            "Invalid pagination token: it must be one that this operation has given."
        ) from error
