"""Answers over HTTP: the service's JSON, and those that faults spoil."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fleetstream.local.errors import ServiceError

JSON = "application/x-amz-json-1.0"
TRANSPORT = "fleetstream.transport"
"""The ASGI extension that has the connection's transport, for answers that cut it."""

OVERSIZE_BYTES = 32 * 2**20
_CHUNK = b'"' + b"x" * (2**20 - 3) + b'",'


def answer(body: Any) -> Response:
    """A successful answer."""
    return Response(orjson.dumps(body), 200, _request_id(), JSON)


def failure(error: ServiceError) -> Response:
    """The answer for an error."""
    return Response(orjson.dumps(error.body()), error.status, _request_id(), JSON)


def spoiled(kind: str, intended: Response) -> Response:
    """What the client gets instead of `intended`, by the kind of fault."""
    return {
        "reset-before": Cut,
        "reset-after": Cut,
        "truncate": Truncated,
        "garbage": Garbage,
        "oversize": Oversize,
    }[kind](intended)


def _request_id() -> dict[str, str]:
    return {"x-amzn-RequestId": uuid.uuid4().hex.upper()}


class Cut(Response):
    """No answer: the connection is reset."""

    def __init__(self, _intended: Response) -> None:
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Reset the connection; a linger of 0 seconds makes TCP send RST instead of FIN."""
        transport = _transport(scope)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _gone(receive)


class Truncated(Response):
    """The answer without the second half of its body."""

    def __init__(self, intended: Response) -> None:
        super().__init__(intended.body, intended.status_code, intended.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of what the header announces, and close."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _gone(receive)


class Garbage(Response):
    """An answer that claims to be JSON and is not."""

    def __init__(self, _intended: Response) -> None:
        super().__init__(b"<html>Service Unavailable", 200, _request_id(), JSON)


class Oversize(Response):
    """A valid answer with an enormous member that no client asked for."""

    def __init__(self, intended: Response) -> None:
        headers = _request_id() | {"content-length": str(OVERSIZE_BYTES)}
        super().__init__(None, intended.status_code, headers, JSON)
        self.beginning = bytes(intended.body[:-1])

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Stream the body, so that it is never in memory as a whole."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        beginning = self.beginning + (b"," if self.beginning != b"{" else b"") + b'"Padding":['
        end = b'""]}'
        whole, rest = divmod(OVERSIZE_BYTES - len(beginning) - len(end), len(_CHUNK))
        for part in (beginning, *(_CHUNK for _ in range(whole)), b" " * rest):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": end})


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    return transport


async def _gone(receive: Receive) -> None:
    """Wait until the server has noticed that the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
