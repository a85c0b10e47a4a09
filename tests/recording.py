"""A server in front of another one: passes everything on, and keeps what was written."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WRITE = "Timestream_20181101.WriteRecords"

PASSED_ON = {"content-type", "x-amz-target", "x-amz-date", "authorization", "x-amz-user-agent"}


class Front(ThreadingHTTPServer):
    """Listens on a free port of loopback and passes requests on to ``behind``.

    Attributes:
        bodies: The body of each write that was answered with success, in the order of the answers.

    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece, so that nobody waits for a delayed acknowledgement
    server: Front

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: text for name, text in self.headers.items() if name.lower() in PASSED_ON}
        headers["Host"] = self.headers["Host"]
        connection = http.client.HTTPConnection(*self.server.behind)
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if self.headers["X-Amz-Target"] == WRITE and response.status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(response.status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
