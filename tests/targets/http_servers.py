"""Small HTTP servers for tests of the transport: origins, some of them with TLS, and a proxy."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

Answer = Callable[["Received"], bytes | None]
"""Returns the bytes to answer with, None to close the connection instead."""


@dataclass(frozen=True)
class Received:
    """A request; ``connection`` and ``place`` number connections and requests on each from 0."""

    connection: int
    place: int
    line: str
    headers: dict[str, str]
    body: bytes


def ok(_request: object = None, body: bytes = b"{}") -> bytes:
    """An answer that keeps the connection."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@dataclass
class Origin:
    """A server on a free port of loopback that answers as told and keeps what it received.

    ``idle`` is after how many seconds without a request it closes a connection.
    """

    answer: Answer = ok
    tls: ssl.SSLContext | None = None
    idle: float = 30.0
    received: list[Received] = field(default_factory=list)
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            connection.settimeout(self.idle)
            with connection, connection.makefile("rb") as stream:
                place = 0
                while (request := _read(stream, number, place)) is not None:
                    self.received.append(request)
                    answer = self.answer(request)
                    if answer is None:
                        return
                    connection.sendall(answer)
                    place += 1
        except OSError:
            pass
        finally:
            connection.close()
            self.closed.release()


@dataclass
class Proxy(Origin):
    """A proxy that tunnels by CONNECT and forwards plain requests to localhost.

    ``user`` are the credentials it requires, as ``name:password``; without them, it answers 407.
    """

    user: str | None = None

    def serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as stream:
            request = _read(stream, number, 0)
            if request is None:
                return
            self.received.append(request)
            if self.user and request.headers.get("proxy-authorization") != self._expected():
                connection.sendall(
                    b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n'
                    b"Content-Length: 0\r\n\r\n"
                )
                return
            method, target, _ = request.line.split()
            if method == "CONNECT":
                self._tunnel(connection, int(target.rpartition(":")[2]))
            else:
                connection.sendall(ok(body=b"forwarded"))

    def _expected(self) -> str:
        return f"Basic {base64.b64encode((self.user or '').encode()).decode()}"

    def _tunnel(self, client: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _read(stream: BinaryIO, connection: int, place: int) -> Received | None:
    """The next request of a connection, None at its end."""
    line = stream.readline().decode().strip()
    if not line:
        return None
    headers = {}
    while header := stream.readline().decode("latin-1").strip():
        name, _, text = header.partition(":")
        headers[name.lower()] = text.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Received(connection, place, line, headers, body)


@contextmanager
def running(server: Origin) -> Iterator[None]:
    """Accept connections on a free port of loopback, each in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number, server.connections = server.connections, server.connections + 1
            thread = threading.Thread(target=server.serve, args=(connection, number), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
