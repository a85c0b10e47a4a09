"""awswrangler as a second client."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import awswrangler as wr
import boto3
import pandas as pd
import pytest

from tests.emulator.endpoint import Endpoint


@pytest.fixture
def session(endpoint: Endpoint) -> Iterator[boto3.Session]:
    """A session whose calls go to the server."""
    # It would take Ray, just because that is installed.
    wr.engine.set("PYTHON")
    wr.config.timestream_write_endpoint_url = endpoint.url
    wr.config.timestream_query_endpoint_url = endpoint.url
    yield boto3.Session("local", "local", region_name="us-east-1")
    wr.config.reset("timestream_write_endpoint_url")
    wr.config.reset("timestream_query_endpoint_url")


def frame() -> pd.DataFrame:
    """Three records of two hosts, with values of three types."""
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(minutes=5)
    return pd.DataFrame(
        {
            "time": [start + timedelta(seconds=second) for second in (0, 0, 1)],
            "host": ["a", "b", "a"],
            "region": ["eu", "us", "eu"],
            "load": [1.5, 2.5, 3.5],
            "count": [1, 2, 3],
            "state": ["up", "down", "up"],
        }
    )


def test_a_frame_comes_back_as_it_was_written(session: boto3.Session) -> None:
    wr.timestream.create_database("frames", boto3_session=session)
    wr.timestream.create_table(
        "frames", "servers", memory_retention_hours=1, magnetic_retention_days=1,
        boto3_session=session,
    )  # fmt: skip
    assert "frames" in wr.timestream.list_databases(boto3_session=session)
    assert wr.timestream.list_tables("frames", boto3_session=session) == ["servers"]
    written = frame()
    rejected = wr.timestream.write(
        written, "frames", "servers", time_col="time", dimensions_cols=["host", "region"],
        measure_col=["load", "count", "state"], measure_name="status", boto3_session=session,
    )  # fmt: skip
    assert rejected == []
    read = wr.timestream.query(
        'SELECT time, host, region, load, "count", state FROM "frames"."servers"'
        " ORDER BY time, host",
        boto3_session=session,
    )
    expected = written.sort_values(["time", "host"], ignore_index=True)
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)


def test_rejections_are_returned(session: boto3.Session) -> None:
    wr.timestream.create_database("rejections", boto3_session=session)
    wr.timestream.create_table(
        "rejections", "servers", memory_retention_hours=1, magnetic_retention_days=1,
        boto3_session=session,
    )  # fmt: skip
    written = frame()
    written.loc[1, "time"] -= timedelta(days=1)
    rejected = wr.timestream.write(
        written, "rejections", "servers", time_col="time", measure_col="load",
        dimensions_cols=["host"], boto3_session=session,
    )  # fmt: skip
    assert [rejection["RecordIndex"] for rejection in rejected] == [1]
    assert "outside the time range" in rejected[0]["Reason"]
    found = wr.timestream.query(
        'SELECT count(*) AS rows FROM "rejections"."servers"', boto3_session=session
    )
    assert found["rows"].to_list() == [2]


def test_tables_and_databases_are_deleted(session: boto3.Session) -> None:
    wr.timestream.create_database("deleted-frames", boto3_session=session)
    wr.timestream.create_table(
        "deleted-frames", "servers", memory_retention_hours=1, magnetic_retention_days=1,
        boto3_session=session,
    )  # fmt: skip
    wr.timestream.delete_table("deleted-frames", "servers", boto3_session=session)
    wr.timestream.delete_database("deleted-frames", boto3_session=session)
    assert "deleted-frames" not in wr.timestream.list_databases(boto3_session=session)
