"""The context managers, without pytest's fixtures."""

import os

import boto3
import pytest

from fleetstream import LocalTimestream
from fleetstream.testing import local_timestream, timestream_database


def databases(url: str) -> list[str]:
    write = boto3.client(
        "timestream-write", "us-east-1", endpoint_url=url,
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip
    return [each["DatabaseName"] for each in write.list_databases()["Databases"]]


def test_code_under_test_reaches_the_server_without_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    before = dict(os.environ)
    with local_timestream() as timestream:
        write, query = boto3.client("timestream-write"), boto3.client("timestream-query")
        write.create_table(DatabaseName=timestream.name, TableName="hosts")
        rows = query.query(QueryString=f'SHOW TABLES FROM "{timestream.name}"')["Rows"]
        assert rows == [{"Data": [{"ScalarValue": "hosts"}]}]
        assert "AWS_PROFILE" not in os.environ
    assert dict(os.environ) == before


def test_a_failing_test_leaves_nothing() -> None:
    def use(server: LocalTimestream) -> None:
        with timestream_database(server) as timestream:
            timestream.write.create_table(DatabaseName=timestream.name, TableName="hosts")
            timestream.write.create_database(DatabaseName="another")
            raise KeyError

    before = dict(os.environ)
    with LocalTimestream() as server:
        with timestream_database(server) as kept, pytest.raises(KeyError):
            use(server)
        assert databases(server.url) == []
        assert kept.url == server.url
    assert dict(os.environ) == before


def test_databases_from_before_are_kept() -> None:
    with LocalTimestream() as server, timestream_database(server) as first:
        with timestream_database(server) as second:
            assert sorted(databases(server.url)) == sorted([first.name, second.name])
        assert databases(server.url) == [first.name]


def test_options_are_those_of_the_server() -> None:
    with (
        local_timestream(faults={"throttle": 1}) as timestream,
        pytest.raises(timestream.query.exceptions.ThrottlingException),
    ):
        timestream.query.query(QueryString="SELECT 1")


def test_records_that_are_not_stored_are_an_error() -> None:
    with (
        local_timestream(faults={"reject": 1}) as timestream,
        pytest.raises(RuntimeError, match="260 records were not stored"),
    ):
        timestream.telemetry(autostop=1, record_model="single", include_region="eu-central-1")
