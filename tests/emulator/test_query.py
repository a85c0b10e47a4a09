"""The Query API around the SQL: pages, tokens, cancelling, preparing, types, other clients."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import awswrangler as wr
import boto3
import pandas as pd
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import error_message
from tests.emulator.endpoint import Endpoint
from tests.emulator.sql_tables import rows

NUMBERS = "SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x"
# 200,000 rows that come at once, since DuckDB works ahead, and then none for hours.
ENDLESS = (
    "SELECT x FROM UNNEST(sequence(1, 10000)) AS t(x)"
    " CROSS JOIN UNNEST(sequence(1, 10000)) AS a(p)"
    " CROSS JOIN UNNEST(sequence(1, 10000)) AS b(q)"
    " WHERE x <= 2000 AND p = 1 AND q <= 100 OR x * p * q = -1"
)


def test_pages_give_every_row_once_and_in_order(fleet: Endpoint) -> None:
    pages = list(
        fleet.query.get_paginator("query").paginate(
            QueryString=NUMBERS, PaginationConfig={"PageSize": 1000}
        )
    )
    assert [len(page["Rows"]) for page in pages] == [1000, 1000, 500]
    assert [row for page in pages for row in rows(page)] == [(str(x),) for x in range(1, 2501)]
    assert len({page["QueryId"] for page in pages}) == 1


def test_a_page_ends_before_it_grows_beyond_a_megabyte(fleet: Endpoint) -> None:
    query = "SELECT array_join(repeat('x', 9999), '') FROM UNNEST(sequence(1, 250)) AS t(x)"
    answer = fleet.query.query(QueryString=query)
    assert 90 < len(answer["Rows"]) <= 100
    rest = fleet.query.query(QueryString=query, NextToken=answer["NextToken"])
    assert len(rest["Rows"]) == len(answer["Rows"])


def test_a_row_beyond_a_megabyte_fails_the_query(fleet: Endpoint) -> None:
    query = "SELECT repeat(array_join(repeat('x', 9999), ''), 150)"
    assert "max page response size" in refusal(fleet, QueryString=query)


def test_a_token_gives_its_page_again_until_a_later_one_is_used(fleet: Endpoint) -> None:
    first = fleet.query.query(QueryString=NUMBERS, MaxRows=2)
    request = {"QueryString": NUMBERS, "MaxRows": 2, "NextToken": first["NextToken"]}
    second = fleet.query.query(**request)
    assert rows(second) == [("3",), ("4",)]
    assert rows(fleet.query.query(**request)) == [("3",), ("4",)]
    third = fleet.query.query(**{**request, "NextToken": second["NextToken"]})
    assert rows(third) == [("5",), ("6",)]
    assert "Invalid pagination token" in refusal(fleet, **request)


def test_a_token_is_good_for_five_uses(fleet: Endpoint) -> None:
    first = fleet.query.query(QueryString=NUMBERS, MaxRows=2)
    request = {"QueryString": NUMBERS, "MaxRows": 2, "NextToken": first["NextToken"]}
    assert {str(rows(fleet.query.query(**request))) for _ in range(5)} == {"[('3',), ('4',)]"}
    assert "Invalid pagination token" in refusal(fleet, **request)


@pytest.mark.parametrize("token", ["nonsense", "a.b", "ABC.1", "é.²"])
def test_a_token_that_no_query_has_given_is_refused(fleet: Endpoint, token: str) -> None:
    assert "Invalid pagination token" in refusal(fleet, QueryString=NUMBERS, NextToken=token)


def test_a_token_is_bound_to_its_query(fleet: Endpoint) -> None:
    first = fleet.query.query(QueryString=NUMBERS, MaxRows=2)
    other = {"QueryString": "SELECT 1", "NextToken": first["NextToken"]}
    assert "Invalid pagination token" in refusal(fleet, **other)


def test_results_nobody_comes_back_for_are_let_go(fleet: Endpoint) -> None:
    first = fleet.query.query(QueryString=NUMBERS, MaxRows=1)
    for _ in range(64):
        fleet.query.query(QueryString=NUMBERS, MaxRows=1)
    stale = {"QueryString": NUMBERS, "NextToken": first["NextToken"]}
    assert "Invalid pagination token" in refusal(fleet, **stale)


def test_a_client_token_means_the_same_run(fleet: Endpoint) -> None:
    request = {"QueryString": "SELECT random()", "ClientToken": "t" * 32}
    first, again = fleet.query.query(**request), fleet.query.query(**request)
    assert (first["QueryId"], first["Rows"]) == (again["QueryId"], again["Rows"])
    request["QueryString"] = "SELECT 2"
    assert "ClientToken" in refusal(fleet, **request)


def test_a_running_query_can_be_cancelled(fleet: Endpoint) -> None:
    first = fleet.query.query(QueryString=ENDLESS)
    moments, failures = [time.monotonic()], []

    def go_on() -> None:
        token = first["NextToken"]
        try:
            while True:
                token = fleet.query.query(QueryString=ENDLESS, NextToken=token)["NextToken"]
                moments.append(time.monotonic())
        except (
            fleet.query.exceptions.QueryExecutionException,
            # On a slow machine, the request may come only after the query was cancelled.
            fleet.query.exceptions.ConflictException,
        ) as error:
            failures.append(error.response["Error"]["Message"])

    waiting = threading.Thread(target=go_on)
    waiting.start()
    while time.monotonic() - moments[-1] < 2:
        time.sleep(0.1)
    assert "CancellationMessage" not in fleet.query.cancel_query(QueryId=first["QueryId"])
    waiting.join(timeout=20)
    assert failures[0] in (
        "The query was cancelled",
        "Unable to poll results for a cancelled query",
    )
    assert "CancellationMessage" in fleet.query.cancel_query(QueryId=first["QueryId"])
    with pytest.raises(fleet.query.exceptions.ConflictException):
        fleet.query.query(QueryString=ENDLESS, NextToken=first["NextToken"])


def test_cancelling_a_query_that_never_was_is_refused(fleet: Endpoint) -> None:
    with pytest.raises(fleet.query.exceptions.ValidationException, match="no query"):
        fleet.query.cancel_query(QueryId="NEVER")


def test_preparing_tells_columns_and_the_types_of_parameters(fleet: Endpoint) -> None:
    prepared = fleet.query.prepare_query(
        QueryString="SELECT host AS h, cpu, cpu * 2 FROM fleet.multi"
        " WHERE time > @from AND host = @host AND cpu BETWEEN @low AND 5 AND jobs IN (@jobs, 1)",
        ValidateOnly=True,
    )
    table = {"DatabaseName": "fleet", "TableName": "multi"}
    assert prepared["Columns"] == [
        {"Name": "h", "Type": {"ScalarType": "VARCHAR"}, "Aliased": True, **table},
        {"Name": "cpu", "Type": {"ScalarType": "DOUBLE"}, "Aliased": False, **table},
        {"Name": "_col2", "Type": {"ScalarType": "DOUBLE"}, "Aliased": False},
    ]
    assert {part["Name"]: part["Type"]["ScalarType"] for part in prepared["Parameters"]} == {
        "from": "TIMESTAMP",
        "host": "VARCHAR",
        "low": "DOUBLE",
        "jobs": "BIGINT",
    }


def test_preparing_only_validates_by_default(fleet: Endpoint) -> None:
    prepared = fleet.query.prepare_query(QueryString="SELECT 1 AS n")
    assert [column["Name"] for column in prepared["Columns"]] == ["n"]


@pytest.mark.parametrize(
    ("query", "validate", "reason"),
    [
        ("SELECT 1", False, "ValidateOnly"),
        ("SELECT nope FROM fleet.multi", True, "does not exist"),
        ("SELECT host FROM fleet.multi GROUP BY region", True, "GROUP BY"),
    ],
)
def test_preparing_refuses_what_could_not_run(
    fleet: Endpoint, query: str, validate: bool, reason: str
) -> None:
    with pytest.raises(fleet.query.exceptions.ValidationException, match=reason):
        fleet.query.prepare_query(QueryString=query, ValidateOnly=validate)


def test_columns_tell_their_types_in_the_service_s_words(fleet: Endpoint) -> None:
    answer = fleet.query.query(
        QueryString="SELECT 1 AS i, count(*) AS n, 1.5 AS d, 'x' AS v, true AS b, min(time) AS t,"
        " DATE '2024-01-01' AS day, TIME '10:00:00' AS clock, 1d AS ds, 1mo AS ym, null AS u,"
        " ARRAY[1] AS a, CAST(row(1, 'x') AS row(k bigint, l varchar)) AS r,"
        " create_time_series(time, jobs) AS s FROM fleet.multi WHERE host = 'a'"
    )
    kinds = {column["Name"]: column["Type"] for column in answer["ColumnInfo"]}
    scalars = {"i": "INTEGER", "n": "BIGINT", "d": "DOUBLE", "v": "VARCHAR", "b": "BOOLEAN"}
    scalars |= {"t": "TIMESTAMP", "day": "DATE", "clock": "TIME", "u": "UNKNOWN"}
    scalars |= {"ds": "INTERVAL_DAY_TO_SECOND", "ym": "INTERVAL_YEAR_TO_MONTH"}
    assert {name: kinds[name]["ScalarType"] for name in scalars} == scalars
    assert kinds["a"] == {"ArrayColumnInfo": {"Type": {"ScalarType": "INTEGER"}}}
    assert kinds["r"] == {
        "RowColumnInfo": [
            {"Name": "k", "Type": {"ScalarType": "BIGINT"}},
            {"Name": "l", "Type": {"ScalarType": "VARCHAR"}},
        ]
    }
    assert kinds["s"] == {"TimeSeriesMeasureValueColumnInfo": {"Type": {"ScalarType": "BIGINT"}}}
    assert answer["QueryStatus"]["ProgressPercentage"] == 100.0
    assert answer["QueryStatus"]["CumulativeBytesMetered"] >= 10_000_000


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"MaxRows": 1001}, "Value '1001' at 'maxRows' failed to satisfy constraint: Member must"),
        ({"MaxRows": 0}, "Value '0' at 'maxRows' failed to satisfy constraint: Member must have"),
        ({"ClientToken": "short"}, "Value 'short' at 'clientToken' failed to satisfy constraint"),
        ({"QueryString": "SELECT '" + "x" * 262_144 + "'"}, "Value at 'queryString' failed to"),
        ({"QueryString": ""}, "Value '' at 'queryString' failed to satisfy constraint: Member"),
        ({"QueryString": None}, "Value null at 'queryString' failed to satisfy constraint: Member"),
    ],
)
def test_parameters_outside_of_their_bounds_are_refused(
    fleet: Endpoint, request_: dict[str, Any], problem: str
) -> None:
    message = refusal(fleet, **{"QueryString": "SELECT 1"} | request_)
    assert message.startswith(f"1 validation error detected: {problem}")


def test_a_missing_member_is_reported_like_null(fleet: Endpoint) -> None:
    assert refusal(fleet) == (
        "1 validation error detected: Value null at 'queryString' failed to satisfy constraint:"
        " Member must not be null"
    )


@pytest.mark.parametrize("request_", [{"MaxRows": "5"}, {"QueryString": ["x"]}])
def test_parameters_of_a_wrong_type_are_refused(fleet: Endpoint, request_: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="SerializationException"):
        fleet.query.query(**{"QueryString": "SELECT 1"} | request_)


def test_many_queries_run_at_the_same_time(fleet: Endpoint) -> None:
    def count(host: str) -> str:
        query = f"SELECT count(*) FROM fleet.multi WHERE host = '{host}'"
        return str(rows(fleet.query.query(QueryString=query))[0][0])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(count, ["a", "b"] * 20)) == {"2"}


def test_awswrangler_reads_the_right_types(fleet: Endpoint) -> None:
    wr.config.timestream_query_endpoint_url = fleet.url
    session = boto3.Session("local", "local", region_name="us-east-1")
    frame = wr.timestream.query(
        "SELECT host, time, cpu, jobs, up, DATE '2024-01-01' AS day FROM fleet.multi"
        " WHERE host = 'a' ORDER BY time",
        boto3_session=session,
        pagination_config={"PageSize": 1},
    )
    assert list(frame["host"]) == ["a", "a"]
    assert frame["host"].dtype == "string"
    assert pd.api.types.is_datetime64_any_dtype(frame["time"])
    assert frame["time"][1] == pd.Timestamp("2024-01-01 00:01:00")
    assert frame["cpu"].dtype == "float64"
    assert list(frame["cpu"]) == [10.5, 11.5]
    assert frame["jobs"].dtype == "int64"
    assert frame["up"].dtype == "bool"
    assert str(frame["day"][0]) == "2024-01-01"


@pytest.mark.parametrize("query", ["SELECT 1", "SHOW DATABASES", "SELECT host FROM fleet.multi"])
def test_a_failure_of_the_server_is_not_said_to_be_the_querys(
    fleet: Endpoint, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    def fail(*_: object) -> None:
        raise pa.ArrowInvalid("a mistake in the server")

    with monkeypatch.context() as patched:
        patched.setattr("fleetstream.emulator.api.query_execution.JsonRows", fail)
        message = error_message(
            "InternalServerException", 500, fleet.query.query, QueryString=query
        )
    assert message == "The request could not be processed."
    assert fleet.query.query(QueryString=query)["Rows"]


def refusal(fleet: Endpoint, **request: Any) -> str:
    """The message of the ValidationException that a request must get."""
    with pytest.raises(fleet.query.exceptions.ValidationException) as caught:
        fleet.query.query(**request)
    return str(caught.value.response["Error"]["Message"])
