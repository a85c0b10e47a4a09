"""The one thread that writes: it commits all requests that wait in one transaction.

A commit costs about as much for one request as for fifty, most of all when it has to reach the
disk; under load, requests arrive while the last commit is under way, and go into the next one
together.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from fleetstream.local.errors import (
    InternalServerException,
    ResourceNotFoundException,
    ServiceError,
)
from fleetstream.local.sheet import Sheet
from fleetstream.local.store import Store

MOST_TOGETHER = 64
"""Requests that go into one transaction at most, so that none waits long."""

_log = logging.getLogger(__name__)


@dataclass
class _Job:
    """What is to be done, and the promise of its result."""

    work: Sheet | Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)


class Writer:
    """Runs everything that changes the store, in the order in which it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, sheet: Sheet) -> Future[Sheet]:
        """Store a request's rows; done when they would survive the end of the process."""
        job = _Job(sheet)
        self._jobs.put(job)
        return job.done

    def run(self, work: Callable[[], Any]) -> Future[Any]:
        """Run an operation that changes the store."""
        job = _Job(work)
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Finish what has been asked for, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            jobs = [self._jobs.get()]
            while len(jobs) < MOST_TOGETHER and not self._jobs.empty():
                jobs.append(self._jobs.get())
            sheets: list[_Job] = []
            for job in jobs:
                if job is None:
                    ended = True
                elif isinstance(job.work, Sheet):
                    sheets.append(job)
                else:
                    self._write(sheets)
                    sheets = []
                    _settle(job, job.work)
            self._write(sheets)

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Store the sheets of `jobs` together."""
        waiting = []
        for job in jobs:
            assert isinstance(job.work, Sheet)
            try:
                # Since the request was read, its table may have gone.
                self._store.catalog.table(job.work.table.database, job.work.table.name)
            except ResourceNotFoundException as error:
                job.done.set_exception(error)
            else:
                waiting.append(job)
        if not waiting:
            return
        try:
            self._store.write([job.work for job in waiting if isinstance(job.work, Sheet)])
        except Exception:
            _log.exception("A commit failed.")
            for job in waiting:
                job.done.set_exception(InternalServerException("The records could not be stored."))
        else:
            for job in waiting:
                job.done.set_result(job.work)


def _settle(job: _Job, work: Callable[[], Any]) -> None:
    """Run an operation, and keep the promise of its result."""
    try:
        job.done.set_result(work())
    except ServiceError as error:
        job.done.set_exception(error)
    except Exception:
        _log.exception("An operation failed.")
        job.done.set_exception(InternalServerException("The operation could not be finished."))
