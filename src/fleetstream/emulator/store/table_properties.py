"""Properties that a table is created with, in the shapes that the API uses for them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from fleetstream.emulator import limits

NonEmptyText = Annotated[str, Meta(min_length=1)]
Text2048 = Annotated[str, Meta(min_length=1, max_length=2048)]


# Requests contain no reference cycles, so the garbage collector can skip their values.
class ApiShape(Struct, rename="pascal", frozen=True, gc=False):
    """Base of the API's shapes; members have the API's names in snake case."""


class RetentionProperties(ApiShape, frozen=True):
    """How long a table keeps records in its memory store and its magnetic store."""

    memory_store_retention_period_in_hours: Annotated[
        int, Meta(ge=1, le=limits.MAX_MEMORY_STORE_HOURS)
    ]
    magnetic_store_retention_period_in_days: Annotated[
        int, Meta(ge=1, le=limits.MAX_MAGNETIC_STORE_DAYS)
    ]


class S3Configuration(ApiShape, frozen=True, omit_defaults=True):
    """Where the service reports records that it rejects later; stored and described only."""

    bucket_name: Annotated[str, Meta(min_length=3, max_length=63)] | None = None
    object_key_prefix: Annotated[str, Meta(min_length=1, max_length=928)] | None = None
    encryption_option: Literal["SSE_S3", "SSE_KMS"] | None = None
    kms_key_id: Text2048 | None = None


class RejectedDataLocation(ApiShape, frozen=True, omit_defaults=True):
    """The API's MagneticStoreRejectedDataLocation."""

    s3_configuration: S3Configuration | None = None


class MagneticStoreWriteProperties(ApiShape, frozen=True, omit_defaults=True):
    """Whether records older than the memory store's retention are accepted."""

    enable_magnetic_store_writes: bool
    magnetic_store_rejected_data_location: RejectedDataLocation | None = None


class PartitionKey(ApiShape, frozen=True, omit_defaults=True):
    """What a table is partitioned by; a dimension can be required of every record."""

    type: Literal["DIMENSION", "MEASURE"]
    name: NonEmptyText | None = None
    enforcement_in_record: Literal["REQUIRED", "OPTIONAL"] | None = None


class TableSchema(ApiShape, frozen=True, omit_defaults=True):
    """The API's Schema: a table's partition keys."""

    composite_partition_key: Annotated[tuple[PartitionKey, ...], Meta(min_length=1)] | None = None

    @property
    def required_dimensions(self) -> tuple[str, ...]:
        """Dimensions that every record must have."""
        return tuple(
            key.name
            for key in self.composite_partition_key or ()
            if key.enforcement_in_record == "REQUIRED" and key.name is not None
        )


def to_json(shape: ApiShape) -> Any:
    """JSON types of a shape, with the API's names."""
    return msgspec.to_builtins(shape)
