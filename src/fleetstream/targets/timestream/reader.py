"""Reads a table of Amazon Timestream through its query API, page by page.

Boto3 asks, signs and retries, but its parser would make several dicts of every value, and take ten
times as long as everything else. So it is given answers without rows, which are parsed here.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

import botocore.exceptions as aws
import duckdb
import msgspec
import pyarrow as pa

from fleetstream.generate.records import TIME, RecordModel
from fleetstream.targets.sink import TargetUnusable
from fleetstream.targets.layout import COLUMNS
from fleetstream.targets.timestream.account import Account

_ARROW_TYPES = {
    "TIMESTAMP": pa.timestamp("ns"),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
}

_NANOSECONDS = 1_000
"""In a microsecond."""


class ColumnType(msgspec.Struct):
    """The type of a column; None if it is none of the scalar types."""

    scalar: str | None = msgspec.field(default=None, name="ScalarType")


class ColumnInfo(msgspec.Struct):
    """A column of an answer."""

    name: str = msgspec.field(name="Name")
    type: ColumnType = msgspec.field(name="Type")


class Datum(msgspec.Struct, gc=False):
    """A cell; its value is None if it is null."""

    value: str | None = msgspec.field(default=None, name="ScalarValue")


class Row(msgspec.Struct, gc=False):
    """A row of an answer."""

    data: list[Datum] = msgspec.field(name="Data")


class Page(msgspec.Struct):
    """A page of an answer, as the API's reference describes it."""

    columns: list[ColumnInfo] = msgspec.field(name="ColumnInfo")
    rows: list[Row] = msgspec.field(name="Rows")
    next_token: str | None = msgspec.field(default=None, name="NextToken")


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
        client = self._account.query_client()
        client.meta.events.register("before-parse.timestream-query.Query", _take_rows)
        return client

    def _pages(self, query: str) -> Iterator[pa.Table]:
        """The pages of an answer; columns that are none of the record model's are left out."""
        try:
            for page in self._client.get_paginator("query").paginate(QueryString=query):
                yield self._parsed(page[_PAGE])
        except aws.ClientError as error:
            code, message = (error.response["Error"].get(part, "") for part in ("Code", "Message"))
            raise TargetUnusable(f"{self.name} can't be queried: {code}, {message}") from error
        except (aws.BotoCoreError, msgspec.DecodeError) as error:
            raise TargetUnusable(f"{self.name} can't be queried: {error}") from error

    def _parsed(self, page: Page) -> pa.Table:
        arrays = {}
        for place, column in enumerate(page.columns):
            name, kind = column.name, column.type.scalar
            wanted = self._columns.get(name)
            if wanted is None:
                continue
            if kind != wanted:
                raise TargetUnusable(
                    f"{self.name} has a column {name!r} of type {kind}, where {wanted} is needed; "
                    "so it is not what the run of this manifest has written."
                )
            cells = pa.array([row.data[place].value for row in page.rows], pa.string())
            arrays[name] = _column(cells, kind)
        return pa.table(arrays)


_PAGE = "Page"
"""Where :func:`_take_rows` leaves an answer's page."""


def _take_rows(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Parse a good answer in place of botocore, which is left with its token alone.

    A handler of botocore's event ``before-parse``.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        page = msgspec.json.decode(response_dict["body"], type=Page)
        customized_response_dict[_PAGE] = page
        token = {"NextToken": page.next_token} if page.next_token else {}
        response_dict["body"] = msgspec.json.encode(token)


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
