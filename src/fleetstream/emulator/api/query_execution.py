"""Running queries, and returning their results page by page.

DuckDB computes a result while its pages are requested, so memory holds one page and DuckDB's
buffer, whatever the size of the result.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from fleetstream.emulator.api.query_insights import Insights
from fleetstream.emulator.api.query_runner import QueryTask
from fleetstream.emulator.api.result_json import JsonRows
from fleetstream.emulator.errors import (
    ConflictException,
    QueryExecutionException,
    ServiceError,
    ValidationException,
)
from fleetstream.emulator.sql import TranslatedStatement, column_info, failure_message

PAGE_BYTES = 1_000_000
"""Maximum size of a page's rows (API reference, "Query": MaxRows)."""
MIN_METERED_BYTES = 10_000_000
"""The least that a query is charged for (developer guide, "Metering and pricing")."""
TOKEN_USES = 5
TOKEN_SECONDS = 3600.0
"""How often, and how long, a pagination token can be used (API reference, "Query": NextToken)."""

CANCEL_SECONDS = 5.0
"""How long CancelQuery waits for the query to end."""
_BATCH_ROWS = 1000

ProduceRows = Callable[
    [str, duckdb.DuckDBPyConnection, Callable[[], None]], Sequence[Sequence[Any]]
]
"""Runs a statement that has an effect, given its query ID, a cursor, and a function to call now and
then, which raises ServiceError if the statement was stopped; returns its result."""


_OUT_OF_RANGE = "A timestamp is not from 1677-09-21 00:12:44 to 2262-04-11 23:47:16.854775806"
_SENTENCES = {
    "Division by zero": "Division by zero",
    "Could not convert Timestamp to higher precision": _OUT_OF_RANGE,
    "Timestamp microseconds out of range": _OUT_OF_RANGE,
}
"""The beginnings of DuckDB's messages that are replaced."""


def service_error(error: Exception) -> ServiceError:
    """The service's error for an error of DuckDB, without DuckDB's prefix and further lines."""
    refused = failure_message(str(error))
    if refused is not None:
        return ValidationException(refused)
    message = str(error).partition("\n")[0]
    for prefix in ("Error: ", "INTERRUPT "):
        message = message.partition(prefix)[2] or message
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in str(error):
        return QueryExecutionException(
            "The query needs more memory than the server's memory limit allows."
        )
    message = message.replace('column "_', 'column "')
    for beginning, sentence in _SENTENCES.items():
        if message.startswith(beginning):
            message = sentence
    return ValidationException(message)


def column_infos(statement: TranslatedStatement) -> list[dict[str, Any]]:
    """The API's ColumnInfo of each column; the service names unnamed columns by position."""
    return [
        column_info(column.name or f"_col{position}", column.type)
        for position, column in enumerate(statement.columns)
    ]


