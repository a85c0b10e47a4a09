"""The HTTP side: both APIs on one path, told apart by their target header.

The protocol is AWS's JSON 1.0: a POST with `X-Amz-Target: Timestream_20181101.Operation`.
Signatures are not checked, so any credentials will do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fleetstream.local import requests
from fleetstream.local.answers import answer, failure, spoiled
from fleetstream.local.errors import (
    InternalServerException,
    RejectedRecordsException,
    RequestEntityTooLargeException,
    SerializationException,
    ServiceError,
    ThrottlingException,
    UnknownOperationException,
    ValidationException,
)
from fleetstream.local.faults import Faults, InvalidFault
from fleetstream.local.operations import ENDPOINT_MINUTES, Operations
from fleetstream.local.query import QueryService
from fleetstream.local.records import read
from fleetstream.local.store import Store
from fleetstream.local.writer import Writer

MOST_BYTES = 4 * 2**20
"""The largest body: a hundred records of 2 KiB, with all of JSON's overhead, stay far below it."""

_TARGET = "Timestream_20181101."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """An operation on databases, tables or tags: its request's shape, and what carries it out."""

    shape: type[Any]
    run: Callable[[Operations, Any], dict[str, Any]]
    changes: bool = False


_OPERATIONS = {
    "CreateDatabase": _Known(requests.CreateDatabase, Operations.create_database, changes=True),
    "DescribeDatabase": _Known(requests.DescribeDatabase, Operations.describe_database),
    "ListDatabases": _Known(requests.ListDatabases, Operations.list_databases),
    "UpdateDatabase": _Known(requests.UpdateDatabase, Operations.update_database, changes=True),
    "DeleteDatabase": _Known(requests.DescribeDatabase, Operations.delete_database, changes=True),
    "CreateTable": _Known(requests.CreateTable, Operations.create_table, changes=True),
    "DescribeTable": _Known(requests.DescribeTable, Operations.describe_table),
    "ListTables": _Known(requests.ListTables, Operations.list_tables),
    "UpdateTable": _Known(requests.UpdateTable, Operations.update_table, changes=True),
    "DeleteTable": _Known(requests.DescribeTable, Operations.delete_table, changes=True),
    "TagResource": _Known(requests.TagResource, Operations.tag_resource, changes=True),
    "UntagResource": _Known(requests.UntagResource, Operations.untag_resource, changes=True),
    "ListTagsForResource": _Known(requests.ListTagsForResource, Operations.list_tags_for_resource),
}
_QUERIES: dict[str, Callable[[QueryService, dict[str, Any]], dict[str, Any]]] = {
    "Query": QueryService.query,
    "CancelQuery": QueryService.cancel_query,
    "PrepareQuery": QueryService.prepare_query,
}
_FAULTY = frozenset({"WriteRecords", "Query"})
"""The operations that faults are injected into: those that carry data."""


