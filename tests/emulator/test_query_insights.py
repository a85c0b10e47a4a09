"""QueryInsights: what a query says about the tables that it reads, and about its result."""

from pathlib import Path
from typing import Any

import pytest

from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, error_message, make_table, now, record
from tests.emulator.endpoint import Endpoint

ENABLED = {"Mode": "ENABLED_WITH_RATE_CONTROL"}
MINUTE = 60 * 10**9


def insights(endpoint: Endpoint, text: str, **members: Any) -> dict[str, Any]:
    """The insights into a query, from its last page."""
    pages = endpoint.query.get_paginator("query").paginate(
        QueryString=text, QueryInsights=ENABLED, **members
    )
    *before, last = pages
    assert not any("QueryInsightsResponse" in page for page in before)
    found: dict[str, Any] = last["QueryInsightsResponse"]
    return found


def duration(endpoint: Endpoint, text: str) -> int:
    """The largest time range that is read of one table."""
    value: int = insights(endpoint, text)["QueryTemporalRange"]["Max"]["Value"]
    return value


def test_a_query_without_tables(fleet: Endpoint) -> None:
    text = "SELECT x FROM UNNEST(sequence(1, 5)) AS t(x)"
    found = insights(fleet, text, PaginationConfig={"PageSize": 2})
    # The rows of the result are these, with a comma after each.
    row = '{"Data":[{"ScalarValue":"1"}]},'
    assert found == {"QueryTableCount": 0, "OutputRows": 5, "OutputBytes": 5 * len(row)}


def test_without_insights_there_are_none(fleet: Endpoint) -> None:
    assert "QueryInsightsResponse" not in fleet.query.query(QueryString="SELECT 1")
    disabled = fleet.query.query(QueryString="SELECT 1", QueryInsights={"Mode": "DISABLED"})
    assert "QueryInsightsResponse" not in disabled
    message = error_message(
        "ValidationException", 400, fleet.query.query,
        QueryString="SELECT 1", QueryInsights={"Mode": "ALWAYS"},
    )  # fmt: skip
    assert "ALWAYS" in message


@pytest.mark.parametrize(
    ("condition", "minutes"),
    [
        ("time BETWEEN '2024-01-01 00:00:00' AND '2024-01-01 00:30:00'", 30),
        ("time >= '2024-01-01' AND (host = 'a' AND time < timestamp '2024-01-01 02:00:00')", 120),
        ("'2024-01-01 00:10:00' < multi.time AND date '2024-01-02' > fleet.multi.time", 1430),
        ("time = '2024-01-01 00:01:00'", 0),
        ("time > ago(2h) AND time <= now()", 120),
        ("time > ago(2h) AND time > ago(90m) AND time < now() - 30m", 60),
        ("time > now() AND time < ago(1h)", 0),
        ("time < '2024-01-01 01:00:00'", 60),
        # These do not bound the times that have to be read.
        ("time < '2024-01-01 01:00:00' OR host = 'a'", "all"),
        ("bin(time, 1m) < '2024-01-01 01:00:00'", "all"),
        ("time <> '2024-01-01 01:00:00' AND time <= time", "all"),
        ("time < (SELECT min(time) FROM fleet.single)", "all"),
    ],
)
def test_conditions_bound_the_time(fleet: Endpoint, condition: str, minutes: int | str) -> None:
    found = duration(fleet, f"SELECT host FROM fleet.multi WHERE {condition}")
    if minutes == "all":
        since = now() * 10**6 - 1_704_067_200 * 10**9
        assert since - MINUTE < found <= since + MINUTE
    else:
        assert found == int(minutes) * MINUTE


def test_an_invalid_time_is_an_error(fleet: Endpoint) -> None:
    message = error_message(
        "ValidationException", 400, insights, fleet, "SELECT * FROM fleet.multi WHERE time > 'soon'"
    )
    assert "Cannot cast 'soon' to timestamp" in message


def test_the_largest_range_of_several_tables(fleet: Endpoint) -> None:
    hour = "time BETWEEN '2024-01-01 00:00:00' AND '2024-01-01 01:00:00'"
    day = "time BETWEEN '2024-01-01' AND '2024-01-02'"
    found = insights(
        fleet,
        f"WITH s AS (SELECT host FROM fleet.single WHERE {day}) SELECT count(*) FROM fleet.multi"
        f" WHERE {hour} AND host IN (SELECT host FROM s)"
        f" UNION ALL SELECT count(*) FROM fleet.multi WHERE {hour}",
    )
    assert found["QueryTableCount"] == 2
    assert found["OutputRows"] == 2
    longest = found["QueryTemporalRange"]["Max"]
    assert longest["Value"] == 24 * 60 * MINUTE
    assert longest["TableArn"].endswith(":database/fleet/table/single")


def test_a_table_without_records(endpoint: Endpoint) -> None:
    table = make_table(endpoint)
    assert duration(endpoint, f"SELECT time FROM {DATABASE}.{table.name}") == 0


def test_what_was_unloaded(tmp_path: Path) -> None:
    with LocalTimestream(s3=tmp_path) as timestream:
        endpoint = Endpoint(timestream.url)
        endpoint.write.create_database(DatabaseName=DATABASE)
        table = make_table(endpoint)
        table.write(record(), record(Time=str(now() - 1000)))
        select = (
            f"SELECT time, host FROM {DATABASE}.{table.name} WHERE time BETWEEN ago(1h) AND now()"
        )
        found = insights(
            endpoint, f"UNLOAD ({select}) TO 's3://out/' WITH (partitioned_by = ARRAY['host'])"
        )
        size = sum(file.stat().st_size for file in (tmp_path / "out/results").rglob("*.csv.gz"))
    assert found.pop("QueryTemporalRange")["Max"]["Value"] == 60 * MINUTE
    assert found.pop("OutputBytes") > 0
    assert found == {
        "QueryTableCount": 1, "OutputRows": 1, "UnloadPartitionCount": 1, "UnloadWrittenRows": 2,
        "UnloadWrittenBytes": size,
    }  # fmt: skip
