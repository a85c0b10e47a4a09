"""Shapes of the operations on scheduled queries.

Required members, lengths, patterns and enumerations are those of the service's model
(``timestream-query``, 2018-11-01).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from fleetstream.emulator.api.shapes import TagShapes
from fleetstream.emulator.mapping.shapes import MixedMeasureMappings, MultiMeasureMappings
from fleetstream.emulator.store.table_properties import ApiShape, Text2048

MAX_TIME_SECONDS = 7_258_118_400
"""The year 2200, in seconds since 1970."""

Arn = Text2048
State = Literal["ENABLED", "DISABLED"]
ClientToken = Annotated[str, Meta(min_length=32, max_length=128)]

_LETTERS = r"^[a-zA-Z0-9|!\-_*'\(\)]([a-zA-Z0-9]|[!\-_*'\(\)\/.])+$"


class ScheduleConfiguration(ApiShape, frozen=True):
    """When a query is run."""

    schedule_expression: Annotated[str, Meta(min_length=1, max_length=256)]


class SnsConfiguration(ApiShape, frozen=True):
    """Where the service sends notifications; stored and described only."""

    topic_arn: Text2048


class NotificationConfiguration(ApiShape, frozen=True):
    """How the service notifies; stored and described only."""

    sns_configuration: SnsConfiguration


class ErrorReportS3Configuration(ApiShape, frozen=True, omit_defaults=True):
    """Where error reports are written."""

    bucket_name: Annotated[
        str, Meta(min_length=3, max_length=63, pattern=r"^[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9]$")
    ]
    object_key_prefix: (
        Annotated[str, Meta(min_length=1, max_length=896, pattern=_LETTERS)] | UnsetType
    ) = UNSET
    encryption_option: Literal["SSE_S3", "SSE_KMS"] | UnsetType = UNSET


class ErrorReportConfiguration(ApiShape, frozen=True):
    """The API's ErrorReportConfiguration."""

    s3_configuration: ErrorReportS3Configuration


class DimensionMapping(ApiShape, frozen=True):
    """A column of the result that becomes a dimension."""

    name: str
    dimension_value_type: Literal["VARCHAR"]


class TimestreamConfiguration(ApiShape, frozen=True, omit_defaults=True):
    """The table that a result is written to, and how its columns are mapped."""

    database_name: str
    table_name: str
    time_column: str
    dimension_mappings: tuple[DimensionMapping, ...]
    multi_measure_mappings: MultiMeasureMappings | UnsetType = UNSET
    mixed_measure_mappings: MixedMeasureMappings | UnsetType = UNSET
    measure_name_column: str | UnsetType = UNSET


class TargetConfiguration(ApiShape, frozen=True):
    """The API's TargetConfiguration."""

    timestream_configuration: TimestreamConfiguration


class CreateScheduledQuery(ApiShape, frozen=True):
    """Request of the CreateScheduledQuery operation."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=_LETTERS)]
    query_string: Annotated[str, Meta(min_length=1, max_length=262_144)]
    schedule_configuration: ScheduleConfiguration
    notification_configuration: NotificationConfiguration
    scheduled_query_execution_role_arn: Text2048
    error_report_configuration: ErrorReportConfiguration
    target_configuration: TargetConfiguration | None = None
    client_token: ClientToken | None = None
    tags: TagShapes | None = None
    kms_key_id: Text2048 | None = None


class ScheduledQueryReference(ApiShape, frozen=True):
    """Request of the DescribeScheduledQuery and DeleteScheduledQuery operations."""

    scheduled_query_arn: Arn


class UpdateScheduledQuery(ApiShape, frozen=True):
    """Request of the UpdateScheduledQuery operation."""

    scheduled_query_arn: Arn
    state: State


class ExecuteScheduledQuery(ApiShape, frozen=True):
    """Request of the ExecuteScheduledQuery operation; the time is in seconds since 1970."""

    scheduled_query_arn: Arn
    invocation_time: Annotated[float, Meta(ge=0, lt=MAX_TIME_SECONDS)]
    client_token: ClientToken | None = None


class ListScheduledQueries(ApiShape, frozen=True):
    """Request of the ListScheduledQueries operation."""

    max_results: Annotated[int, Meta(ge=1, le=1000)] | None = None
    next_token: str | None = None
