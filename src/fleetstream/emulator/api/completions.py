"""Waiting in the event loop for futures of another thread, many of which are done at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class Completions:
    """Wakes the event loop once for all futures that are done, and not once for each.

    A transaction completes the requests of many clients together, and waking the event loop costs
    two system calls and a switch of threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[tuple[asyncio.Future[Any], Future[Any]]] = []

    async def wait(self, future: Future[Result]) -> Result:
        """The result of a future of another thread; raises its exception."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Result] = loop.create_future()

        def done(finished: Future[Result]) -> None:
            with self._lock:
                self._done.append((waiting, finished))
                first = len(self._done) == 1
            if first:
                # The loop is closed if the server ended without waiting for this request.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._deliver)

        future.add_done_callback(done)
        return await waiting

    def _deliver(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for waiting, finished in done:
            if waiting.done():
                continue
            error = finished.exception()
            if error is None:
                waiting.set_result(finished.result())
            else:
                waiting.set_exception(error)
