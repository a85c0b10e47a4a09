"""Reads a table of Amazon Timestream through its query API, page by page."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import botocore.exceptions as aws
import duckdb
import pyarrow as pa

from fleetstream.records import TIME, RecordModel
from fleetstream.sinks import TargetUnusable
from fleetstream.sinks.duckdb.layout import COLUMNS
from fleetstream.sinks.timestream.account import Account

_ARROW_TYPES = {
    "TIMESTAMP": pa.timestamp("ns"),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
}

_NANOSECONDS = 1_000
"""In a microsecond."""


class TimestreamReader:
    """Reads the table that a Timestream sink would write to.

    Times in queries are whole milliseconds, as all sweeps are.
    """

    slice_values = 250_000

    def __init__(self, account: Account, name: str, model: RecordModel) -> None:
        self.name = name
        self._account = account
        self._columns = COLUMNS[model]
        target = account.target
        self._table = f'"{target.database}"."{target.table}"'

    def open(self) -> None:
        """Ask for the table with DescribeTable."""
        self._account.check()
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after one, in microseconds."""
        query = (
            f"SELECT DISTINCT {TIME} FROM {self._table} "
            f"WHERE {TIME} >= {_moment(timestamp + 1)} ORDER BY 1"
        )
        return [
            stamp
            for page in self._pages(query)
            for stamp in page.column(TIME).cast(pa.int64()).to_pylist()
        ]

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        """A table of all records of a stretch."""
        bounds = []
        if begin is not None:
            bounds.append(f"{TIME} >= {_moment(begin)}")
        if end is not None:
            bounds.append(f"{TIME} < {_moment(end)}")
        where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
        pages = list(self._pages(f"SELECT * FROM {self._table}{where}"))
        return pa.concat_tables(pages, promote_options="default")

    def close(self) -> None:
        """Nothing but memory is held."""
        self.connection.close()

    @cached_property
    def _client(self) -> Any:
        return self._account.query_client()

    def _pages(self, query: str) -> Iterator[pa.Table]:
        """The pages of an answer; columns that are none of the record model's are left out."""
        try:
            for page in self._client.get_paginator("query").paginate(QueryString=query):
                yield self._page(page["ColumnInfo"], page["Rows"])
        except aws.ClientError as error:
            code, message = (error.response["Error"].get(part, "") for part in ("Code", "Message"))
            raise TargetUnusable(f"{self.name} can't be queried: {code}, {message}") from error
        except aws.BotoCoreError as error:
            raise TargetUnusable(f"{self.name} can't be queried: {error}") from error

    def _page(self, columns: list[dict[str, Any]], rows: list[dict[str, Any]]) -> pa.Table:
        arrays = {}
        for place, column in enumerate(columns):
            name, kind = column["Name"], column["Type"].get("ScalarType")
            wanted = self._columns.get(name)
            if wanted is None:
                continue
            if kind != wanted:
                raise TargetUnusable(
                    f"{self.name} has a column {name!r} of type {kind}, where {wanted} is needed; "
                    "so it is not what the run of this manifest has written."
                )
            cells = pa.array([row["Data"][place].get("ScalarValue") for row in rows], pa.string())
            arrays[name] = _column(cells, kind)
        return pa.table(arrays)


def _column(cells: pa.Array, kind: str) -> pa.Array:
    """Cells in the type of their column; words are dictionary-encoded."""
    if kind == "VARCHAR":
        return cells.dictionary_encode()
    values = cells.cast(_ARROW_TYPES[kind])
    if kind != "TIMESTAMP":
        return values
    # Rounded up, so that a time which no sweep can have does not become one that a sweep has.
    nanoseconds = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return pa.array(-(-nanoseconds // _NANOSECONDS)).cast(pa.timestamp("us"))


def _moment(timestamp: int) -> str:
    """The first whole millisecond that is not before a timestamp in microseconds, in SQL."""
    return f"from_milliseconds({-(-timestamp // 1_000)})"
