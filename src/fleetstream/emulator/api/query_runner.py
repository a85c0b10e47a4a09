"""Running query operations within bounds: how many at once, for how long, and in how much memory.

Queries run in a fixed number of threads. The event loop watches each of them, and stops it by
DuckDB's interrupt: when its time is over, when the process has too much memory, or when its client
has closed the connection. DuckDB notices an interrupt only at certain points, and forgets one that
comes between two fetches, so it is repeated until the query has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import psutil
from starlette.requests import ClientDisconnect, Request

from fleetstream.emulator.errors import (
    InternalServerException,
    QueryExecutionException,
    ServiceError,
    ThrottlingException,
)

UNWATCHED_SECONDS = 0.005
"""Most queries are over in this time, in which memory cannot grow by much."""
WATCH_SECONDS = 0.02
SMALL_GROWTH = 32 * 2**20
"""A query is not stopped while the process has grown by less than these bytes since its start: it
is not to blame for memory that an earlier one has not given back yet."""
RELEASE_SECONDS = 5.0
"""How long a query waits at most for memory that an earlier one has not given back yet."""
_GRACE_SECONDS = 0.25

Response = dict[str, Any]


@dataclass(frozen=True)
class QueryLimits:
    """Bounds of queries: ``timeout`` in seconds, ``memory`` in bytes, ``at_once`` queries."""

    timeout: float
    memory: int
    at_once: int


class QueryTask:
    """The work of one request, done in one thread and stopped by another."""

    def __init__(self) -> None:
        self.deadline = float("inf")
        self._error: ServiceError | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def using(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt ``cursor`` if the task is stopped inside of the block."""
        self.check()
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:
                self._cursor = None

    def stop(self, error: ServiceError) -> None:
        """End the work; ``check`` raises ``error`` from now on. Only the first call has effect."""
        with self._lock:
            self._error = self._error or error
            if self._cursor is not None:
                with contextlib.suppress(duckdb.ConnectionException):
                    self._cursor.interrupt()

    def interrupt_again(self) -> None:
        """Repeat the interrupt of a task that was stopped."""
        if self._error is not None:
            self.stop(self._error)

    def check(self) -> None:
        """Raise the error that the task was stopped with, if it was."""
        if self._error is not None:
            raise self._error


@contextmanager
def stopped_after(seconds: float) -> Iterator[QueryTask]:
    """A task for the work in the block, which is stopped when so much time has passed."""
    task, ended = QueryTask(), threading.Event()

    def watch() -> None:
        if not ended.wait(seconds):
            task.stop(_timed_out(seconds))
        while not ended.wait(WATCH_SECONDS):
            task.interrupt_again()

    watcher = threading.Thread(target=watch, name="timestream-watch", daemon=True)
    watcher.start()
    try:
        yield task
    finally:
        ended.set()
        watcher.join()


class QueryRunner:
    """Runs the work of queries in threads, and watches it from the event loop."""

    def __init__(self, limits: QueryLimits) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="timestream-query")
        self._process = psutil.Process()
        self._most_memory = self._memory() + limits.memory
        self._running: dict[QueryTask, Future[Response]] = {}
        self._awaits_memory = False

    @property
    def running(self) -> int:
        """Queries that are running or waiting for a thread."""
        return len(self._running)

    async def run(self, work: Callable[[QueryTask], Response], request: Request) -> Response:
        """The result of ``work``, which gets the task that stops it.

        Raises what ``work`` raises; QueryExecutionException if it takes too long or the process has
        too much memory; ThrottlingException if no thread was free in all that time; and
        ClientDisconnect if the client has closed the connection.
        """
        if self._awaits_memory:
            await self._wait_for_memory()
        task = QueryTask()
        deadline = time.monotonic() + self._limits.timeout
        future = self._threads.submit(self._start, task, deadline, work)
        self._running[task] = future
        watch = asyncio.create_task(self._watch(task, future))
        gone = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait(
                (watch, gone),
                timeout=self._limits.timeout + _GRACE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if future.done() and not future.cancelled():
                return future.result()
            if future.cancel():
                raise self._not_started()
            task.stop(_timed_out(self._limits.timeout))
            if gone.done():
                raise ClientDisconnect
            task.check()
            raise AssertionError("A task that was stopped has an error.")
        finally:
            # Whatever ended this coroutine, nobody waits for the result any more.
            task.stop(QueryExecutionException("The query was cancelled"))
            gone.cancel()

    def close(self) -> None:
        """Stop all queries and end the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        error = InternalServerException("The server is shutting down.")
        while tasks := [task for task, future in self._running.items() if not future.done()]:
            for task in tasks:
                task.stop(error)
                task.interrupt_again()
            time.sleep(WATCH_SECONDS)
        self._threads.shutdown()

    def _start(
        self, task: QueryTask, deadline: float, work: Callable[[QueryTask], Response]
    ) -> Response:
        if time.monotonic() >= deadline:
            raise self._not_started()
        task.check()
        task.deadline = deadline
        return work(task)

    async def _watch(self, task: QueryTask, future: Future[Response]) -> None:
        """Stop the task when a limit is reached; returns when its thread is done with it."""
        finished = asyncio.ensure_future(asyncio.wrap_future(future))
        try:
            if (await asyncio.wait((finished,), timeout=UNWATCHED_SECONDS))[0]:
                return
            most_memory = max(self._most_memory, self._memory() + SMALL_GROWTH)
            while not (await asyncio.wait((finished,), timeout=WATCH_SECONDS))[0]:
                if time.monotonic() > task.deadline:
                    task.stop(_timed_out(self._limits.timeout))
                elif self._memory() > most_memory:
                    self._awaits_memory = True
                    task.stop(_too_much_memory())
                task.interrupt_again()
        finally:
            if finished.done() and not finished.cancelled():
                finished.exception()
            del self._running[task]

    async def _wait_for_memory(self) -> None:
        """Wait until the memory of a query that was stopped for it has been given back.

        DuckDB's allocator does so within seconds; the next query would exceed the limit further.
        """
        latest = time.monotonic() + RELEASE_SECONDS
        while self._memory() > self._most_memory and time.monotonic() < latest:
            await asyncio.sleep(WATCH_SECONDS)
        self._awaits_memory = False

    def _memory(self) -> int:
        size: int = self._process.memory_info().rss
        return size

    def _not_started(self) -> ThrottlingException:
        return ThrottlingException(
            f"The query could not be started within {self._limits.timeout:g} s, because"
            f" {self._limits.at_once} others were running; try again later."
        )


def _timed_out(seconds: float) -> QueryExecutionException:
    return QueryExecutionException(
        f"The query took longer than {seconds:g} s, the server's query timeout."
    )


def _too_much_memory() -> QueryExecutionException:
    return QueryExecutionException(
        "The query was stopped because the server has reached its memory limit."
    )


async def _disconnected(request: Request) -> None:
    """Returns when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