class Service:
    """Timestream over one store."""

    def __init__(self, store: Store, writer: Writer, faults: Faults | None) -> None:
        self._store = store
        self._writer = writer
        self._faults = faults
        self._operations = Operations(store)
        self._queries = QueryService(store)

    async def serve(self, request: Request) -> Response:
        """Answer one request of either API."""
        try:
            body = await _body(request)
            operation = _operation(request)
            if self._faults is not None and operation in _FAULTY:
                return await self._faulty(self._faults, operation, body)
            return answer(await self._carry_out(operation, body, request))
        except ServiceError as error:
            return failure(error)
        except ClientDisconnect:
            return Response()
        except Exception:
            _log.exception("A request failed.")
            return failure(InternalServerException("The request could not be processed."))

    async def _carry_out(self, operation: str, body: bytearray, request: Request | None) -> Any:
        if operation == "WriteRecords":
            return await self._write(body)
        if operation in _QUERIES:
            wanted = requests.decode(body, dict[str, Any])
            return await run_in_threadpool(_QUERIES[operation], self._queries, wanted)
        if operation == "DescribeEndpoints" and request is not None:
            requests.decode(body, requests.DescribeEndpoints)
            address = f"{request.url.scheme}://{request.url.netloc}"
            return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": ENDPOINT_MINUTES}]}
        known = _OPERATIONS.get(operation)
        if known is None:
            raise UnknownOperationException(f"The local Timestream has no operation {operation!r}.")
        wanted = requests.decode(body, known.shape)
        if not known.changes:
            return known.run(self._operations, wanted)
        return await asyncio.wrap_future(
            self._writer.run(lambda: known.run(self._operations, wanted))
        )

    async def _write(self, body: bytearray) -> dict[str, Any]:
        request = requests.decode(body, requests.WriteRecords)
        table = self._store.catalog.table(request.database_name, request.table_name)
        sheet = read(request, table, time.time_ns())
        if self._faults is not None:
            refused = set(self._faults.reject(len(request.records)))
            for row, index in enumerate(sheet.indexes):
                if index in refused:
                    sheet.reject(row, "The record was rejected by an injected fault.")
        await asyncio.wrap_future(self._writer.write(sheet))
        if sheet.rejections:
            raise RejectedRecordsException(sheet.rejected())
        return {"RecordsIngested": sheet.ingested()}

    async def _faulty(self, faults: Faults, operation: str, body: bytearray) -> Response:
        """Answer a request, unless a fault gets in the way."""
        before, after = faults.draw()
        await asyncio.sleep(faults.delay())
        if before == "throttle":
            raise ThrottlingException("Request was throttled by an injected fault.")
        if before == "error":
            raise InternalServerException("The service failed by an injected fault.")
        if before is not None:
            return spoiled(before, Response())
        try:
            intended = answer(await self._carry_out(operation, body, None))
        except ServiceError as error:
            intended = failure(error)
        return intended if after is None else spoiled(after, intended)

    async def show_faults(self, _request: Request) -> Response:
        """The admin path: settings and counts of the faults."""
        assert self._faults is not None
        return answer(self._faults.report())

    async def change_faults(self, request: Request) -> Response:
        """The admin path: other settings, as `{"settings": {KIND: VALUE, ...}}`."""
        assert self._faults is not None
        try:
            wanted = requests.decode(await _body(request), dict[str, Any])
            settings = wanted.get("settings")
            if not isinstance(settings, dict):
                raise SerializationException(
                    'The body must be {"settings": {KIND: VALUE, ...}}, with the kinds of'
                    " `fleetstream serve --fault`."
                )
            self._faults.change(settings)
        except InvalidFault as error:
            return failure(ValidationException(str(error)))
        except ServiceError as error:
            return failure(error)
        return answer(self._faults.report())


def _operation(request: Request) -> str:
    """The name of the operation that a request asks for.

    Raises:
        UnknownOperationException: its header names none of Timestream's.

    """
    target = request.headers.get("x-amz-target", "")
    if not target.startswith(_TARGET):
        raise UnknownOperationException(
            f"The header X-Amz-Target must be {_TARGET}Operation, but is {target!r}."
        )
    return target.removeprefix(_TARGET)


async def _body(request: Request) -> bytearray:
    """The request's body.

    Raises:
        RequestEntityTooLargeException: it is larger than MOST_BYTES; the rest is not read.

    """
    announced = request.headers.get("content-length", "")
    body = bytearray()
    if not (announced.isdecimal() and int(announced) > MOST_BYTES):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                break
        else:
            return body
    raise RequestEntityTooLargeException(
        f"The request's body is larger than {MOST_BYTES} bytes, which no valid request is."
    )


def application(store: Store, writer: Writer, faults: Faults | None) -> Starlette:
    """The ASGI application; it has the admin path only if faults were asked for."""
    service = Service(store, writer, faults)
    routes = [Route("/", service.serve, methods=["POST"])]
    if faults is not None:
        routes += [
            Route("/faults", service.show_faults, methods=["GET"]),
            Route("/faults", service.change_faults, methods=["PUT"]),
        ]
    return Starlette(routes=routes)