class QueryExecution:
    """One execution of a query: its remaining rows, and the page that was returned last."""

    def __init__(
        self,
        text: str,
        statement: TranslatedStatement,
        cursor: duckdb.DuckDBPyConnection,
        produce: ProduceRows | None = None,
        insights: Insights | None = None,
    ) -> None:
        """``cursor`` is closed with the execution; ``produce``, if given, makes the rows.

        With ``insights``, the last page has them.
        """
        self.query_id = uuid.uuid4().hex.upper()
        self.text = text
        self.cancelled = False
        self.last_used = time.monotonic()
        self._statement = statement
        self._types = [column.type for column in statement.columns]
        self._produce = produce
        self._insights = insights
        self._lock = threading.Lock()
        self._task: QueryTask | None = None
        self._cursor = cursor
        self._batches = self._run()
        self._batch: JsonRows | None = None
        self._page_number = 0
        self._page: dict[str, Any] = {}
        self._token_uses = 0
        self._bytes = self._rows = 0
        self._finished = False

    def first_page(self, max_rows: int | None, task: QueryTask) -> dict[str, Any]:
        """The Query response with the first page; ``task`` can stop it."""
        with self._lock:
            return self._next_page(max_rows, task)

    def page(self, number: int, max_rows: int | None, task: QueryTask) -> dict[str, Any]:
        """The page for the token with this number: the next page, or the last one again.

        Raises ValidationException if the token is outdated or used up, and ConflictException if the
        query was cancelled.
        """
        with self._lock:
            if self.cancelled:
                raise ConflictException("Unable to poll results for a cancelled query")
            self.last_used = time.monotonic()
            if number == self._page_number and self._page.get("NextToken"):
                self._token_uses = 0
                return self._next_page(max_rows, task)
            self._token_uses += 1
            if number != self._page_number - 1 or self._token_uses >= TOKEN_USES:
                raise ValidationException("Invalid pagination token: a later one has replaced it")
            return self._page

    @property
    def busy(self) -> bool:
        """Whether a page is being computed."""
        return self._lock.locked()

    def cancel(self) -> bool:
        """Stop the query, also while another thread waits for a page.

        Returns False if it was cancelled before, or is finished.
        """
        if self.cancelled or self._finished:
            return False
        self.cancelled = True
        if self._task is not None:
            self._task.stop(QueryExecutionException("The query was cancelled"))
        if self._lock.acquire(timeout=CANCEL_SECONDS):
            self._lock.release()
        self._page = {}
        return True

    def close(self) -> None:
        """End the query, if it is not finished."""
        if self._finished:
            return
        # Without the interrupt, closing would wait until DuckDB's buffer is full.
        with contextlib.suppress(duckdb.ConnectionException):
            self._cursor.interrupt()
        with self._lock:
            self._finish()

    def _finish(self) -> None:
        self._finished = True
        self._batches.close()
        self._cursor.close()

    def _run(self) -> Generator[Sequence[Any]]:
        """The columns of each batch: Arrow's arrays, or sequences of Python's values."""
        statement = self._statement
        if statement.sql is None:
            rows = statement.rows
            if self._produce is not None:
                rows = self._produce(self.query_id, self._cursor, self._check)
            if rows:
                yield list(zip(*rows, strict=True))
            return
        if statement.aggregated:
            # DuckDB plans this query once, and one that gives Arrow data twice, which takes more
            # time than what Arrow saves for each of the rows.
            self._cursor.execute(statement.sql)
            while fetched := self._cursor.fetchmany(_BATCH_ROWS):
                yield list(zip(*fetched, strict=True))
            return
        with self._cursor.sql(statement.sql).to_arrow_reader(_BATCH_ROWS) as batches:
            for batch in batches:
                yield batch.columns

    def _check(self) -> None:
        """Raise the error that the current task was stopped with, if it was."""
        if self._task is not None:
            self._task.check()

    def _next_batch(self, task: QueryTask) -> JsonRows | None:
        """The batch with the next row, fetched if necessary; None at the end."""
        while self._batch is None or not self._batch.remaining:
            task.check()
            try:
                columns = next(self._batches, None)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                # Arrow raises DuckDB's errors as its own, or as OSError.
                task.check()
                raise service_error(error) from error
            if columns is None:
                self._batch = None
                return None
            # Outside of the block above: an error here is the server's, not the query's.
            arrays = [c if isinstance(c, pa.Array) else pa.array(c) for c in columns]
            self._batch = JsonRows(arrays, self._types)
        return self._batch

    def _next_page(self, max_rows: int | None, task: QueryTask) -> dict[str, Any]:
        """The next page; the query ends with the first error."""
        self._task = task
        try:
            with task.using(self._cursor):
                response = self._compute_page(max_rows, task)
            task.check()
        except BaseException:
            self._page = {}
            self._finish()
            raise
        finally:
            self._task = None
        return response

    def _compute_page(self, max_rows: int | None, task: QueryTask) -> dict[str, Any]:
        """Fetches one row more than the page has, to know whether another page follows."""
        parts: list[bytes] = []
        rows, room = max_rows or sys.maxsize, PAGE_BYTES
        while (batch := self._next_batch(task)) is not None and rows:
            count, json = batch.take(rows, room)
            if not count:
                break
            parts.append(json)
            rows -= count
            self._rows += count
            room -= len(json)
        if batch is not None and not parts:
            raise ValidationException(
                "Query aborted as max page response size has been exceeded by the output result row"
            )
        self._bytes += PAGE_BYTES - room
        self._page_number += 1
        self._page = self._response(orjson.Fragment(b"[" + b"".join(parts)[:-1] + b"]"))
        return self._page

    def _response(self, rows: orjson.Fragment) -> dict[str, Any]:
        response = {
            "QueryId": self.query_id,
            "Rows": rows,
            "ColumnInfo": column_infos(self._statement),
            "QueryStatus": {
                "ProgressPercentage": 100.0,
                "CumulativeBytesScanned": self._bytes,
                "CumulativeBytesMetered": max(self._bytes, MIN_METERED_BYTES),
            },
        }
        if self._batch is None:
            if self._insights is not None:
                response["QueryInsightsResponse"] = {
                    **self._insights(self._cursor),
                    "OutputRows": self._rows,
                    "OutputBytes": self._bytes,
                }
            self._finish()
        else:
            response["NextToken"] = f"{self.query_id}.{self._page_number}"
        return response
