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
    ) -> None:
        """Configure a local Timestream, which is started by ``with``.

        Args:
            store: The file of the data; None holds them in memory.
            host: The address to listen on. Credentials are not checked, so anyone who can reach
                the address can read and change the data.
            port: The port to listen on; 0 is a free port.
            faults: Injected faults by kind, such as ``{"throttle": 0.1, "latency": "50ms"}``; the
                kinds are those of ``fleetstream serve --fault``. With a dictionary, also an empty
                one, faults can be changed at run time.
            seed: The seed of the faults.
            s3: Where ``s3://`` locations are, for UNLOAD, batch load and error reports: the URL of
                a server with the API of S3, such as moto's, or a folder, which then has one folder
                per bucket.

        Raises ValueError for an unknown kind of fault, or an invalid value.

        """
        self._store = Path(store) if store is not None else None
        self._address = host, port
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

    def __enter__(self) -> Self:
        """Start serving.

        Raises OSError if it can't listen, StoreUnusable if it can't open the store, and
        RuntimeError if it is running already.
        """
        if self._server is not None:
            raise RuntimeError("This local Timestream is running already.")
        faults = Faults(*self._faults) if self._faults is not None else None
        self._server = EmulatorServer(*self._address, self._store, faults, self._storage)
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
