"""The Query API: Query with its paging, CancelQuery and PrepareQuery."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any, Literal, Protocol, overload

import duckdb

from fleetstream.local.errors import ValidationException
from fleetstream.local.sql import Tables, column_info, translate
from fleetstream.local.sql.pages import TOKEN_SECONDS, Cursors, Execution, service_error

MOST_TEXT = 262_144
MOST_ROWS = 1_000
OPEN_RESULTS = 64
"""Results that can be waiting for their next page; the one unused for longest goes first."""
REMEMBERED_ANSWERS = 32
IDEMPOTENT_SECONDS = 300.0
"""How long a ClientToken means the same run ("Query": the 5-minute idempotency window)."""


class Store(Tables, Cursors, Protocol):
    """What the service reads from."""


class QueryService:
    """The operations of the Query API over a store; threads can call them at the same time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._answers: OrderedDict[str, tuple[float, tuple[Any, ...], dict[str, Any]]] = (
            OrderedDict()
        )

    def query(self, request: dict[str, Any]) -> dict[str, Any]:
        """The Query operation: a first page, or with NextToken the next one.

        Raises:
            ValidationException: a parameter, the query or its run is at fault; says how.
            ConflictException: the query has been cancelled.
            QueryExecutionException: it could not be finished.

        """
        text = _text(request, "QueryString", 1, MOST_TEXT, required=True)
        client_token = _text(request, "ClientToken", 32, 128)
        next_token = _text(request, "NextToken", 1, 2048)
        most_rows = _rows(request)
        if next_token is not None:
            return self._find(next_token, text).page(_number(next_token), most_rows)
        asked = (text, most_rows)
        answer = self._remembered(client_token, asked)
        if answer is None:
            answer = self._start(text, most_rows)
            self._remember(client_token, asked, answer)
        return answer

    def cancel_query(self, request: dict[str, Any]) -> dict[str, Any]:
        """The CancelQuery operation; a second one for the same query changes nothing.

        Raises:
            ValidationException: there is no such query, or it has been finished long ago.

        """
        query_id = _text(request, "QueryId", 1, 64, required=True)
        with self._lock:
            execution = self._executions.get(query_id)
        if execution is None:
            raise ValidationException(
                f"There is no query with the ID {query_id} that could be cancelled"
            )
        if execution.cancel():
            return {}
        return {"CancellationMessage": f"Query {query_id} is no longer running"}

    def prepare_query(self, request: dict[str, Any]) -> dict[str, Any]:
        """The PrepareQuery operation: the columns and parameters of a query that is not run.

        Raises:
            ValidationException: the query is at fault, or it is to be stored as well.

        """
        text = _text(request, "QueryString", 1, MOST_TEXT, required=True)
        if request.get("ValidateOnly") is not True:
            raise ValidationException(
                "PrepareQuery is only supported with ValidateOnly set to true"
            )
        statement = translate(text, self._store, preparing=True)
        if statement.sql is not None:
            self._check(statement.sql)
        columns = []
        for place, part in enumerate(statement.fields):
            column = column_info(part.name or f"_col{place}", part.type) | {"Aliased": part.aliased}
            if part.table is not None:
                column["DatabaseName"], column["TableName"] = part.table
            columns.append(column)
        parameters = (statement.parameters or {}).items()
        return {
            "QueryString": text,
            "Columns": columns,
            "Parameters": [column_info(name, kind) for name, kind in parameters],
        }

    def _check(self, sql: str) -> None:
        """Let DuckDB bind a query without running it."""
        cursor = self._store.cursor()
        try:
            cursor.sql(sql)
        except duckdb.Error as error:
            raise service_error(error) from error
        finally:
            cursor.close()

    def _start(self, text: str, most_rows: int | None) -> dict[str, Any]:
        execution = Execution(text, translate(text, self._store), self._store)
        with self._lock:
            self._executions[execution.query_id] = execution
            dropped = self._drop_stale()
        for stale in dropped:
            stale.close()
        try:
            answer = execution.first_page(most_rows)
        except Exception:
            self._forget(execution)
            raise
        if "NextToken" not in answer:
            self._forget(execution)
        return answer

    def _forget(self, execution: Execution) -> None:
        with self._lock:
            self._executions.pop(execution.query_id, None)
        execution.close()

    def _drop_stale(self) -> list[Execution]:
        """Take out the results that are too many or too old; the oldest stand first."""
        deadline = time.monotonic() - TOKEN_SECONDS
        idle = [execution for execution in self._executions.values() if not execution.busy]
        surplus = len(self._executions) - OPEN_RESULTS
        dropped = [
            execution
            for place, execution in enumerate(idle)
            if place < surplus or execution.last_used < deadline
        ]
        for execution in dropped:
            del self._executions[execution.query_id]
        return dropped

    def _find(self, token: str, text: str) -> Execution:
        """The run that a pagination token belongs to; the query's text must be the same."""
        with self._lock:
            execution = self._executions.get(token.partition(".")[0])
            if execution is not None and execution.text == text:
                self._executions.move_to_end(execution.query_id)
                return execution
        raise ValidationException(
            "Invalid pagination token: it is not one of this query, or its result is closed; send"
            " the query again without NextToken"
        )

    def _remembered(self, token: str | None, asked: tuple[Any, ...]) -> dict[str, Any] | None:
        if token is None:
            return None
        with self._lock:
            since, known, answer = self._answers.get(token, (0.0, (), {}))
        if not known or time.monotonic() - since > IDEMPOTENT_SECONDS:
            return None
        if known != asked:
            raise ValidationException(
                "The ClientToken was used with other parameters; send a new one with a new query"
            )
        return answer

    def _remember(self, token: str | None, asked: tuple[Any, ...], answer: dict[str, Any]) -> None:
        if token is None:
            return
        with self._lock:
            self._answers[token] = (time.monotonic(), asked, answer)
            while len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)


def _number(token: str) -> int:
    number = token.partition(".")[2]
    if not number.isascii() or not number.isdecimal():
        raise ValidationException("Invalid pagination token: it must be one that a query has given")
    return int(number)


def _rows(request: dict[str, Any]) -> int | None:
    rows = request.get("MaxRows")
    if rows is None:
        return None
    if not isinstance(rows, int) or isinstance(rows, bool) or not 1 <= rows <= MOST_ROWS:
        raise ValidationException(
            f"MaxRows must be a whole number from 1 to {MOST_ROWS}, not {rows}"
        )
    return rows


@overload
def _text(
    request: dict[str, Any], name: str, least: int, most: int, *, required: Literal[True]
) -> str: ...
@overload
def _text(request: dict[str, Any], name: str, least: int, most: int) -> str | None: ...
def _text(
    request: dict[str, Any], name: str, least: int, most: int, *, required: bool = False
) -> str | None:
    """A text of the request, of a length that the API's model allows."""
    value = request.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValidationException(f"{name} must be a text of {least} to {most} characters")
    return value
