"""A server that takes remote write: its addresses, its version of the protocol, credentials."""

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit, urlunsplit

from fleetstream._version import __version__
from fleetstream.targets.authorization import authorization
from fleetstream.targets.endpoint import http_url
from fleetstream.targets.http import NOT_UNDERSTOOD, HttpAnswer, HttpClient, described, foreign
from fleetstream.targets.sink import TargetUnusable, TimeWindow, Unavailable
from fleetstream.targets.victoria_metrics import window_of

WRITE_PATH = "/api/v1/write"
"""The path where the URL has none; Prometheus and VictoriaMetrics have it."""

MAX_ANSWER = 2**30
"""Bytes of an answer to a query that are accepted; a slice of time is far smaller."""

_WRITE_PATHS = (WRITE_PATH, "/api/v1/push", "/api/v1/receive")
"""Paths of writing, beside which the query API is: also of Mimir and Thanos."""

_CONTENT_TYPES = {
    1: ("application/x-protobuf", "0.1.0"),
    2: ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
}

_EMPTY = b"\0"
"""A message without any content, compressed."""

_WRITTEN = "x-prometheus-remote-write-samples-written"


class PrometheusServer:
    """The server at a URL; used from several threads. Raises ValueError if it is not understood.

    ``read_url`` is where its query API is, None beside the one for writing.
    """

    def __init__(self, url: str, read_url: str | None = None) -> None:
        parts = http_url(url)
        if parts is None:
            raise ValueError(
                f"The target 'prometheus:{url}' needs the URL of a server, for example "
                "prometheus:http://127.0.0.1:9090."
            )
        if parts.username or parts.password:
            raise ValueError(
                "The URL contains a user name or password; leave it out, and set "
                "PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD, or PROMETHEUS_TOKEN."
            )
        path = parts.path if parts.path.strip("/") else WRITE_PATH
        self.url = urlunsplit(parts._replace(path=path))
        base = next((path.removesuffix(each) for each in _WRITE_PATHS if path.endswith(each)), path)
        beside = urlunsplit(parts._replace(path=base.rstrip("/"), query="", fragment=""))
        self.base = (read_url or beside).rstrip("/")
        self.http = HttpClient(max_answer=MAX_ANSWER)
        self.version = 1
        self.window: TimeWindow | None = None
        self._headers: dict[str, str] = {}

    def open(self) -> None:
        """Find out the version of the protocol, by an empty request, and which times are kept.

        Raises TargetUnusable.
        A server of version 2.0 says how many samples it has written, here none. A server of version
        1.0 does not, also where it does not notice that it is asked for another version.
        """
        self._headers = self.credentials()
        try:
            answer = self.write(_EMPTY, version=2)
            other = foreign(answer)
            if other:
                raise Unavailable(NOT_UNDERSTOOD, other)
        except Unavailable as error:
            raise TargetUnusable(
                f"The server at {self.url} does not answer as remote write does "
                f"({described(error)}); check the URL and the network."
            ) from error
        refusal = self.refusal(answer)
        if refusal:
            raise TargetUnusable(refusal)
        self.version = 2 if _WRITTEN in answer.headers else 1
        with suppress(Unavailable):
            self.window = window_of(self.get("/flags", {}).body.decode(errors="replace"))

    def credentials(self) -> dict[str, str]:
        """The header with credentials, if there are any. Raises TargetUnusable."""
        return authorization("PROMETHEUS", "Bearer")

    def write(self, body: bytes, version: int | None = None) -> HttpAnswer:
        """Send a compressed message. Raises Unavailable."""
        content_type, number = _CONTENT_TYPES[version or self.version]
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": content_type,
            "X-Prometheus-Remote-Write-Version": number,
            "User-Agent": f"fleetstream/{__version__}",
        }
        return self.http.exchange(
            "POST", self.url, headers | self._headers, body, with_headers=True
        )

    def get(self, path: str, query: Mapping[str, str]) -> HttpAnswer:
        """Ask another API than the one for writing. Raises Unavailable."""
        headers = self._headers or self.credentials()
        return self.http.exchange("GET", f"{self.base}{path}?{urlencode(query)}", headers)

    def refusal(self, answer: HttpAnswer) -> str | None:
        """The error message of an answer that no retry mends; None for any other answer."""
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return (
                f"The server at {self.url} refuses the credentials; set PROMETHEUS_TOKEN or "
                "PROMETHEUS_TOKEN_FILE, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD."
            )
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            path = urlsplit(self.url).path
            return (
                f"The server at {self.url} does not take remote write at {path} (HTTP "
                f"{answer.status}); check the path. Prometheus takes it with "
                "--web.enable-remote-write-receiver."
            )
        return None


def reason(answer: HttpAnswer) -> str:
    """What an answer says, in one line, or its status."""
    lines = answer.body[:500].decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"HTTP {answer.status}"
