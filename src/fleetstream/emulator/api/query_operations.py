"""The query API's operations: Query with its pagination, CancelQuery and PrepareQuery."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple

import duckdb

from fleetstream.emulator.api.query_execution import (
    TOKEN_SECONDS,
    QueryExecution,
    column_infos,
    service_error,
)
from fleetstream.emulator.api.query_insights import query_insights
from fleetstream.emulator.api.query_runner import QueryTask
from fleetstream.emulator.api.query_shapes import CancelQuery, PrepareQuery, Query
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.object_storage import ObjectStorage
from fleetstream.emulator.sql import TimeRange, TranslatedStatement, column_info, translate
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.unload import UNLOAD_COLUMNS, Unload, is_unload, read_unload

MAX_OPEN_RESULTS = 64
"""Results that may wait for the request for their next page; beyond, the oldest are closed."""
MAX_REMEMBERED_RESPONSES = 32
IDEMPOTENCY_SECONDS = 300.0
"""How long a ClientToken returns the same response (API reference, "Query")."""


class _RememberedResponse(NamedTuple):
    time: float
    query: str
    max_rows: int | None
    response: dict[str, Any]


class QueryOperations:
    """One method per operation, safe to call from several threads."""

    def __init__(self, store: TimestreamStore, storage: ObjectStorage | None) -> None:
        """``storage`` is what UNLOAD writes to, if anything."""
        self._store = store
        self._storage = storage
        self._lock = threading.Lock()
        self._executions: OrderedDict[str, QueryExecution] = OrderedDict()
        self._responses: OrderedDict[str, _RememberedResponse] = OrderedDict()

    def query(self, request: Query, task: QueryTask) -> dict[str, Any]:
        """The first page of a query's result, or with NextToken the next one.

        Raises ValidationException for an invalid query, or an error while it runs;
        ConflictException if it was cancelled; QueryExecutionException if it cannot be finished.
        """
        text, max_rows = request.query_string, request.max_rows
        if request.next_token is not None:
            number = _page_number(request.next_token)
            return self._find(request.next_token, text).page(number, max_rows, task)
        if request.client_token is None:
            return self._start(request, task)
        response = self._remembered(request.client_token, text, max_rows)
        if response is None:
            response = self._start(request, task)
            self._remember(request.client_token, text, max_rows, response)
        return response

    def cancel_query(self, request: CancelQuery) -> dict[str, Any]:
        """Cancel a query; raises ValidationException if it is unknown, or its result is closed."""
        with self._lock:
            execution = self._executions.get(request.query_id)
        if execution is None:
            raise ValidationException(
                f"There is no query with the ID {request.query_id} that could be cancelled"
            )
        if execution.cancel():
            return {}
        return {"CancellationMessage": f"Query {request.query_id} is no longer running"}

    def prepare_query(self, request: PrepareQuery, task: QueryTask) -> dict[str, Any]:
        """The columns and parameters of a query, which is validated but not run.

        Raises ValidationException for an invalid query, or if ValidateOnly is false.
        """
        text = request.query_string
        if request.validate_only is False:
            raise ValidationException(
                "PrepareQuery is only supported with ValidateOnly set to true, or without it"
            )
        statement = translate(text, self._store, preparing=True)
        if statement.sql is not None:
            self._validate(statement.sql, task)
        columns = column_infos(statement)
        for info, column in zip(columns, statement.columns, strict=True):
            info["Aliased"] = column.aliased
            if column.table is not None:
                info["DatabaseName"], info["TableName"] = column.table
        parameters = (statement.parameters or {}).items()
        return {
            "QueryString": text,
            "Columns": columns,
            "Parameters": [column_info(name, parameter) for name, parameter in parameters],
        }

    def _validate(self, sql: str, task: QueryTask) -> None:
        """Let DuckDB bind a query without running it."""
        with self._store.cursor() as cursor, task.using(cursor):
            try:
                cursor.sql(sql)
            except duckdb.Error as error:
                task.check()
                raise service_error(error) from error

    def _start(self, request: Query, task: QueryTask) -> dict[str, Any]:
        execution = self._execution(request.query_string, insights=request.with_insights)
        with self._lock:
            self._executions[execution.query_id] = execution
            stale = self._remove_stale()
        for old in stale:
            old.close()
        try:
            response = execution.first_page(request.max_rows, task)
        except Exception:
            self._close(execution)
            raise
        if "NextToken" not in response:
            self._close(execution)
        return response

    def _execution(self, text: str, *, insights: bool) -> QueryExecution:
        ranges: list[TimeRange] | None = [] if insights else None
        unload = None
        if is_unload(text):
            unload = self._unload(text, ranges)
            statement = TranslatedStatement(UNLOAD_COLUMNS)
        else:
            statement = translate(text, self._store, time_ranges=ranges)
        return QueryExecution(
            text,
            statement,
            self._store.cursor(),
            unload.run if unload is not None else None,
            partial(query_insights, ranges, unload, self._store) if ranges is not None else None,
        )

    def _unload(self, text: str, ranges: list[TimeRange] | None) -> Unload:
        if self._storage is None:
            raise ValidationException(
                "UNLOAD needs S3; start the local Timestream with --s3, followed by the URL of a"
                " server with the API of S3, or by a folder"
            )
        return Unload(read_unload(text), self._store, self._storage, ranges)

    def _close(self, execution: QueryExecution) -> None:
        with self._lock:
            self._executions.pop(execution.query_id, None)
        execution.close()

    def _remove_stale(self) -> list[QueryExecution]:
        """Remove results that are too many or too old; the least recently used come first."""
        deadline = time.monotonic() - TOKEN_SECONDS
        idle = [execution for execution in self._executions.values() if not execution.busy]
        surplus = len(self._executions) - MAX_OPEN_RESULTS
        stale = [
            execution
            for position, execution in enumerate(idle)
            if position < surplus or execution.last_used < deadline
        ]
        for execution in stale:
            del self._executions[execution.query_id]
        return stale

    def _find(self, token: str, text: str) -> QueryExecution:
        """The execution that a pagination token belongs to; ``text`` must be its query."""
        with self._lock:
            execution = self._executions.get(token.partition(".")[0])
            if execution is not None and execution.text == text:
                self._executions.move_to_end(execution.query_id)
                return execution
        raise ValidationException(
            "Invalid pagination token: it belongs to another query, or its result is closed; send"
            " the query again without NextToken"
        )

    def _remembered(self, token: str, text: str, max_rows: int | None) -> dict[str, Any] | None:
        with self._lock:
            known = self._responses.get(token)
        if known is None or time.monotonic() - known.time > IDEMPOTENCY_SECONDS:
            return None
        if (known.query, known.max_rows) != (text, max_rows):
            raise ValidationException(
                "The ClientToken was used with other parameters; send a new one with a new query"
            )
        return known.response

    def _remember(
        self, token: str, text: str, max_rows: int | None, response: dict[str, Any]
    ) -> None:
        with self._lock:
            self._responses[token] = _RememberedResponse(time.monotonic(), text, max_rows, response)
            while len(self._responses) > MAX_REMEMBERED_RESPONSES:
                self._responses.popitem(last=False)


def _page_number(token: str) -> int:
    number = token.partition(".")[2]
    if not number.isascii() or not number.isdecimal():
        raise ValidationException("Invalid pagination token: use a NextToken that Query returned")
    return int(number)
