"""Connections: one HTTP exchange at a time for each thread, over a connection that it keeps.

Straight through :mod:`http.client`, since fuller clients spend more time on one exchange than
rendering and sending a whole body takes.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from fleetstream.targets.sink import Unavailable

ANSWER_TIMEOUT = 30.0
"""Seconds to wait for a connection or for more of an answer."""

MAX_ANSWER = 2**20
"""Bytes of an answer that are read."""

_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (socket.gaierror, "host name not found"),
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLError, "TLS failed"),
    (http.client.RemoteDisconnected, "connection cut"),
    (ConnectionError, "connection cut"),
    (http.client.IncompleteRead, "answer cut short"),
    (http.client.HTTPException, "answer not understood"),
)
"""What a failed exchange is called, by the first kind of error that fits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, headers and body."""

    status: int
    headers: Message
    body: bytes


class Connections:
    """Connections to whatever URLs are asked for; used from several threads.

    ``cafile`` has the trusted certificates, None for the system's.
    """

    def __init__(self, cafile: str | None = None, most: int = MAX_ANSWER) -> None:
        self._most = most
        self._local = threading.local()
        self._tls = ssl.create_default_context(cafile=cafile)

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send a request; raises :class:`Unavailable` where there is no whole answer."""
        try:
            return self._exchange(method, url, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.drop()
            raise Unavailable(_fault(error), str(error)) from error

    def drop(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.origin = None

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        connection = self._connection(url)
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        answer = response.read(self._most + 1)
        if len(answer) > self._most:
            raise http.client.HTTPException("the answer is too large")
        if response.length:
            raise http.client.IncompleteRead(answer, response.length)
        return Answer(response.status, response.headers, answer)

    def _connection(self, url: str) -> http.client.HTTPConnection:
        """This thread's connection to the server of ``url``."""
        origin = urlsplit(url)[:2]
        if getattr(self._local, "origin", None) != origin:
            self.drop()
            self._local.connection = self._connect(url)
            self._local.origin = origin
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def _connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=ANSWER_TIMEOUT)
        proxy = urlsplit("" if proxy_bypass(host) else getproxies().get("https", ""))
        connection = http.client.HTTPSConnection(
            proxy.hostname or host,
            proxy.port if proxy.hostname else port,
            timeout=ANSWER_TIMEOUT,
            context=self._tls,
        )
        if proxy.hostname:
            connection.set_tunnel(host, port)
        return connection


def _fault(error: Exception) -> str:
    """A failed exchange in a few words."""
    return next((words for kind, words in _FAULTS if isinstance(error, kind)), "network error")
