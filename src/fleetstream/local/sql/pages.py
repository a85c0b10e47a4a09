"""Running queries, and their results page by page.

A result is streamed from DuckDB as the pages are asked for, so that memory holds one page and what
DuckDB buffers, whatever the size of the result.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, Protocol

import duckdb
import orjson
import pyarrow as pa

from fleetstream.local.errors import (
    ConflictException,
    QueryExecutionException,
    ServiceError,
    ValidationException,
)
from fleetstream.local.sql import RowTexts, Statement, column_info

PAGE_BYTES = 1_000_000
"""A page ends before it grows beyond this ("QueryRequest": MaxRows, in the API's reference)."""
METERED_MINIMUM = 10_000_000
"""The least that a query is charged for, in bytes (the guide's page on metering queries)."""
TOKEN_USES = 5
TOKEN_SECONDS = 3600.0
"""How often and how long a pagination token can be used ("QueryRequest": NextToken)."""

_BATCH_ROWS = 1000
CANCEL_ATTEMPTS = 100
CANCEL_PAUSE_SECONDS = 0.05


class Cursors(Protocol):
    """What gives connections to read with."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own."""


def service_error(error: Exception) -> ServiceError:
    """DuckDB's error as the service's: the sentence, without DuckDB's kind and its own text."""
    sentence = str(error).partition("\n")[0]
    for kind in ("Error: ", "INTERRUPT "):
        sentence = sentence.partition(kind)[2] or sentence
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryExecutionException(f"The query needs too much memory: {sentence}")
    sentence = sentence.replace('column "_', 'column "')
    if sentence.startswith("Division by zero"):
        sentence = "Division by zero"
    return ValidationException(sentence)


class Execution:
    """One run of a query: its rows, and the page that was given last."""

    def __init__(self, text: str, statement: Statement, cursors: Cursors) -> None:
        self.query_id = uuid.uuid4().hex.upper()
        self.text = text
        self.cancelled = False
        self.last_used = time.monotonic()
        self._statement = statement
        self._lock = threading.Lock()
        self._cursor = cursors.cursor()
        self._batches = self._run()
        self._ahead: RowTexts | None = None
        self._page_number = 0
        self._page: dict[str, Any] = {}
        self._uses = 0
        self._bytes = 0
        self._done = False

    def first_page(self, most_rows: int | None) -> dict[str, Any]:
        """The first page of the result, as a response of the Query API."""
        with self._lock:
            return self._next(most_rows)

    def page(self, number: int, most_rows: int | None) -> dict[str, Any]:
        """The page that the token with this number is for: the next one, or once more the last.

        Raises:
            ValidationException: the token is one of an earlier page, or used up.
            ConflictException: the query has been cancelled.

        """
        with self._lock:
            if self.cancelled:
                raise ConflictException("Unable to poll results for a cancelled query")
            self.last_used = time.monotonic()
            if number == self._page_number and self._page.get("NextToken"):
                self._uses = 0
                return self._next(most_rows)
            self._uses += 1
            if number != self._page_number - 1 or self._uses >= TOKEN_USES:
                raise ValidationException("Invalid pagination token: a later one has replaced it")
            return self._page

    @property
    def busy(self) -> bool:
        """Whether a page is being made at this moment."""
        return self._lock.locked()

    def cancel(self) -> bool:
        """Stop the query, even in the middle of a page that another thread is waiting for.

        False when there was nothing to stop: it has been cancelled before, or is at its end.
        """
        if self.cancelled or self._done:
            return False
        self.cancelled = True
        # DuckDB forgets an interruption that comes in between two fetches, so one may not be
        # enough; and a result that ends at this very moment has closed its connection.
        for _ in range(CANCEL_ATTEMPTS):
            with contextlib.suppress(duckdb.ConnectionException):
                self._cursor.interrupt()
            if not self.busy:
                break
            time.sleep(CANCEL_PAUSE_SECONDS)
        self._page = {}
        return True

    def close(self) -> None:
        """Give back the connection; what still runs on it is stopped."""
        # Closing alone would wait for DuckDB to fill its buffer.
        with contextlib.suppress(duckdb.ConnectionException):
            self._cursor.interrupt()
        with self._lock:
            self._cursor.close()

    def _run(self) -> Iterator[RowTexts]:
        statement = self._statement
        kinds = [part.type for part in statement.fields]
        if statement.sql is None:
            if statement.listed:
                yield RowTexts(
                    [pa.array(column) for column in zip(*statement.listed, strict=True)], kinds
                )
            return
        with self._cursor.sql(statement.sql).to_arrow_reader(_BATCH_ROWS) as batches:
            for batch in batches:
                yield RowTexts(batch.columns, kinds)

    def _upcoming(self) -> RowTexts | None:
        """The batch that has the next row, fetched if need be; None at the end."""
        try:
            while self._ahead is None or not self._ahead.left:
                self._ahead = next(self._batches, None)
                if self._ahead is None:
                    return None
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self._done = True
            self._cursor.close()
            # Arrow hands on DuckDB's error as one of its own, or as an OSError.
            if self.cancelled:
                raise QueryExecutionException("The query was cancelled") from error
            raise service_error(error) from error
        return self._ahead

    def _next(self, most_rows: int | None) -> dict[str, Any]:
        """The next page; the row after it is fetched too, to know whether there is one."""
        texts: list[bytes] = []
        rows, room = most_rows or sys.maxsize, PAGE_BYTES
        while (batch := self._upcoming()) is not None and rows:
            count, text = batch.take(rows, room)
            if not count:
                break
            texts.append(text)
            rows -= count
            room -= len(text)
        if batch is not None and not texts:
            raise ValidationException(
                "Query aborted as max page response size has been exceeded by the output result row"
            )
        self._bytes += PAGE_BYTES - room
        self._page_number += 1
        self._page = self._response(orjson.Fragment(b"[" + b"".join(texts)[:-1] + b"]"))
        return self._page

    def _response(self, rows: orjson.Fragment) -> dict[str, Any]:
        names = (part.name or f"_col{place}" for place, part in enumerate(self._statement.fields))
        kinds = (part.type for part in self._statement.fields)
        self._done = self._ahead is None
        if self._done:
            self._cursor.close()
        response = {
            "QueryId": self.query_id,
            "Rows": rows,
            "ColumnInfo": [
                column_info(name, kind) for name, kind in zip(names, kinds, strict=True)
            ],
            "QueryStatus": {
                "ProgressPercentage": 100.0,
                "CumulativeBytesScanned": self._bytes,
                "CumulativeBytesMetered": max(self._bytes, METERED_MINIMUM),
            },
        }
        return (
            response
            if self._done
            else {**response, "NextToken": f"{self.query_id}.{self._page_number}"}
        )
