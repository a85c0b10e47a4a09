"""Scheduled queries and their runs, as they are stored and described."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fleetstream.emulator.scheduled.shapes import (
    CreateScheduledQuery,
    State,
    TimestreamConfiguration,
)
from fleetstream.emulator.store.table_properties import ApiShape

MAX_FAILED_RUNS = 5
"""Failed runs that DescribeScheduledQuery returns."""


class ExecutionStats(ApiShape, frozen=True):
    """The API's ExecutionStats."""

    execution_time_in_millis: int
    records_ingested: int
    query_result_rows: int


class RunSummary(ApiShape, frozen=True, omit_defaults=True):
    """The API's ScheduledQueryRunSummary; times are seconds since 1970."""

    invocation_time: float
    trigger_time: float
    run_status: str
    execution_stats: ExecutionStats
    error_report_location: dict[str, Any] | UnsetType = UNSET
    failure_reason: str | UnsetType = UNSET

    @property
    def failed(self) -> bool:
        return self.run_status.endswith("FAILURE")


class ScheduledQuery(Struct, frozen=True):
    """A scheduled query; times are seconds since 1970.

    ``runs`` are the last run and the latest failed ones, the latest first.
    """

    arn: str
    request: CreateScheduledQuery
    created: float
    state: State = "ENABLED"
    previous_invocation: float | None = None
    runs: tuple[RunSummary, ...] = ()

    @property
    def target(self) -> TimestreamConfiguration | None:
        """Where its results are written, if anywhere."""
        configuration = self.request.target_configuration
        return configuration.timestream_configuration if configuration is not None else None

    def after(self, run: RunSummary, state: State) -> ScheduledQuery:
        """The query after one more run, which leaves it in ``state``."""
        failed = tuple(old for old in self.runs if old.failed)[:MAX_FAILED_RUNS]
        return msgspec.structs.replace(
            self, runs=(run, *failed), state=state, previous_invocation=run.invocation_time
        )

    def summary(self, next_invocation: float | None) -> dict[str, Any]:
        """The API's ScheduledQuery, as it is listed."""
        described = {
            "Arn": self.arn,
            "Name": self.request.name,
            "CreationTime": self.created,
            "State": self.state,
            "PreviousInvocationTime": self.previous_invocation,
            "NextInvocationTime": next_invocation,
            "ErrorReportConfiguration": msgspec.to_builtins(
                self.request.error_report_configuration
            ),
            "LastRunStatus": self.runs[0].run_status if self.runs else None,
        }
        if self.target is not None:
            destination = {
                "DatabaseName": self.target.database_name,
                "TableName": self.target.table_name,
            }
            described["TargetDestination"] = {"TimestreamDestination": destination}
        return _present(described)

    def description(self, next_invocation: float | None) -> dict[str, Any]:
        """The API's ScheduledQueryDescription."""
        request = self.request
        described = self.summary(next_invocation)
        for name in ("TargetDestination", "LastRunStatus"):
            described.pop(name, None)
        described |= {
            "QueryString": request.query_string,
            "ScheduleConfiguration": msgspec.to_builtins(request.schedule_configuration),
            "NotificationConfiguration": msgspec.to_builtins(request.notification_configuration),
            "ScheduledQueryExecutionRoleArn": request.scheduled_query_execution_role_arn,
            "KmsKeyId": request.kms_key_id,
            "RecentlyFailedRuns": [msgspec.to_builtins(run) for run in self.runs if run.failed][
                :MAX_FAILED_RUNS
            ],
        }
        if request.target_configuration is not None:
            described["TargetConfiguration"] = msgspec.to_builtins(request.target_configuration)
        if self.runs:
            described["LastRunSummary"] = msgspec.to_builtins(self.runs[0])
        return _present(described)


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
