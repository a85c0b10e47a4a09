"""The ASGI application: both APIs on one path, dispatched by the target header.

The protocol is AWS's JSON 1.0: a POST with ``X-Amz-Target: Timestream_20181101.Operation``.
Signatures are not checked, so any credentials are accepted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fleetstream.emulator.api import shapes
from fleetstream.emulator.api.catalog_operations import CatalogOperations
from fleetstream.emulator.api.clock_endpoints import ClockEndpoints
from fleetstream.emulator.api.completions import Completions
from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.faults import Faults, InvalidFault
from fleetstream.emulator.api.monitoring import METRICS_TYPE, Exchange, Monitor
from fleetstream.emulator.api.query_operations import QueryOperations
from fleetstream.emulator.api.query_runner import QueryRunner, QueryTask
from fleetstream.emulator.api.query_shapes import CancelQuery, PrepareQuery, Query
from fleetstream.emulator.api.responses import FileDownload, broken, failure, success
from fleetstream.emulator.api.write_records import read_records
from fleetstream.emulator.errors import (
    InternalServerException,
    RejectedRecordsException,
    RequestEntityTooLargeException,
    SerializationException,
    ServiceError,
    ThrottlingException,
    UnknownOperationException,
    ValidationException,
)
from fleetstream.emulator.object_storage import ObjectStorage
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

MAX_BODY_BYTES = 4 * 2**20
"""Far above a hundred records of 2 KiB with all overhead of JSON."""
ENDPOINT_CACHE_MINUTES = 1440

_TARGET_PREFIX = "Timestream_20181101."
_log = logging.getLogger(__name__)


class _CatalogOperation(NamedTuple):
    """The request's shape, the method to call, and whether it changes the catalog."""

    shape: type[Any]
    method: Callable[[CatalogOperations, Any], dict[str, Any]]
    changes: bool


_READS = (
    ("DescribeDatabase", shapes.DatabaseReference, CatalogOperations.describe_database),
    ("ListDatabases", shapes.ListDatabases, CatalogOperations.list_databases),
    ("DescribeTable", shapes.TableReference, CatalogOperations.describe_table),
    ("ListTables", shapes.ListTables, CatalogOperations.list_tables),
    ("ListTagsForResource", shapes.ListTagsForResource, CatalogOperations.list_tags_for_resource),
)
_CHANGES = (
    ("CreateDatabase", shapes.CreateDatabase, CatalogOperations.create_database),
    ("UpdateDatabase", shapes.UpdateDatabase, CatalogOperations.update_database),
    ("DeleteDatabase", shapes.DatabaseReference, CatalogOperations.delete_database),
    ("CreateTable", shapes.CreateTable, CatalogOperations.create_table),
    ("UpdateTable", shapes.UpdateTable, CatalogOperations.update_table),
    ("DeleteTable", shapes.TableReference, CatalogOperations.delete_table),
    ("TagResource", shapes.TagResource, CatalogOperations.tag_resource),
    ("UntagResource", shapes.UntagResource, CatalogOperations.untag_resource),
)
_CATALOG_OPERATIONS: dict[str, _CatalogOperation] = {
    name: _CatalogOperation(shape, method, changes)
    for changes, operations in ((False, _READS), (True, _CHANGES))
    for name, shape, method in operations
}
_QUERIES: dict[str, tuple[type[Any], Callable[[QueryOperations, Any, QueryTask], dict[str, Any]]]]
_QUERIES = {
    "Query": (Query, QueryOperations.query),
    "PrepareQuery": (PrepareQuery, QueryOperations.prepare_query),
}
_FURTHER_OPERATIONS = (
    # Their shapes and methods are given to the application, see ``FurtherOperations``.
    *("CreateBatchLoadTask", "DescribeBatchLoadTask", "ListBatchLoadTasks", "ResumeBatchLoadTask"),
    *("CreateScheduledQuery", "DescribeScheduledQuery", "ListScheduledQueries"),
    *("UpdateScheduledQuery", "ExecuteScheduledQuery", "DeleteScheduledQuery"),
    *("DescribeAccountSettings", "UpdateAccountSettings"),
)
OPERATIONS = frozenset(
    {
        *_CATALOG_OPERATIONS,
        *_QUERIES,
        *_FURTHER_OPERATIONS,
        *("WriteRecords", "CancelQuery", "DescribeEndpoints"),
    }
)
"""Names of all operations that are supported."""
_OPERATIONS_WITH_FAULTS = frozenset({"WriteRecords", "Query"})


