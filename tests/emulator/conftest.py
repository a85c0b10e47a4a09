"""A running local Timestream, tables in it, and requests to write."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator_process import EmulatorProcess as LocalTimestream

DATABASE = "testDb"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def local_timestream() -> Iterator[LocalTimestream]:
    """A server in memory, with the database ``testDb``; one for all tests of a module."""
    with LocalTimestream() as server:
        server.write.create_database(DatabaseName=DATABASE)
        yield server


@pytest.fixture
def table(local_timestream: LocalTimestream) -> "Table":
    """An empty table of its own."""
    return make_table(local_timestream)


class Table:
    """A table of a server, and what tests do with it."""

    def __init__(self, server: LocalTimestream, name: str) -> None:
        self.server = server
        self.name = name
        self.names = {"DatabaseName": DATABASE, "TableName": name}

    def write(self, *records: dict[str, Any], **common: Any) -> dict[str, int]:
        """Write records; gives RecordsIngested."""
        request = {**self.names, "Records": records}
        if common:
            request["CommonAttributes"] = common
        answer: dict[str, int] = self.server.write.write_records(**request)["RecordsIngested"]
        return answer

    def rejections(self, *records: dict[str, Any], **common: Any) -> list[dict[str, Any]]:
        """Write records of which some must be rejected; gives the rejections."""
        with pytest.raises(self.server.write.exceptions.RejectedRecordsException) as caught:
            self.write(*records, **common)
        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 419
        assert response["Error"] == {
            "Code": "RejectedRecordsException",
            "Message": "One or more records have been rejected. See RejectedRecords for details.",
        }
        rejected: list[dict[str, Any]] = response["RejectedRecords"]
        return rejected

    def invalid(self, *records: dict[str, Any], **common: Any) -> str:
        """Write records that must be refused as a whole; gives the ValidationException's words."""
        return refusal("ValidationException", 400, self.write, *records, **common)

    def rows(self, columns: str = "*", after: str = "") -> list[list[str | None]]:
        """The rows that a query gives, as texts."""
        sql = f'SELECT {columns} FROM "{DATABASE}"."{self.name}" {after}'
        pages = self.server.query.get_paginator("query").paginate(QueryString=sql)
        return [
            [datum.get("ScalarValue") for datum in row["Data"]]
            for page in pages
            for row in page["Rows"]
        ]

    def columns(self) -> list[tuple[str, str]]:
        """The names and types of the columns, in order."""
        answer = self.server.query.query(QueryString=f'DESCRIBE "{DATABASE}"."{self.name}"')
        return [
            (row["Data"][0]["ScalarValue"], row["Data"][1]["ScalarValue"]) for row in answer["Rows"]
        ]


def make_table(server: LocalTimestream, **properties: Any) -> Table:
    """A new table with these properties."""
    name = f"table{next(_numbers)}"
    server.write.create_table(DatabaseName=DATABASE, TableName=name, **properties)
    return Table(server, name)


def record(value: str = "1.5", **members: Any) -> dict[str, Any]:
    """A valid single-measure record of now; ``members`` replace its own, and None removes one."""
    usual = {
        "Dimensions": [{"Name": "host", "Value": "a"}],
        "MeasureName": "cpu",
        "MeasureValue": value,
        "Time": str(now()),
    }
    return {name: member for name, member in (usual | members).items() if member is not None}


def multi(*values: tuple[str, str, str], **members: Any) -> dict[str, Any]:
    """A valid multi-measure record of now; ``values`` are names, types and values."""
    given = [{"Name": name, "Type": kind, "Value": value} for name, kind, value in values]
    return record(
        **{
            "MeasureName": "metrics",
            "MeasureValue": None,
            "MeasureValueType": "MULTI",
            "MeasureValues": given,
        }
        | members
    )


def dimensions(**values: str) -> list[dict[str, str]]:
    """Dimensions of these names and values."""
    return [{"Name": name, "Value": value} for name, value in values.items()]


def now() -> int:
    """The present, in milliseconds since 1970."""
    return int(time.time() * 1000)


def refusal(code: str, status: int, call: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """Make a call that must be answered with this error; gives its message."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
        code,
        status,
    )
    message: str = response["Error"]["Message"]
    return message
