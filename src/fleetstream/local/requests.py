"""The shapes of the write API's requests, and how a body becomes one.

The shapes, their required members, lengths, patterns and enumerations are those of the service's
model (`timestream-write`, 2018-11-01). As at the service, a value of the wrong JSON type is a
SerializationException, and one outside its constraint a ValidationException.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta, Struct

from fleetstream.local import limits
from fleetstream.local.errors import SerializationException, ServiceError, ValidationException

TimeUnit = Literal["MILLISECONDS", "SECONDS", "MICROSECONDS", "NANOSECONDS"]
ScalarType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "VARCHAR", "TIMESTAMP"]
MeasureType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "VARCHAR", "TIMESTAMP", "MULTI"]

# The model has only the pattern for new names; the lengths are of the guide's naming constraints.
NewName = Annotated[str, Meta(min_length=3, max_length=256, pattern=r"^[a-zA-Z0-9_.-]+$")]
Text = Annotated[str, Meta(min_length=1)]
Text256 = Annotated[str, Meta(min_length=1, max_length=256)]
Text2048 = Annotated[str, Meta(min_length=1, max_length=2048)]
PageSize = Annotated[int, Meta(ge=1, le=20)]


# Requests have no cycles, so the garbage collector need not walk their thousands of values.
class Request(Struct, rename="pascal", frozen=True, gc=False):
    """A shape of the API; members are named as there, but in snake case."""


class Dimension(Request, frozen=True):
    """One dimension of a record: what the measured thing is."""

    name: Text
    value: str
    dimension_value_type: Literal["VARCHAR"] | None = None


class MeasureValue(Request, frozen=True):
    """One value of a multi-measure record."""

    name: Text
    value: Text2048
    type: ScalarType


Dimensions = Annotated[tuple[Dimension, ...], Meta(max_length=128)] | None


class Record(Request, frozen=True):
    """A record, or the attributes that the records of a request have in common.

    `dimensions` are left as JSON, of the shape `Dimensions`: a program writes those of a series in
    the same bytes again and again, so they are read at the first time only.
    """

    dimensions: msgspec.Raw = msgspec.Raw()
    measure_name: Text | None = None
    measure_value: Text2048 | None = None
    measure_value_type: MeasureType | None = None
    time: Text256 | None = None
    time_unit: TimeUnit | None = None
    version: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    measure_values: tuple[MeasureValue, ...] | None = None


class WriteRecords(Request, frozen=True):
    """The WriteRecords operation."""

    database_name: str
    table_name: str
    records: Annotated[tuple[Record, ...], Meta(min_length=1, max_length=100)]
    common_attributes: Record | None = None


class RetentionProperties(Request, frozen=True):
    """How long a table keeps records in either store."""

    memory_store_retention_period_in_hours: Annotated[int, Meta(ge=1, le=limits.MEMORY_HOURS_MOST)]
    magnetic_store_retention_period_in_days: Annotated[
        int, Meta(ge=1, le=limits.MAGNETIC_DAYS_MOST)
    ]


class S3Configuration(Request, frozen=True, omit_defaults=True):
    """Where the service would write reports of what it rejects later; kept and described only."""

    bucket_name: Annotated[str, Meta(min_length=3, max_length=63)] | None = None
    object_key_prefix: Annotated[str, Meta(min_length=1, max_length=928)] | None = None
    encryption_option: Literal["SSE_S3", "SSE_KMS"] | None = None
    kms_key_id: Text2048 | None = None


class RejectedDataLocation(Request, frozen=True, omit_defaults=True):
    """MagneticStoreRejectedDataLocation."""

    s3_configuration: S3Configuration | None = None


class MagneticStoreWriteProperties(Request, frozen=True, omit_defaults=True):
    """Whether records older than the memory store's retention are taken."""

    enable_magnetic_store_writes: bool
    magnetic_store_rejected_data_location: RejectedDataLocation | None = None


class PartitionKey(Request, frozen=True, omit_defaults=True):
    """What a table is partitioned by; a dimension key can be required of every record."""

    type: Literal["DIMENSION", "MEASURE"]
    name: Text | None = None
    enforcement_in_record: Literal["REQUIRED", "OPTIONAL"] | None = None


class Schema(Request, frozen=True, omit_defaults=True):
    """A table's partition keys."""

    composite_partition_key: Annotated[tuple[PartitionKey, ...], Meta(min_length=1)] | None = None


