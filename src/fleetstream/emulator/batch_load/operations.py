"""The write API's operations on batch load tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from fleetstream.emulator.api.catalog_operations import page
from fleetstream.emulator.batch_load import shapes
from fleetstream.emulator.batch_load.load import read_data_model
from fleetstream.emulator.batch_load.task import BatchLoadTask
from fleetstream.emulator.batch_load.tasks import BatchLoadTasks
from fleetstream.emulator.errors import ConflictException, ValidationException
from fleetstream.emulator.object_storage import ObjectStorage
from fleetstream.emulator.store.store import TimestreamStore


class BatchLoadOperations:
    """One method per operation; each returns the response as JSON types."""

    def __init__(
        self, store: TimestreamStore, tasks: BatchLoadTasks, storage: ObjectStorage | None
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._storage = storage

    @property
    def table(self) -> dict[str, tuple[type[Any], Callable[[Any], dict[str, Any]]]]:
        """The request's shape and the method of each operation."""
        return {
            "CreateBatchLoadTask": (shapes.CreateBatchLoadTask, self.create),
            "DescribeBatchLoadTask": (shapes.BatchLoadTaskReference, self.describe),
            "ListBatchLoadTasks": (shapes.ListBatchLoadTasks, self.list_tasks),
            "ResumeBatchLoadTask": (shapes.BatchLoadTaskReference, self.resume),
        }

    def create(self, request: shapes.CreateBatchLoadTask) -> dict[str, Any]:
        """Create a task; the same request with the same ClientToken returns the same one."""
        if self._storage is None:
            raise ValidationException(
                "Batch load needs S3; start the local Timestream with --s3, followed by the URL of"
                " a server with the API of S3, or by a folder."
            )
        for task in self._tasks.tasks():
            if request.client_token is not UNSET and task.request.client_token == (
                request.client_token
            ):
                if task.request != request:
                    raise ConflictException("The ClientToken was used with other parameters.")
                return {"TaskId": task.id}
        self._store.catalog.table(request.target_database_name, request.target_table_name)
        read_data_model(request, self._storage)
        now = self._store.clock.seconds()
        task = BatchLoadTask(uuid.uuid4().hex.upper(), request, now, now)
        self._tasks.add(task)
        return {"TaskId": task.id}

    def describe(self, request: shapes.BatchLoadTaskReference) -> dict[str, Any]:
        return {"BatchLoadTaskDescription": self._tasks.task(request.task_id).description()}

    def list_tasks(self, request: shapes.ListBatchLoadTasks) -> dict[str, Any]:
        tasks = [
            task
            for task in self._tasks.tasks()
            if request.task_status is None or task.status == request.task_status
        ]
        listed, token = page(tasks, request.next_token, request.max_results)
        return {"BatchLoadTasks": [task.summary() for task in listed], **token}

    def resume(self, request: shapes.BatchLoadTaskReference) -> dict[str, Any]:
        self._tasks.resume(request.task_id)
        return {}
