"""Running the local Timestream: a listening socket, the store, and a clean end."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fleetstream.local.answers import TRANSPORT
from fleetstream.local.app import application
from fleetstream.local.faults import Faults, InvalidFault, parse
from fleetstream.local.store import Store, StoreUnusable
from fleetstream.local.writer import Writer

WRONG_USAGE = 2
UNUSABLE = 3

_TURN_SECONDS = 0.0002
_IDLE_SECONDS = 75
_SHUTDOWN_SECONDS = 5


class _Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP, which lets the application cut a connection."""

    def on_message_begin(self) -> None:
        """Give the application the transport, as an extension of ASGI."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """Uvicorn, saying when it is ready; a signal ends it, and not the process."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        sys.stdout.write(f"Listening on {self._url}\n")
        sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal; being stopped is no failure, so it is not raised again."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def run(host: str, port: int, store: Path | None, faults: Sequence[str], seed: int) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code: 0, or 2 or 3 with a sentence on stderr.

    `port` 0 takes a free one; without a `store`, data are in memory; `faults` are texts of the form
    KIND=VALUE, drawn from `seed`. When it is ready, `Listening on URL` is printed to stdout.
    """
    try:
        injected = Faults(parse(faults), seed) if faults else None
    except InvalidFault as error:
        return _fail(str(error), WRONG_USAGE)
    try:
        listener = _listen(host, port)
    except OSError as error:
        return _fail(
            f"Can't listen on {host}, port {port}: {error.strerror}. Give another --port or"
            " --host.",
            UNUSABLE,
        )
    # The event loop and the writer pass the interpreter to and fro many times a commit; with
    # Python's 5 ms a turn, they would mostly wait for each other.
    sys.setswitchinterval(_TURN_SECONDS)
    with listener:
        try:
            opened = Store(store)
        except StoreUnusable as error:
            return _fail(str(error), UNUSABLE)
        if not _is_loopback(listener):
            sys.stderr.write(
                f"Anyone who can reach {host} can read and change the data: no credentials are"
                " checked.\n"
            )
        # Arrow looks for pandas before its first array, which takes a while where pandas is
        # installed; better now than in somebody's first request.
        pa.array([])
        with _writing(opened) as writer:
            config: dict[str, Any] = {
                "http": _Protocol,
                "ws": "none",
                "lifespan": "off",
                "log_config": None,
                "access_log": False,
                "server_header": False,
                "timeout_keep_alive": _IDLE_SECONDS,
                "timeout_graceful_shutdown": _SHUTDOWN_SECONDS,
            }
            app = application(opened, writer, injected)
            _Server(uvicorn.Config(app, **config), _url(listener)).run([listener])
    return 0


@contextmanager
def _writing(store: Store) -> Iterator[Writer]:
    """A store's writer; at the end, what was asked for is finished and the store closed."""
    writer = Writer(store)
    try:
        yield writer
    finally:
        writer.close()
        store.close()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket of the first address that `host` stands for."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # With its protocol named, unlike `create_server`: asyncio turns Nagle's algorithm off only
    # then, and with it every answer is 40 ms late.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
