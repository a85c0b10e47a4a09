"""Batch load tasks, as they are stored and described."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from fleetstream.emulator.batch_load.shapes import CreateBatchLoadTask, TaskStatus
from fleetstream.emulator.store.catalog import ACCOUNT, REGION
from fleetstream.emulator.store.table_properties import ApiShape

RESUMABLE_SECONDS = 24 * 3600.0
"""How long a task that was stopped can be resumed."""


class ProgressReport(ApiShape, frozen=True):
    """The API's BatchLoadProgressReport."""

    records_processed: int = 0
    records_ingested: int = 0
    parse_failures: int = 0
    record_ingestion_failures: int = 0
    file_failures: int = 0
    bytes_metered: int = 0


class BatchLoadTask(Struct, frozen=True):
    """A task; times are seconds since 1970."""

    id: str
    request: CreateBatchLoadTask
    created: float
    updated: float
    status: TaskStatus = "CREATED"
    progress: ProgressReport = ProgressReport()
    error: str | None = None

    @property
    def arn(self) -> str:
        """What the task is stored under; the API has no ARNs of tasks."""
        return f"arn:aws:timestream:{REGION}:{ACCOUNT}:batch-load-task/{self.id}"

    @property
    def resumable_until(self) -> float | None:
        return self.updated + RESUMABLE_SECONDS if self.status == "PROGRESS_STOPPED" else None

    def summary(self) -> dict[str, Any]:
        """The API's BatchLoadTask."""
        return self._present(
            TaskId=self.id,
            TaskStatus=self.status,
            DatabaseName=self.request.target_database_name,
            TableName=self.request.target_table_name,
            CreationTime=self.created,
            LastUpdatedTime=self.updated,
            ResumableUntil=self.resumable_until,
        )

    def description(self) -> dict[str, Any]:
        """The API's BatchLoadTaskDescription."""
        request = msgspec.to_builtins(self.request)
        request.pop("ClientToken", None)
        return self._present(
            **request,
            TaskId=self.id,
            TaskStatus=self.status,
            ErrorMessage=self.error,
            ProgressReport=msgspec.to_builtins(self.progress),
            CreationTime=self.created,
            LastUpdatedTime=self.updated,
            ResumableUntil=self.resumable_until,
        )

    def _present(self, **members: Any) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}
