"""The local Timestream inside the current process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetstream.emulator.api.faults import Faults
from fleetstream.emulator.clock import SettableClock
from fleetstream.emulator.object_storage import open_storage
from fleetstream.emulator.server import EmulatorServer
from fleetstream.emulator.settings import (
    DEFAULT_MAX_QUERIES,
    DEFAULT_MEMORY_LIMIT,
    DEFAULT_QUERY_TIMEOUT_SECONDS,
    ServerSettings,
)


class LocalTimestream:
    """A local Timestream that runs in a background thread while the ``with`` block is active.

    Any Timestream client can use it, with ``url`` as the endpoint URL and any credentials:

        with LocalTimestream() as timestream:
            write = boto3.client("timestream-write", endpoint_url=timestream.url, ...)

    Instances are independent of each other. An instance can be entered again after its end; with a
    ``store``, it then has the same data.
    """

    def __init__(
        self,
        store: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Mapping[str, str | float] | None = None,
        seed: int = 0,
        s3: Path | str | None = None,
        memory_limit: str = DEFAULT_MEMORY_LIMIT,
        query_timeout: float = DEFAULT_QUERY_TIMEOUT_SECONDS,
        max_queries: int = DEFAULT_MAX_QUERIES,
        tls_certificate: Path | None = None,
        tls_key: Path | None = None,
    ) -> None:
        """Configure a local Timestream, which is started by ``with``.

        The data are in the file ``store``, or in memory without one. It listens on ``host`` and
        ``port``; port 0 is a free port. Credentials are not checked, so anyone who can reach the
        address can read and change the data.

        ``faults`` are the injected faults by kind, such as ``{"throttle": 0.1}``, and ``seed`` is
        the seed of their random numbers; the kinds are those of ``fleetstream serve --fault``. With
        a dictionary, also an empty one, faults can be changed at run time.

        ``s3`` is where ``s3://`` locations are, for UNLOAD, batch load and error reports: the URL
        of a server with the API of S3, such as moto's, or a folder, which then has one folder per
        bucket.

        DuckDB may use ``memory_limit``, a size such as ``"2GiB"`` or a percentage of the machine's
        memory. A query is stopped after ``query_timeout`` seconds, and when the process has grown
        by more than the memory limit; ``max_queries`` run at once, and others wait for them. With
        ``tls_certificate`` and ``tls_key``, which are PEM files, the server speaks HTTPS.

        Raises ValueError for an invalid value.
        """
        self._settings = ServerSettings(
            host=host,
            port=port,
            store=Path(store) if store is not None else None,
            memory_limit=memory_limit,
            query_timeout=query_timeout,
            max_queries=max_queries,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
        )
        self._faults = (dict(faults), seed) if faults is not None else None
        if self._faults is not None:
            Faults(*self._faults)
        self._storage = open_storage(str(s3)) if s3 is not None else None
        self._server: EmulatorServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The endpoint URL; raises RuntimeError outside of the ``with`` block."""
        return self._running.url

    @property
    def port(self) -> int:
        """The port; raises RuntimeError outside of the ``with`` block."""
        return self._running.port

    @property
    def clock(self) -> SettableClock:
        """The clock, which can be set; raises RuntimeError outside of the ``with`` block."""
        return self._running.clock

    def snapshot(self, path: Path | str) -> None:
        """Write a copy of all data to the file ``path``, which can be used as a ``store``.

        It has every record that was acknowledged before, and can be made while clients write. An
        existing file is replaced. Raises OSError if the file cannot be written, and RuntimeError
        outside of the ``with`` block, and if another snapshot is being made or there is no room
        for its temporary file.
        """
        self._running.snapshot(Path(path))

    def __enter__(self) -> Self:
        """Start serving.

        Raises OSError if it cannot listen, StoreUnusable if it cannot open the store, and
        RuntimeError if it is running already.
        """
        if self._server is not None:
            raise RuntimeError("This local Timestream is running already.")
        faults = Faults(*self._faults) if self._faults is not None else None
        self._server = EmulatorServer(self._settings, faults, self._storage)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=_run, args=(self._server, ready), name="local-timestream", daemon=True
        )
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self._server = self._thread = None
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.stop()
            thread.join()

    @property
    def _running(self) -> EmulatorServer:
        if self._server is None:
            raise RuntimeError("The local Timestream is not running; use it in a `with` statement.")
        return self._server


def _run(server: EmulatorServer, ready: Future[None]) -> None:
    try:
        server.run(lambda: ready.set_result(None))
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)
