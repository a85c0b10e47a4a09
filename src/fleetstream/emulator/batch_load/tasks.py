"""Keeps the batch load tasks, and runs them one after the other in a thread."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import msgspec

from fleetstream.emulator.batch_load.load import Load, LoadStopped
from fleetstream.emulator.batch_load.task import BatchLoadTask, ProgressReport
from fleetstream.emulator.errors import ResourceNotFoundException, ValidationException
from fleetstream.emulator.mapping.record_writer import RecordWriter
from fleetstream.emulator.object_storage import ObjectStorage
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

DOCUMENTS = "batch-load-task"
"""The kind of the catalog's documents that hold tasks."""

_UNFINISHED = ("CREATED", "IN_PROGRESS", "PENDING_RESUME")
_log = logging.getLogger(__name__)


class BatchLoadTasks:
    """All tasks of a store; safe to use from several threads."""

    def __init__(
        self, store: TimestreamStore, writer: Writer, storage: ObjectStorage | None
    ) -> None:
        self._clock = store.clock
        self._store = store
        self._writer = writer
        self._storage = storage
        self._lock = threading.Lock()
        self._tasks: dict[str, BatchLoadTask] = {}
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestream-batch-load", daemon=True)
        for content in store.catalog.documents(DOCUMENTS):
            task = msgspec.json.decode(content, type=BatchLoadTask)
            # The server was killed while it ran.
            if task.status in _UNFINISHED:
                task = msgspec.structs.replace(task, status="PROGRESS_STOPPED")
            self._tasks[task.id] = task

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop the current task, and end the thread; the writer must still be running."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()

    def tasks(self) -> list[BatchLoadTask]:
        """All tasks, sorted by ID."""
        with self._lock:
            return [self._tasks[task_id] for task_id in sorted(self._tasks)]

    def task(self, task_id: str) -> BatchLoadTask:
        """Raises ResourceNotFoundException for an unknown ID."""
        with self._lock:
            task = self._tasks.get(task_id)
        if task is None:
            raise ResourceNotFoundException(f"The batch load task {task_id} does not exist.")
        return task

    def add(self, task: BatchLoadTask) -> None:
        """Run a new task when those before it have ended."""
        with self._lock:
            self._tasks[task.id] = task
        self._save(task)
        self._waiting.put(task.id)

    def resume(self, task_id: str) -> None:
        """Run a task that was stopped again; records that are stored already do not change.

        Raises ResourceNotFoundException for an unknown ID, and ValidationException for a task that
        can't be resumed.
        """
        task = self.task(task_id)
        until = task.resumable_until
        if until is None or self._clock.seconds() > until:
            raise ValidationException(
                f"The batch load task {task_id} can't be resumed: its status is {task.status}"
                f"{'' if until is None else ', and its time to be resumed has ended'}."
            )
        self._update(task_id, status="PENDING_RESUME")
        self._waiting.put(task_id)

    def _run(self) -> None:
        while (task_id := self._waiting.get()) is not None:
            if self._closing.is_set():
                self._update(task_id, status="PROGRESS_STOPPED")
                continue
            try:
                self._load(task_id)
            except Exception:
                _log.exception("A batch load task failed.")
                self._update(task_id, status="FAILED", error="The task could not be finished.")

    def _load(self, task_id: str) -> None:
        assert self._storage is not None
        task = self._update(task_id, status="IN_PROGRESS", progress=ProgressReport())
        request = task.request
        writer = RecordWriter(
            self._store, self._writer, request.target_database_name, request.target_table_name
        )

        def report(progress: ProgressReport) -> None:
            self._update(task_id, save=False, progress=progress)

        load = Load(task, self._storage, writer, report, self._closing.is_set)
        try:
            error = load.run()
        except LoadStopped:
            self._update(task_id, status="PROGRESS_STOPPED")
        else:
            self._update(task_id, status="FAILED" if error else "SUCCEEDED", error=error)

    def _update(self, task_id: str, *, save: bool = True, **changes: Any) -> BatchLoadTask:
        with self._lock:
            task = msgspec.structs.replace(
                self._tasks[task_id], updated=self._clock.seconds(), **changes
            )
            self._tasks[task_id] = task
        if save:
            self._save(task)
        return task

    def _save(self, task: BatchLoadTask) -> None:
        content = msgspec.json.encode(task).decode()
        self._writer.run(
            lambda: self._store.change(
                lambda catalog: catalog.put_document(DOCUMENTS, task.arn, content)
            )
        ).result()
