"""The HTTP server: a listening socket, the store with its writer thread, and uvicorn."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fleetstream.emulator.api.account_settings import AccountSettingsOperations
from fleetstream.emulator.api.app import make_app
from fleetstream.emulator.api.faults import Faults
from fleetstream.emulator.api.monitoring import AccessLog, Monitor
from fleetstream.emulator.api.query_runner import QueryLimits, QueryRunner
from fleetstream.emulator.api.responses import TRANSPORT
from fleetstream.emulator.batch_load.operations import BatchLoadOperations
from fleetstream.emulator.batch_load.tasks import BatchLoadTasks
from fleetstream.emulator.clock import SettableClock
from fleetstream.emulator.errors import ServiceError
from fleetstream.emulator.object_storage import ObjectStorage
from fleetstream.emulator.scheduled.operations import ScheduledQueryOperations
from fleetstream.emulator.scheduled.run import ScheduledQueryRunner
from fleetstream.emulator.scheduled.scheduler import Scheduler
from fleetstream.emulator.settings import ServerSettings
from fleetstream.emulator.store.retention import RetentionJob
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_SECONDS = 3


class _HttpProtocol(HttpToolsProtocol):
    """Passes the connection's transport to the application, as an ASGI extension."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}

    def shutdown(self) -> None:
        """End a connection when the server stops: at once if it is idle, else after its request."""
        super().shutdown()
        if self.transport.is_closing() and self.transport.get_extra_info("ssl_object"):
            # Closing would wait for the client's part of TLS's own end, which many do not send.
            self.transport.abort()


class _UvicornServer(uvicorn.Server):
    """Calls ``on_ready`` after the start; a signal stops the server, but not the process."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        # Uvicorn would raise the captured signals again after the shutdown.
        self._captured_signals.clear()


class EmulatorServer:
    """The local Timestream on a listening socket; ``run`` serves it once.

    ``host`` and ``port`` are the address that it listens on, ``url`` is the endpoint URL, and
    ``clock`` is the time, which can be set.
    """

    def __init__(
        self, settings: ServerSettings, faults: Faults | None, storage: ObjectStorage | None
    ) -> None:
        """Listen on the first address of the host, and open the store.

        ``storage`` is where ``s3://`` locations are, if anywhere.

        Raises OSError if it cannot listen, and StoreUnusable if it cannot open the store.
        """
        self._settings = settings
        self._faults = faults
        self._storage = storage
        self._listener = _listen(settings.host, settings.port)
        log = settings.access_log
        try:
            self._access_log = AccessLog(log) if log is not None else None
            self._store = TimestreamStore(
                settings.store,
                memory_limit=settings.memory_limit,
                max_size=settings.max_store_size,
            )
        except BaseException:
            self._listener.close()
            raise
        self.clock: SettableClock = self._store.clock
        self.host: str
        self.port: int
        self.host, self.port = self._listener.getsockname()[:2]
        address = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if settings.tls_certificate is None else "https"
        self.url = f"{scheme}://{address}:{self.port}"
        self._uvicorn: _UvicornServer | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return ipaddress.ip_address(self.host).is_loopback

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until ``stop`` is called or, in the main thread, SIGINT or SIGTERM is received.

        ``on_ready`` is called when requests are accepted. On return, everything that was
        acknowledged is stored, and the socket and the store are closed.
        """
        # Arrow imports pandas, if installed, for its first array: not during the first request.
        pa.array([])
        config: dict[str, Any] = {
            "http": _HttpProtocol,
            "ws": "none",
            "lifespan": "off",
            "log_config": None,
            "access_log": False,
            "proxy_headers": False,
            "server_header": False,
            "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
            "timeout_graceful_shutdown": _SHUTDOWN_SECONDS,
            "ssl_certfile": self._settings.tls_certificate,
            "ssl_keyfile": self._settings.tls_key,
        }
        settings = self._settings
        limits = QueryLimits(settings.query_timeout, self._store.memory_limit, settings.max_queries)
        queries = QueryRunner(limits)
        writer = Writer(self._store)
        runner = ScheduledQueryRunner(self._store, writer, self._storage, settings.query_timeout)
        # Before the retention, so that runs that are due read what expires at the same time.
        scheduler = Scheduler(self._store, writer, runner)
        retention = RetentionJob(self._store, writer)
        tasks = BatchLoadTasks(self._store, writer, self._storage)
        further = {
            **ScheduledQueryOperations(self._store, runner, scheduler).table,
            **BatchLoadOperations(self._store, tasks, self._storage).table,
            **AccountSettingsOperations(self._store, writer).table,
        }
        jobs: list[Scheduler | RetentionJob | BatchLoadTasks] = [scheduler, retention, tasks]
        for job in jobs:
            job.start()
        try:
            monitor = Monitor(queries, self._access_log)
            app = make_app(
                self._store, writer, queries, monitor, self._faults, self._storage, further
            )
            self._uvicorn = _UvicornServer(uvicorn.Config(app, **config), on_ready)
            self._uvicorn.run([self._listener])
        finally:
            queries.close()
            for job in jobs:
                job.close()
            writer.close()
            self._store.close()
            self._listener.close()
            if self._access_log is not None:
                self._access_log.close()

    def snapshot(self, path: Path) -> None:
        """Write a copy of the store to ``path``, which then has the copy or what it had before.

        Raises RuntimeError if that is not possible now, and OSError if it cannot be written.
        """
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            with self._store.snapshot() as copied, unfinished.open("xb") as file:
                shutil.copyfileobj(copied, file)
            unfinished.replace(path)
        except ServiceError as error:
            raise RuntimeError(error.message) from error
        finally:
            unfinished.unlink(missing_ok=True)

    def stop(self) -> None:
        """Make ``run`` return; may be called from any thread once the server is ready."""
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on the first address of ``host``."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # Unlike `socket.create_server`, this sets the protocol: asyncio disables Nagle's algorithm only
    # for sockets that have it, and with the algorithm every response takes 40 ms longer.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener
