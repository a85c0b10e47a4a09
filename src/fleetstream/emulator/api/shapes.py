"""Shapes of the write API's requests.

Required members, lengths, patterns and enumerations are those of the service's model
(``timestream-write``, 2018-11-01).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetstream.emulator import limits
from fleetstream.emulator.store.table_properties import (
    ApiShape,
    MagneticStoreWriteProperties,
    NonEmptyText,
    RetentionProperties,
    TableSchema,
    Text2048,
)
from fleetstream.emulator.store.values import ValueType

TimeUnit = Literal["MILLISECONDS", "SECONDS", "MICROSECONDS", "NANOSECONDS"]
MeasureType = ValueType | Literal["MULTI"]

# The pattern is the model's; the lengths are those of the guide's "Naming constraints".
NewName = Annotated[str, Meta(min_length=3, max_length=256, pattern=r"^[a-zA-Z0-9_.-]+$")]
Text256 = Annotated[str, Meta(min_length=1, max_length=256)]
PageSize = Annotated[int, Meta(ge=1, le=20)]
ResourceArn = Annotated[str, Meta(min_length=1, max_length=1011)]


class DimensionShape(ApiShape, frozen=True):
    """One dimension of a record."""

    name: NonEmptyText
    value: str
    dimension_value_type: Literal["VARCHAR"] | None = None


DimensionShapes = Annotated[tuple[DimensionShape, ...], Meta(max_length=128)] | None


class MeasureValueShape(ApiShape, frozen=True):
    """One value of a multi-measure record."""

    name: NonEmptyText
    value: Text2048
    type: ValueType


class RecordShape(ApiShape, frozen=True):
    """A record, or the common attributes of a request's records.

    ``dimensions`` is undecoded JSON of the shape ``DimensionShapes``: clients send the dimensions
    of a series as the same bytes with every record, so they are decoded once per series.
    """

    dimensions: msgspec.Raw = msgspec.Raw()
    measure_name: NonEmptyText | None = None
    measure_value: Text2048 | None = None
    measure_value_type: MeasureType | None = None
    time: Text256 | None = None
    time_unit: TimeUnit | None = None
    version: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    measure_values: tuple[MeasureValueShape, ...] | None = None


class WriteRecords(ApiShape, frozen=True):
    """Request of the WriteRecords operation."""

    database_name: str
    table_name: str
    records: Annotated[tuple[RecordShape, ...], Meta(min_length=1, max_length=100)]
    common_attributes: RecordShape | None = None


class TagShape(ApiShape, frozen=True):
    """A tag of a database or table."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: Annotated[str, Meta(max_length=256)]


TagShapes = Annotated[tuple[TagShape, ...], Meta(max_length=limits.TAGS_PER_RESOURCE)]


class CreateDatabase(ApiShape, frozen=True):
    """Request of the CreateDatabase operation."""

    database_name: NewName
    kms_key_id: Text2048 | None = None
    tags: TagShapes | None = None


class DatabaseReference(ApiShape, frozen=True):
    """Request of the DescribeDatabase and DeleteDatabase operations."""

    database_name: str


class UpdateDatabase(ApiShape, frozen=True):
    """Request of the UpdateDatabase operation."""

    database_name: str
    kms_key_id: Text2048


class ListDatabases(ApiShape, frozen=True):
    """Request of the ListDatabases operation."""

    next_token: str | None = None
    max_results: PageSize | None = None


class CreateTable(ApiShape, frozen=True):
    """Request of the CreateTable operation."""

    database_name: NewName
    table_name: NewName
    retention_properties: RetentionProperties | None = None
    tags: TagShapes | None = None
    magnetic_store_write_properties: MagneticStoreWriteProperties | None = None
    schema: TableSchema | None = None


class TableReference(ApiShape, frozen=True):
    """Request of the DescribeTable and DeleteTable operations."""

    database_name: str
    table_name: str


class UpdateTable(ApiShape, frozen=True):
    """Request of the UpdateTable operation."""

    database_name: str
    table_name: str
    retention_properties: RetentionProperties | None = None
    magnetic_store_write_properties: MagneticStoreWriteProperties | None = None
    schema: TableSchema | None = None


class ListTables(ApiShape, frozen=True):
    """Request of the ListTables operation."""

    database_name: str | None = None
    next_token: str | None = None
    max_results: PageSize | None = None


class ListTagsForResource(ApiShape, frozen=True):
    """Request of the ListTagsForResource operation."""

    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class TagResource(ApiShape, frozen=True):
    """Request of the TagResource operation."""

    tags: TagShapes
    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class UntagResource(ApiShape, frozen=True):
    """Request of the UntagResource operation."""

    tag_keys: Annotated[tuple[str, ...], Meta(max_length=limits.TAGS_PER_RESOURCE)]
    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class DescribeEndpoints(ApiShape, frozen=True):
    """Request of the DescribeEndpoints operation."""