FurtherOperations = Mapping[str, tuple[type[Any], Callable[[Any], dict[str, Any]]]]
"""Operations of other packages: the request's shape, and a method that may be called in any
thread."""


class TimestreamApi:
    """The endpoints of the HTTP application."""

    def __init__(
        self,
        store: TimestreamStore,
        writer: Writer,
        queries: QueryRunner,
        monitor: Monitor,
        faults: Faults | None,
        storage: ObjectStorage | None,
        further: FurtherOperations,
    ) -> None:
        self._store = store
        self._writer = writer
        self._queries = queries
        self._monitor = monitor
        self._faults = faults
        self._further = further
        self._completions = Completions()
        self._catalog_operations = CatalogOperations(store)
        self._query_operations = QueryOperations(store, storage)

    async def handle(self, request: Request) -> Response:
        """POST /: one operation of either API."""
        began = time.perf_counter()
        exchange = Exchange()
        response = await self._respond(request, exchange)
        self._monitor.finish(exchange, request, response, time.perf_counter() - began)
        return response

    async def _respond(self, request: Request, exchange: Exchange) -> Response:
        try:
            body = await _read_body(request)
            exchange.request_bytes = len(body)
            operation = _operation(request)
            if operation in OPERATIONS:
                exchange.operation = operation
            if self._faults is not None and operation in _OPERATIONS_WITH_FAULTS:
                return await self._run_with_faults(self._faults, operation, body, request, exchange)
            return success(await self._run(operation, body, request))
        except ServiceError as error:
            exchange.outcome = type(error).__name__
            return failure(error)
        except ClientDisconnect:
            exchange.outcome = "disconnected"
            return Response()
        except Exception:
            _log.exception("A request failed.")
            exchange.outcome = InternalServerException.__name__
            return failure(InternalServerException("The request could not be processed."))

    async def _run(self, operation: str, body: bytearray, request: Request) -> Any:
        if operation == "WriteRecords":
            return await self._write(body)
        if operation in _QUERIES:
            shape, method = _QUERIES[operation]
            query = decode(body, shape)
            return await self._queries.run(
                lambda task: method(self._query_operations, query, task), request
            )
        if operation == "CancelQuery":
            # Not in the threads of queries, which may all be busy.
            cancelled = decode(body, CancelQuery)
            return await run_in_threadpool(self._query_operations.cancel_query, cancelled)
        if operation == "DescribeEndpoints":
            decode(body, shapes.DescribeEndpoints)
            address = f"{request.url.scheme}://{request.url.netloc}"
            endpoint = {"Address": address, "CachePeriodInMinutes": ENDPOINT_CACHE_MINUTES}
            return {"Endpoints": [endpoint]}
        if operation in self._further:
            shape, run_further = self._further[operation]
            return await run_in_threadpool(run_further, decode(body, shape))
        known = _CATALOG_OPERATIONS.get(operation)
        if known is None:
            raise UnknownOperationException(f"The local Timestream has no operation {operation!r}.")
        decoded = decode(body, known.shape)
        if not known.changes:
            return known.method(self._catalog_operations, decoded)
        change = self._writer.run(lambda: known.method(self._catalog_operations, decoded))
        return await self._completions.wait(change)

    async def _write(self, body: bytearray) -> dict[str, Any]:
        request = decode(body, shapes.WriteRecords)
        table = self._store.catalog.table(request.database_name, request.table_name)
        pending = read_records(request, table, self._store.clock.now())
        if self._faults is not None:
            if self._faults.exceeds_capacity(table.id, len(request.records)):
                raise ThrottlingException(
                    f"The table {table.name} is scaling and cannot take these records yet; send"
                    " the request again."
                )
            for index in self._faults.rejected_records(len(request.records)):
                pending.reject(index, "The record was rejected by an injected fault.")
        await self._completions.wait(self._writer.write(pending))
        rejected = len(pending.rejections)
        self._monitor.count_records(len(pending.times) - rejected, rejected)
        if pending.rejections:
            raise RejectedRecordsException(pending.rejected_records())
        return {"RecordsIngested": pending.records_ingested()}

    async def _run_with_faults(
        self,
        faults: Faults,
        operation: str,
        body: bytearray,
        request: Request,
        exchange: Exchange,
    ) -> Response:
        before, after = faults.draw()
        await asyncio.sleep(faults.latency())
        if before == "throttle":
            raise ThrottlingException("Request was throttled by an injected fault.")
        if before == "error":
            raise InternalServerException("The service failed by an injected fault.")
        if before is not None:
            exchange.outcome = before
            return broken(before, Response())
        try:
            intended = success(await self._run(operation, body, request))
        except ServiceError as error:
            exchange.outcome = type(error).__name__
            intended = failure(error)
        if after is None:
            return intended
        exchange.outcome = after
        return broken(after, intended)

    async def get_health(self, _request: Request) -> Response:
        """GET /healthz: whether the server takes requests."""
        if self._writer.alive:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "the thread that stores records has ended"}, 503)

    async def get_metrics(self, _request: Request) -> Response:
        """GET /metrics: the server's metrics, for Prometheus."""
        return Response(self._monitor.metrics(), media_type=METRICS_TYPE)

    async def get_snapshot(self, _request: Request) -> Response:
        """GET /snapshot: a copy of the store, as a file for `fleetstream serve --store`."""
        try:
            return FileDownload(await run_in_threadpool(self._store.snapshot))
        except ServiceError as error:
            return failure(error)

    async def get_faults(self, _request: Request) -> Response:
        """GET /faults: the settings and counts of the faults."""
        assert self._faults is not None
        return success(self._faults.report())

    async def put_faults(self, request: Request) -> Response:
        """PUT /faults: replace the settings by those of ``{"settings": {KIND: VALUE, ...}}``."""
        assert self._faults is not None
        try:
            settings = decode(await _read_body(request), dict[str, Any]).get("settings")
            if not isinstance(settings, dict):
                raise SerializationException(
                    'The body must be {"settings": {KIND: VALUE, ...}}, with the kinds of'
                    " `fleetstream serve --fault`."
                )
            self._faults.configure(settings)
        except InvalidFault as error:
            return failure(ValidationException(str(error)))
        except ServiceError as error:
            return failure(error)
        return success(self._faults.report())


