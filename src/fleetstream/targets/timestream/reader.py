"""Reads a table of Amazon Timestream through its query API, page by page.

boto3 sends, signs and retries. Its parser would build several dicts per value and take ten times as
long as everything else, so pages are parsed here and it gets them without their rows.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

import botocore.exceptions as aws
import duckdb
import msgspec
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import SQL_TIMESTAMP, TableColumns
from fleetstream.targets.sink import TargetUnusable
from fleetstream.targets.timestream.account import Account

_NANOSECONDS = 1_000
"""In a microsecond."""


class _ColumnType(msgspec.Struct):
    """The type of a column; None if it is none of the scalar types."""

    scalar: str | None = msgspec.field(default=None, name="ScalarType")


class _ColumnInfo(msgspec.Struct):
    """A column of an answer."""

    name: str = msgspec.field(name="Name")
    type: _ColumnType = msgspec.field(name="Type")


class _Datum(msgspec.Struct, gc=False):
    """A cell; its value is None if it is null."""

    value: str | None = msgspec.field(default=None, name="ScalarValue")


class _Row(msgspec.Struct, gc=False):
    """A row of an answer."""

    data: list[_Datum] = msgspec.field(name="Data")


class _Page(msgspec.Struct):
    """A page of an answer, as the API's reference describes it."""

    columns: list[_ColumnInfo] = msgspec.field(name="ColumnInfo")
    rows: list[_Row] = msgspec.field(name="Rows")
    next_token: str | None = msgspec.field(default=None, name="NextToken")


class TimestreamReader:
    """Reads the table that a :class:`TimestreamSink` writes to.

    Times in queries are whole milliseconds, as all generated timestamps are.
    """

    slice_values = 250_000

    def __init__(self, account: Account, model: RecordModel, schemas: Sequence[pa.Schema]) -> None:
        self._account = account
        self._columns = TableColumns(model, tuple(schemas)).all
        self._table = f'"{account.table.database}"."{account.table.name}"'

    @property
    def name(self) -> str:
        return self._account.name

    def open(self) -> None:
        self._account.check()
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        query = (
            f"SELECT DISTINCT {TIME} FROM {self._table} "
            f"WHERE {TIME} >= {_sql_time(timestamp + 1)} ORDER BY 1"
        )
        return [
            stamp
            for page in self._pages(query)
            for stamp in page.column(TIME).cast(pa.int64()).to_pylist()
        ]

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        bounds = []
        if begin is not None:
            bounds.append(f"{TIME} >= {_sql_time(begin)}")
        if end is not None:
            bounds.append(f"{TIME} < {_sql_time(end)}")
        where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
        pages = list(self._pages(f"SELECT * FROM {self._table}{where}"))
        return pa.concat_tables(pages, promote_options="default")

    def close(self) -> None:
        self.connection.close()

    @cached_property
    def _client(self) -> Any:
        client = self._account.query_client()
        client.meta.events.register("before-parse.timestream-query.Query", _take_rows)
        return client

    def _pages(self, query: str) -> Iterator[pa.Table]:
        """The pages of an answer, without columns that the record model does not have."""
        try:
            for page in self._client.get_paginator("query").paginate(QueryString=query):
                yield self._parsed(page[_PAGE])
        except aws.ClientError as error:
            code, message = (error.response["Error"].get(part, "") for part in ("Code", "Message"))
            raise TargetUnusable(f"{self.name} cannot be queried: {code}, {message}") from error
        except (aws.BotoCoreError, msgspec.DecodeError) as error:
            raise TargetUnusable(f"{self.name} cannot be queried: {error}") from error

    def _parsed(self, page: _Page) -> pa.Table:
        arrays = {}
        for place, column in enumerate(page.columns):
            name, kind = column.name, column.type.scalar
            wanted = self._columns.get(name)
            if wanted is None:
                continue
            if kind != wanted:
                raise TargetUnusable(
                    f"{self.name} has a column {name!r} of type {kind} instead of {wanted}, so it "
                    "was not written by the run of this manifest."
                )
            cells = pa.array([row.data[place].value for row in page.rows], pa.string())
            arrays[name] = _column(cells, kind)
        return pa.table(arrays)


_PAGE = "Page"
"""The key under which :func:`_take_rows` puts the parsed page."""


def _take_rows(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Parse a successful answer, and leave only its token for botocore to parse.

    A handler of botocore's event ``before-parse``.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        page = msgspec.json.decode(response_dict["body"], type=_Page)
        customized_response_dict[_PAGE] = page
        token = {"NextToken": page.next_token} if page.next_token else {}
        response_dict["body"] = msgspec.json.encode(token)


def _column(cells: pa.Array, kind: str) -> pa.Array:
    """Cells in the Arrow type of their column; words are dictionary-encoded."""
    if kind == DataType.VARCHAR:
        return cells.dictionary_encode()
    if kind != SQL_TIMESTAMP:
        return cells.cast(DataType(kind).arrow)
    values = cells.cast(pa.timestamp("ns")).cast(pa.int64())
    # Rounded up, so that a time between two microseconds does not become a generated timestamp.
    microseconds = -(-values.fill_null(0).to_numpy() // _NANOSECONDS)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(microseconds, mask=missing).cast(pa.timestamp("us"))


def _sql_time(timestamp: int) -> str:
    """SQL for the first whole millisecond that is not before a timestamp in microseconds."""
    return f"from_milliseconds({-(-timestamp // 1_000)})"
