"""A server that takes line protocol as InfluxDB does, answers as told, and keeps what it got."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.influx.server import influx_database
from fleetstream.targets.influx.sink import InfluxSink
from tests.recording import serving
from tests.targets.cases import SCHEMAS

Reply = tuple[int, dict[str, str], bytes]


class Recording(ThreadingHTTPServer):
    """Answers writes as ``reply`` says, given the lines, and keeps what was asked.

    Attributes:
        writes: Path, query, headers and lines of each write.

    """

    daemon_threads = True

    def __init__(self, reply: Callable[[list[str]], Reply], ping: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.ping = ping
        self.lock = threading.Lock()
        self.writes: list[tuple[str, dict[str, list[str]], dict[str, str], list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Recording

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(204, self.server.ping, b"")
        else:
            content = {"buckets": [{"name": "fleet"}]}
            self._answer(200, {}, json.dumps(content).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = gzip.decompress(body).decode().splitlines()
        parts = urlsplit(self.path)
        with self.server.lock:
            headers = dict(self.headers.items())
            self.server.writes.append((parts.path, parse_qs(parts.query), headers, lines))
            reply = self.server.reply(lines)
        self._answer(*reply)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def stored(_lines: list[str]) -> Reply:
    return 204, {}, b""


@contextmanager
def recording(
    reply: Callable[[list[str]], Reply] = stored, version: str = "1.6.7"
) -> Iterator[Recording]:
    server = Recording(reply, {"X-Influxdb-Version": version})
    with serving(server):
        yield server


def sink_of(server: Recording, version: int = 1) -> InfluxSink:
    return sink_at(f"{server.url}?version={version}", RecordModel.SINGLE)


def sink_at(url: str, model: RecordModel) -> InfluxSink:
    return InfluxSink(influx_database(url, "fleet"), model, SCHEMAS)
