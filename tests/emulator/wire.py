"""Requests as bytes, for what no AWS client would send."""

import http.client
import json
from typing import Any

JSON = "application/x-amz-json-1.0"


class Answer:
    """An answer as it came."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and name of the error, which the service gives with its namespace."""
        namespace, _, code = self.json["__type"].partition("#")
        assert namespace.startswith("com.amazon")
        return self.status, code


def post(port: int, operation: str | None, body: bytes, **headers: str) -> Answer:
    """Send a request of an operation; without one, it has no target."""
    target = {} if operation is None else {"X-Amz-Target": f"Timestream_20181101.{operation}"}
    return send(port, "POST", "/", body, {"Content-Type": JSON} | target | headers)


def send(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    """Send any request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()
