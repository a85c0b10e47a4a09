"""A running local Timestream, tables in it, and requests to write."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleetstream.emulator import LocalTimestream
from tests.emulator import sql_tables
from tests.emulator.endpoint import Endpoint

DATABASE = "testDb"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    """One local Timestream per process of the suite, with the database `testDb`."""
    with LocalTimestream() as timestream:
        endpoint = Endpoint(timestream.url)
        endpoint.write.create_database(DatabaseName=DATABASE)
        yield endpoint


@pytest.fixture(scope="session")
def fleet(endpoint: Endpoint) -> Endpoint:
    """The endpoint with the tables that the SQL cases read."""
    sql_tables.load(endpoint.write)
    return endpoint


@pytest.fixture
def table(endpoint: Endpoint) -> "Table":
    """A new table."""
    return make_table(endpoint)


class Table:
    """A table, and what tests do with it."""

    def __init__(self, server: Any, name: str) -> None:
        """`server` is an Endpoint or an EmulatorProcess."""
        self.server = server
        self.name = name
        self.names = {"DatabaseName": DATABASE, "TableName": name}

    def write(self, *records: dict[str, Any], **common: Any) -> dict[str, int]:
        """Write records; returns RecordsIngested."""
        request = {**self.names, "Records": records}
        if common:
            request["CommonAttributes"] = common
        response: dict[str, int] = self.server.write.write_records(**request)["RecordsIngested"]
        return response

    def rejections(self, *records: dict[str, Any], **common: Any) -> list[dict[str, Any]]:
        """Write records of which some must be rejected; returns RejectedRecords."""
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
        """Write records that must be refused as a whole; returns the ValidationException's text."""
        return error_message("ValidationException", 400, self.write, *records, **common)

    def rows(self, columns: str = "*", clauses: str = "") -> list[list[str | None]]:
        """The rows of a query of this table, as texts."""
        sql = f'SELECT {columns} FROM "{DATABASE}"."{self.name}" {clauses}'
        pages = self.server.query.get_paginator("query").paginate(QueryString=sql)
        return [
            [datum.get("ScalarValue") for datum in row["Data"]]
            for page in pages
            for row in page["Rows"]
        ]

    def columns(self) -> list[tuple[str, str]]:
        """Names and types of the columns, in order."""
        response = self.server.query.query(QueryString=f'DESCRIBE "{DATABASE}"."{self.name}"')
        return [
            (row["Data"][0]["ScalarValue"], row["Data"][1]["ScalarValue"])
            for row in response["Rows"]
        ]


def make_table(server: Any, **properties: Any) -> Table:
    """A new table with these properties; `server` is an Endpoint or an EmulatorProcess."""
    name = f"table{next(_numbers)}"
    server.write.create_table(DatabaseName=DATABASE, TableName=name, **properties)
    return Table(server, name)


def record(value: str = "1.5", **members: Any) -> dict[str, Any]:
    """A valid single-measure record of now; `members` replace its members, None removes one."""
    defaults = {
        "Dimensions": [{"Name": "host", "Value": "a"}],
        "MeasureName": "cpu",
        "MeasureValue": value,
        "Time": str(now()),
    }
    return {name: member for name, member in (defaults | members).items() if member is not None}


def multi(*values: tuple[str, str, str], **members: Any) -> dict[str, Any]:
    """A valid multi-measure record of now; `values` are names, types and values."""
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
    """Dimensions with these names and values."""
    return [{"Name": name, "Value": value} for name, value in values.items()]


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def error_message(
    code: str, status: int, call: Callable[..., Any], *arguments: Any, **named: Any
) -> str:
    """Make a call that must fail with this error; returns its message."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **named)
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
        code,
        status,
    )
    message: str = response["Error"]["Message"]
    return message