def _operation(request: Request) -> str:
    """Raises UnknownOperationException if the target header does not name an operation."""
    target = request.headers.get("x-amz-target", "")
    if not target.startswith(_TARGET_PREFIX):
        raise UnknownOperationException(
            f"The header X-Amz-Target must be {_TARGET_PREFIX}Operation, but is {target!r}."
        )
    return target.removeprefix(_TARGET_PREFIX)


async def _read_body(request: Request) -> bytearray:
    """Raises RequestEntityTooLargeException, without reading the rest, for a body too large."""
    announced = request.headers.get("content-length", "")
    body = bytearray()
    if not (announced.isdecimal() and int(announced) > MAX_BODY_BYTES):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                break
        else:
            return body
    raise RequestEntityTooLargeException(
        f"The request's body is larger than {MAX_BODY_BYTES} bytes; no valid request is."
    )


def make_app(
    store: TimestreamStore,
    writer: Writer,
    queries: QueryRunner,
    monitor: Monitor,
    faults: Faults | None,
    storage: ObjectStorage | None,
    further: FurtherOperations,
) -> ASGIApp:
    """The ASGI application; with ``faults``, it also has the path ``/faults``."""
    api = TimestreamApi(store, writer, queries, monitor, faults, storage, further)
    clock = ClockEndpoints(store.clock)
    routes = [
        Route("/", api.handle, methods=["POST"]),
        Route("/clock", clock.get, methods=["GET"]),
        Route("/clock", clock.put, methods=["PUT"]),
        Route("/healthz", api.get_health, methods=["GET"]),
        Route("/metrics", api.get_metrics, methods=["GET"]),
        Route("/snapshot", api.get_snapshot, methods=["GET"]),
    ]
    if faults is not None:
        routes += [
            Route("/faults", api.get_faults, methods=["GET"]),
            Route("/faults", api.put_faults, methods=["PUT"]),
        ]
    pages = Starlette(routes=routes)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's middleware and routing would take a third of the time of a small request.
        if scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "POST":
            response = await api.handle(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app
