"""The writer thread: it commits all waiting requests in one transaction.

A commit costs about as much for fifty requests as for one, above all when it has to reach the disk.
Under load, requests that arrive during a commit are stored together by the next one.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import duckdb

from fleetstream.emulator.errors import (
    InternalServerException,
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
)
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.store import TimestreamStore

MAX_REQUESTS_PER_COMMIT = 64

_log = logging.getLogger(__name__)


class _QueuedWrite(NamedTuple):
    pending: PendingRecords
    done: Future[PendingRecords]


class _QueuedChange(NamedTuple):
    change: Callable[[], Any]
    done: Future[Any]


class Writer:
    """Runs everything that changes the store in one thread, in order of arrival."""

    def __init__(self, store: TimestreamStore) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_QueuedWrite | _QueuedChange | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="timestream-writer", daemon=True)
        self._thread.start()

    def write(self, pending: PendingRecords) -> Future[PendingRecords]:
        """Store a request's records.

        The future is done when the records are committed. It fails with ResourceNotFoundException
        if the table was deleted after the request was read, even if one of the same name exists.
        """
        queued = _QueuedWrite(pending, Future())
        self._queue.put(queued)
        return queued.done

    def run(self, change: Callable[[], Any]) -> Future[Any]:
        """Run a change of the catalog."""
        queued = _QueuedChange(change, Future())
        self._queue.put(queued)
        return queued.done

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish everything that is queued, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            batch = [self._queue.get()]
            while len(batch) < MAX_REQUESTS_PER_COMMIT and not self._queue.empty():
                batch.append(self._queue.get())
            writes: list[_QueuedWrite] = []
            for queued in batch:
                if queued is None:
                    closing = True
                elif isinstance(queued, _QueuedWrite):
                    writes.append(queued)
                else:
                    self._commit(writes)
                    writes = []
                    _run_change(queued)
            self._commit(writes)

    def _commit(self, writes: Sequence[_QueuedWrite]) -> None:
        valid = [queued for queued in writes if self._table_exists(queued)]
        if not valid:
            return
        try:
            self._store.write([queued.pending for queued in valid])
        except Exception as error:
            for queued in valid:
                queued.done.set_exception(_service_error(error))
        else:
            for queued in valid:
                queued.done.set_result(queued.pending)

    def _table_exists(self, queued: _QueuedWrite) -> bool:
        """Whether the table that the request was read for still exists; if not, fail the request.

        A table of the same name that was created since then has another id, and may have other
        properties than those that the request was checked against.
        """
        table = queued.pending.table
        try:
            if self._store.catalog.table(table.database, table.name).id == table.id:
                return True
            error = ResourceNotFoundException(
                f"The table {table.name} was deleted while the records were written to it."
            )
        except ResourceNotFoundException as missing:
            error = missing
        queued.done.set_exception(error)
        return False


def _service_error(error: Exception) -> ServiceError:
    """The error that the requests of a failed commit get."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, duckdb.OutOfMemoryException):
        # That the data leave enough memory was checked before.
        return ThrottlingException(
            "The records were not stored, because running queries have used the server's memory;"
            " send them again."
        )
    _log.error("A commit failed.", exc_info=error)
    return InternalServerException("The records could not be stored.")


def _run_change(queued: _QueuedChange) -> None:
    try:
        queued.done.set_result(queued.change())
    except ServiceError as error:
        queued.done.set_exception(error)
    except Exception:
        _log.exception("An operation failed.")
        queued.done.set_exception(InternalServerException("The operation could not be finished."))
