"""HTTP responses: the service's JSON, and the broken responses of injected faults."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from typing import Any, BinaryIO

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fleetstream.emulator.errors import ServiceError

JSON = "application/x-amz-json-1.0"
TRANSPORT = "fleetstream.transport"
"""ASGI extension with the connection's transport, for responses that close the connection."""

OVERSIZE_BYTES = 32 * 2**20
_CHUNK_BYTES = 2**20
_PADDING = b'"' + b"x" * (2**20 - 3) + b'",'


class JsonResponse(Response):
    """The service's JSON with an ID; its headers are made without Starlette's general rules."""

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"x-amzn-requestid", f"{random.getrandbits(128):032X}".encode()),
            (b"content-type", JSON.encode()),
            (b"content-length", str(len(body)).encode()),
        ]


class FileDownload(StreamingResponse):
    """The content of an open file, which is closed afterwards."""

    def __init__(self, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        super().__init__(
            iter(lambda: file.read(_CHUNK_BYTES), b""),
            headers={"content-length": str(size)},
            media_type="application/octet-stream",
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def success(body: Any) -> Response:
    return JsonResponse(orjson.dumps(body), 200)


def failure(error: ServiceError) -> Response:
    return JsonResponse(orjson.dumps(error.body()), error.status)


def broken(kind: str, intended: Response) -> Response:
    """What the client receives instead of ``intended``, for a kind of fault."""
    return {
        "reset-before": ResetResponse,
        "reset-after": ResetResponse,
        "truncate": TruncatedResponse,
        "garbage": GarbageResponse,
        "oversize": OversizeResponse,
    }[kind](intended)


class ResetResponse(Response):
    """Sends nothing and resets the connection."""

    def __init__(self, _intended: Response) -> None:
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport = _transport(scope)
        connection = transport.get_extra_info("socket")
        # With a linger time of 0 seconds, TCP sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _disconnected(receive)


class TruncatedResponse(Response):
    """Sends the first half of the body that the header announces, and closes the connection."""

    def __init__(self, intended: Response) -> None:
        super().__init__(intended.body, intended.status_code, intended.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _send_head(self, send)
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _disconnected(receive)


class GarbageResponse(Response):
    """Has status 200 and a body that is not JSON."""

    def __init__(self, _intended: Response) -> None:
        super().__init__(b"<html>Service Unavailable", 200, media_type=JSON)


class OversizeResponse(Response):
    """A valid response with an additional member of 32 MiB."""

    def __init__(self, intended: Response) -> None:
        headers = {"content-length": str(OVERSIZE_BYTES)}
        super().__init__(None, intended.status_code, headers, JSON)
        self._members = bytes(intended.body[:-1])

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _send_head(self, send)
        start = self._members + (b"," if self._members != b"{" else b"") + b'"Padding":['
        end = b'""]}'
        count, rest = divmod(OVERSIZE_BYTES - len(start) - len(end), len(_PADDING))
        # Sent in parts, so that the body is never in memory as a whole.
        for part in (start, *(_PADDING for _ in range(count)), b" " * rest):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": end})


async def _send_head(response: Response, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    return transport


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