class Tag(Request, frozen=True):
    """A label of a resource."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: Annotated[str, Meta(max_length=256)]


Tags = Annotated[tuple[Tag, ...], Meta(max_length=limits.TAGS_PER_RESOURCE)]
ResourceArn = Annotated[str, Meta(min_length=1, max_length=1011)]


class CreateDatabase(Request, frozen=True):
    """The CreateDatabase operation."""

    database_name: NewName
    kms_key_id: Text2048 | None = None
    tags: Tags | None = None


class DescribeDatabase(Request, frozen=True):
    """The DescribeDatabase and DeleteDatabase operations."""

    database_name: str


class UpdateDatabase(Request, frozen=True):
    """The UpdateDatabase operation."""

    database_name: str
    kms_key_id: Text2048


class ListDatabases(Request, frozen=True):
    """The ListDatabases operation."""

    next_token: str | None = None
    max_results: PageSize | None = None


class CreateTable(Request, frozen=True):
    """The CreateTable operation."""

    database_name: NewName
    table_name: NewName
    retention_properties: RetentionProperties | None = None
    tags: Tags | None = None
    magnetic_store_write_properties: MagneticStoreWriteProperties | None = None
    schema: Schema | None = None


class DescribeTable(Request, frozen=True):
    """The DescribeTable and DeleteTable operations."""

    database_name: str
    table_name: str


class UpdateTable(Request, frozen=True):
    """The UpdateTable operation."""

    database_name: str
    table_name: str
    retention_properties: RetentionProperties | None = None
    magnetic_store_write_properties: MagneticStoreWriteProperties | None = None
    schema: Schema | None = None


class ListTables(Request, frozen=True):
    """The ListTables operation."""

    database_name: str | None = None
    next_token: str | None = None
    max_results: PageSize | None = None


class ListTagsForResource(Request, frozen=True):
    """The ListTagsForResource operation."""

    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class TagResource(Request, frozen=True):
    """The TagResource operation."""

    tags: Tags
    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class UntagResource(Request, frozen=True):
    """The UntagResource operation."""

    tag_keys: Annotated[tuple[str, ...], Meta(max_length=limits.TAGS_PER_RESOURCE)]
    resource_arn: ResourceArn = msgspec.field(name="ResourceARN")


class DescribeEndpoints(Request, frozen=True):
    """The DescribeEndpoints operation."""


Shape = TypeVar("Shape")


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def decode(body: bytes | bytearray, shape: type[Shape], path: str = "") -> Shape:
    """The request, or the part of one at `path`, that a JSON text holds.

    Raises:
        SerializationException: it is no JSON, or a value is not of its member's type.
        ValidationException: a member is missing, or outside the model's constraint.

    """
    try:
        decoded: Shape = _decoder(cast("Any", shape)).decode(body)
    except msgspec.ValidationError as error:
        raise _service_error(str(error), path) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SerializationException(f"The request's body is not valid JSON: {error}") from error
    return decoded


_CONSTRAINTS = (
    (r"of length >= (\d+)", "Member must have length greater than or equal to {}"),
    (r"of length <= (\d+)", "Member must have length less than or equal to {}"),
    (r"`int` >= (-?\d+)", "Member must have value greater than or equal to {}"),
    (r"`int` <= (-?\d+)", "Member must have value less than or equal to {}"),
    (r"matching regex '(.*)'", "Member must satisfy regular expression pattern: {}"),
    (
        r"Invalid enum value (.*)",
        "Member must satisfy the model's enumeration, and {} is not in it",
    ),
    (r"got `null`()", "Member must not be null{}"),
    (r"Object missing required field `(.*)`", "Member {} must not be null"),
)


def _service_error(message: str, base: str) -> ServiceError:
    """What the decoder objects to, in the words of the service."""
    problem, _, path = message.partition(" - at `$")
    where = _member(base + path.rstrip("`"))
    for pattern, sentence in _CONSTRAINTS:
        found = re.search(pattern, problem)
        if found:
            text = sentence.format(found[1].strip("^$"))
            return ValidationException(
                f"1 validation error detected: Value at '{where}' failed to satisfy constraint:"
                f" {text}"
            )
    return SerializationException(f"{problem} at '{where}'")


def _member(path: str) -> str:
    """`Records[3].MeasureName` as the service writes it: `records.4.member.measureName`."""
    parts: list[str] = []
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        parts += [name[0].lower() + name[1:]] if name else [str(int(index) + 1), "member"]
    return ".".join(parts) or "request"


def as_json(value: Struct | None) -> Any:
    """A shape as JSON types, with members named as in the API; None stays None."""
    return msgspec.to_builtins(value) if value is not None else None
