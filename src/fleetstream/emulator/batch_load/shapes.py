"""Shapes of the operations on batch load tasks.

Required members, lengths, patterns and enumerations are those of the service's model
(``timestream-write``, 2018-11-01).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from fleetstream.emulator.api.shapes import Text256, TimeUnit
from fleetstream.emulator.mapping.shapes import MixedMeasureMappings, MultiMeasureMappings
from fleetstream.emulator.store.table_properties import ApiShape, NonEmptyText, Text2048

TaskStatus = Literal[
    "CREATED", "IN_PROGRESS", "FAILED", "SUCCEEDED", "PROGRESS_STOPPED", "PENDING_RESUME"
]
TaskId = Annotated[str, Meta(min_length=3, max_length=32, pattern="^[A-Z0-9]+$")]

BucketName = Annotated[
    str, Meta(min_length=3, max_length=63, pattern=r"^[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]$")
]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1024,
        pattern=r"^[a-zA-Z0-9|!\-_*'\(\)]([a-zA-Z0-9]|[!\-_*'\(\)\/.])+$",
    ),
]
Character = Annotated[str, Meta(min_length=1, max_length=1)]


class DimensionColumn(ApiShape, frozen=True, omit_defaults=True):
    """A column that becomes a dimension, by default of the same name."""

    source_column: NonEmptyText | UnsetType = UNSET
    destination_column: NonEmptyText | UnsetType = UNSET


class DataModel(ApiShape, frozen=True, omit_defaults=True):
    """How columns are mapped."""

    dimension_mappings: Annotated[tuple[DimensionColumn, ...], Meta(min_length=1)]
    time_column: Text256 | UnsetType = UNSET
    time_unit: TimeUnit | UnsetType = UNSET
    multi_measure_mappings: MultiMeasureMappings | UnsetType = UNSET
    mixed_measure_mappings: MixedMeasureMappings | UnsetType = UNSET
    measure_name_column: Text256 | UnsetType = UNSET


class DataModelLocation(ApiShape, frozen=True, omit_defaults=True):
    """An object with a data model as JSON."""

    bucket_name: BucketName | UnsetType = UNSET
    object_key: Key | UnsetType = UNSET


class DataModelConfiguration(ApiShape, frozen=True, omit_defaults=True):
    """A data model, or where it is."""

    data_model: DataModel | UnsetType = UNSET
    data_model_s3_configuration: DataModelLocation | UnsetType = UNSET


class DataSourceLocation(ApiShape, frozen=True, omit_defaults=True):
    """The objects to load: all whose keys start with the prefix."""

    bucket_name: BucketName
    object_key_prefix: Key | UnsetType = UNSET


class CsvConfiguration(ApiShape, frozen=True, omit_defaults=True):
    """The form of the files."""

    column_separator: Character | UnsetType = UNSET
    escape_char: Character | UnsetType = UNSET
    quote_char: Character | UnsetType = UNSET
    null_value: Text256 | UnsetType = UNSET
    trim_white_space: bool | UnsetType = UNSET


class DataSourceConfiguration(ApiShape, frozen=True, omit_defaults=True):
    """The API's DataSourceConfiguration."""

    data_source_s3_configuration: DataSourceLocation
    data_format: Literal["CSV"]
    csv_configuration: CsvConfiguration | UnsetType = UNSET


class ReportLocation(ApiShape, frozen=True, omit_defaults=True):
    """Where the error report is written."""

    bucket_name: BucketName
    object_key_prefix: Key | UnsetType = UNSET
    encryption_option: Literal["SSE_S3", "SSE_KMS"] | UnsetType = UNSET
    kms_key_id: Text2048 | UnsetType = UNSET


class ReportConfiguration(ApiShape, frozen=True, omit_defaults=True):
    """The API's ReportConfiguration."""

    report_s3_configuration: ReportLocation | UnsetType = UNSET


class CreateBatchLoadTask(ApiShape, frozen=True, omit_defaults=True):
    """Request of the CreateBatchLoadTask operation."""

    data_source_configuration: DataSourceConfiguration
    report_configuration: ReportConfiguration
    target_database_name: str
    target_table_name: str
    data_model_configuration: DataModelConfiguration | UnsetType = UNSET
    record_version: Annotated[int, Meta(ge=1, le=2**63 - 1)] | UnsetType = UNSET
    client_token: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class BatchLoadTaskReference(ApiShape, frozen=True):
    """Request of the DescribeBatchLoadTask and ResumeBatchLoadTask operations."""

    task_id: TaskId


class ListBatchLoadTasks(ApiShape, frozen=True):
    """Request of the ListBatchLoadTasks operation."""

    next_token: str | None = None
    max_results: Annotated[int, Meta(ge=1, le=100)] | None = None
    task_status: TaskStatus | None = None
