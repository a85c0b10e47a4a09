"""Scheduled queries: on demand, on schedule by a clock that is set, and their reports."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.emulator import LocalTimestream
from fleetstream.emulator.scheduled.run import ScheduledQueryRunner
from fleetstream.emulator.scheduled.schedule import read_schedule
from fleetstream.emulator.scheduled.scheduled_runtime import with_runtime
from tests.emulator.conftest import DATABASE, Table, dimensions, error_message, make_table, record
from tests.emulator.endpoint import Endpoint

START = datetime(2026, 11, 1, 12, 0, 30, tzinfo=UTC)
ROLE = "arn:aws:iam::000000000000:role/any"
TOPIC = "arn:aws:sns:us-east-1:000000000000:any"


class Scheduling:
    """A local Timestream whose clock starts at START, with a source and a target table."""

    def __init__(self, server: LocalTimestream, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.endpoint = Endpoint(server.url)
        self.query = self.endpoint.query
        self.server.clock.set(START)
        late = {"MagneticStoreWriteProperties": {"EnableMagneticStoreWrites": True}}
        self.source = make_table(self.endpoint, **late)
        self.target = make_table(self.endpoint, **late)
        for second in (0, 10, 20):
            for host in ("a", "b"):
                self.source.write(
                    record(
                        str(second),
                        Dimensions=dimensions(host=host),
                        Time=str(int((START + timedelta(seconds=second)).timestamp() * 1000)),
                    )
                )

    @property
    def mean(self) -> str:
        """A query for the mean of each host, at the time of the run."""
        return (
            'SELECT @scheduled_runtime AS at, host, avg("measure_value::double") AS mean,'
            f" count(*) AS n FROM {DATABASE}.{self.source.name} GROUP BY host"
        )

    def mapping(self, **members: Any) -> dict[str, Any]:
        configuration = {
            **self.target.names,
            "TimeColumn": "at",
            "DimensionMappings": [{"Name": "host", "DimensionValueType": "VARCHAR"}],
            "MultiMeasureMappings": {
                "TargetMultiMeasureName": "load",
                "MultiMeasureAttributeMappings": [
                    {"SourceColumn": "mean", "MeasureValueType": "DOUBLE"},
                    {
                        "SourceColumn": "n",
                        "MeasureValueType": "BIGINT",
                        "TargetMultiMeasureAttributeName": "samples",
                    },
                ],
            },
        } | members
        present = {name: value for name, value in configuration.items() if value is not None}
        return {"TimestreamConfiguration": present}

    def create(self, schedule: str = "rate(1 hour)", **members: Any) -> str:
        request = {
            "Name": f"query-{self.target.name}",
            "QueryString": self.mean,
            "ScheduleConfiguration": {"ScheduleExpression": schedule},
            "NotificationConfiguration": {"SnsConfiguration": {"TopicArn": TOPIC}},
            "TargetConfiguration": self.mapping(),
            "ScheduledQueryExecutionRoleArn": ROLE,
            "ErrorReportConfiguration": {
                "S3Configuration": {"BucketName": "reports", "ObjectKeyPrefix": "errors"}
            },
        } | members
        arn: str = self.query.create_scheduled_query(**request)["Arn"]
        return arn

    def execute(self, arn: str, time: datetime) -> dict[str, Any]:
        self.query.execute_scheduled_query(ScheduledQueryArn=arn, InvocationTime=time)
        return self.describe(arn)["LastRunSummary"]

    def describe(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.query.describe_scheduled_query(ScheduledQueryArn=arn)
        return found["ScheduledQuery"]

    def times(self) -> list[str]:
        """The times of the target's records, without their fractions."""
        rows = self.target.rows("DISTINCT time", "WHERE measure_name = 'load' ORDER BY time")
        return [str(time)[:19] for (time,) in rows]

    def error(self, **members: Any) -> str:
        return error_message("ValidationException", 400, self.create, **members)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalTimestream, Path]]:
    folder = tmp_path_factory.mktemp("s3")
    with LocalTimestream(s3=folder) as timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        yield timestream, folder


@pytest.fixture
def scheduling(server: tuple[LocalTimestream, Path]) -> Iterator[Scheduling]:
    scheduling = Scheduling(*server)
    yield scheduling
    for each in scheduling.query.list_scheduled_queries()["ScheduledQueries"]:
        scheduling.query.delete_scheduled_query(ScheduledQueryArn=each["Arn"])


def test_a_run_on_demand_writes_its_result(scheduling: Scheduling) -> None:
    arn = scheduling.create()
    run = scheduling.execute(arn, START)
    assert run["RunStatus"] == "MANUAL_TRIGGER_SUCCESS"
    assert run["InvocationTime"] == START
    assert run["ExecutionStats"]["RecordsIngested"] == 2
    assert run["ExecutionStats"]["QueryResultRows"] == 2
    assert scheduling.target.rows("time, host, measure_name, mean, samples", "ORDER BY host") == [
        ["2026-11-01 12:00:30.000000000", "a", "load", "10.0", "3"],
        ["2026-11-01 12:00:30.000000000", "b", "load", "10.0", "3"],
    ]


def test_later_runs_for_the_same_time_replace_the_results(scheduling: Scheduling) -> None:
    arn = scheduling.create()
    scheduling.execute(arn, START)
    scheduling.source.write(record("40", Time=str(int(START.timestamp() * 1000 + 30_000))))
    scheduling.server.clock.advance(timedelta(seconds=1))
    assert scheduling.execute(arn, START)["RunStatus"] == "MANUAL_TRIGGER_SUCCESS"
    assert scheduling.target.rows("host, mean", "ORDER BY host") == [["a", "17.5"], ["b", "10.0"]]


def test_a_rate_runs_the_query_as_often_as_time_passes(scheduling: Scheduling) -> None:
    arn = scheduling.create("rate(1 hour)")
    scheduling.server.clock.advance(timedelta(minutes=59))
    assert scheduling.times() == []
    scheduling.server.clock.advance(timedelta(minutes=2))
    assert scheduling.times() == ["2026-11-01 13:00:30"]
    scheduling.server.clock.advance(timedelta(hours=3))
    assert [time[11:13] for time in scheduling.times()] == ["13", "14", "15", "16"]
    described = scheduling.describe(arn)
    assert described["State"] == "ENABLED"
    assert described["PreviousInvocationTime"].replace(microsecond=0).hour == 16
    assert described["NextInvocationTime"] - described["PreviousInvocationTime"] == timedelta(
        hours=1
    )
    assert described["LastRunSummary"]["RunStatus"] == "AUTO_TRIGGER_SUCCESS"
    scheduling.server.clock.set(START)
    assert scheduling.describe(arn)["NextInvocationTime"].hour == 13


def test_a_cron_expression_is_in_utc(scheduling: Scheduling) -> None:
    scheduling.create("cron(0/30 8-9 ? * MON-FRI *)")
    scheduling.server.clock.set(datetime(2026, 11, 3, 9, 15, tzinfo=UTC))
    assert scheduling.times() == [
        f"2026-11-0{day} {hour}:00"
        for day, hour in (
            (2, "08:00"), (2, "08:30"), (2, "09:00"), (2, "09:30"),
            (3, "08:00"), (3, "08:30"), (3, "09:00"),
        )
    ]  # fmt: skip


def test_a_disabled_query_is_not_run(scheduling: Scheduling) -> None:
    arn = scheduling.create()
    scheduling.query.update_scheduled_query(ScheduledQueryArn=arn, State="DISABLED")
    assert "NextInvocationTime" not in scheduling.describe(arn)
    scheduling.server.clock.advance(timedelta(hours=5))
    assert scheduling.times() == []
    scheduling.query.update_scheduled_query(ScheduledQueryArn=arn, State="ENABLED")
    scheduling.server.clock.advance(timedelta(hours=1))
    assert len(scheduling.times()) == 1


def test_real_time_runs_queries_too(scheduling: Scheduling) -> None:
    """The clock stops shortly before the run is due, and goes on by itself."""
    arn = scheduling.create("rate(1 minute)")
    due = scheduling.describe(arn)["NextInvocationTime"]
    scheduling.server.clock.set(due - timedelta(milliseconds=300))
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while not scheduling.times() and datetime.now(UTC) < deadline:
        pass
    assert len(scheduling.times()) == 1


def test_measure_names_select_mappings(scheduling: Scheduling) -> None:
    text = """SELECT @scheduled_runtime AS at, host, measure, d, flag, t
        FROM (VALUES ('a', 'load', 1.5, true, 'x'), ('a', 'state', 2.5, false, 'y'),
        ('a', 'other', 3.5, true, 'z'), ('b', 'both', 4.5, false, null),
        ('c', 'load', null, true, 'x')) AS v (host, measure, d, flag, t)"""
    attributes = [
        {"SourceColumn": "flag", "MeasureValueType": "BOOLEAN"},
        {"SourceColumn": "t", "MeasureValueType": "VARCHAR"},
        {
            "SourceColumn": "at", "MeasureValueType": "TIMESTAMP",
            "TargetMultiMeasureAttributeName": "seen",
        },
    ]  # fmt: skip
    target = scheduling.mapping(
        MultiMeasureMappings=None,
        MeasureNameColumn="measure",
        MixedMeasureMappings=[
            {"MeasureName": "load", "SourceColumn": "d", "MeasureValueType": "DOUBLE"},
            {
                "MeasureName": "state", "SourceColumn": "flag", "MeasureValueType": "BOOLEAN",
                "TargetMeasureName": "up",
            },
            {
                "MeasureName": "both", "MeasureValueType": "MULTI",
                "MultiMeasureAttributeMappings": attributes,
            },
        ],
    )  # fmt: skip
    arn = scheduling.create(QueryString=text, TargetConfiguration=target)
    assert scheduling.execute(arn, START)["RunStatus"] == "MANUAL_TRIGGER_SUCCESS"
    columns = 'host, measure_name, "measure_value::double", "measure_value::boolean", flag, seen'
    assert scheduling.target.rows(columns, "ORDER BY measure_name") == [
        ["b", "both", None, None, "false", "2026-11-01 12:00:30.000000000"],
        ["a", "load", "1.5", None, None, None],
        ["a", "up", None, "false", None, None],
    ]


def test_rejected_records_are_reported(scheduling: Scheduling) -> None:
    text = """SELECT
        CASE host WHEN 'a' THEN @scheduled_runtime ELSE timestamp '1970-01-01' END AS at, host,
        1e0 AS mean, 1 AS n FROM (VALUES 'a', 'b', 'c') AS v (host)"""
    arn = scheduling.create(QueryString=text)
    run = scheduling.execute(arn, START)
    assert run["RunStatus"] == "MANUAL_TRIGGER_SUCCESS"
    write = scheduling.endpoint.write
    write.update_table(
        **scheduling.target.names,
        MagneticStoreWriteProperties={"EnableMagneticStoreWrites": False},
    )
    scheduling.server.clock.advance(timedelta(hours=1))
    described = scheduling.describe(arn)
    run = described["LastRunSummary"]
    assert run["RunStatus"] == "AUTO_TRIGGER_FAILURE"
    assert run["ExecutionStats"]["RecordsIngested"] == 1
    assert described["RecentlyFailedRuns"] == [run]
    assert described["State"] == "ENABLED"
    location = run["ErrorReportLocation"]["S3ReportLocation"]
    assert location["BucketName"] == "reports"
    identity = arn.rpartition("/")[2]
    assert location["ObjectKey"].startswith(f"errors/{identity}/2026-11-01T13:00:30Z/Auto/2026-")
    report = json.loads((scheduling.folder / "reports" / location["ObjectKey"]).read_text())
    (error,) = report["errors"]
    assert "outside the time range" in error["reason"]
    assert [each["dimensions"] for each in error["records"]] == [
        [{"name": "host", "value": host}] for host in ("b", "c")
    ]
    assert scheduling.execute(arn, START)["RunStatus"] == "MANUAL_TRIGGER_FAILURE"
    assert len(scheduling.describe(arn)["RecentlyFailedRuns"]) == 2


def test_a_record_that_is_invalid_alone_rejects_no_other(scheduling: Scheduling) -> None:
    text = """SELECT CASE host WHEN 'a' THEN @scheduled_runtime END AS at, host, 1e0 AS mean, 1 AS n
        FROM (VALUES 'a', 'b') AS v (host)"""
    run = scheduling.execute(scheduling.create(QueryString=text), START)
    assert run["ExecutionStats"]["RecordsIngested"] == 1
    key = run["ErrorReportLocation"]["S3ReportLocation"]["ObjectKey"]
    (error,) = json.loads((scheduling.folder / "reports" / key).read_text())["errors"]
    assert error["reason"] == "Invalid time for record."


def test_a_query_that_fails_is_disabled(scheduling: Scheduling) -> None:
    text = f"{scheduling.mean} HAVING count(*) / (3 - count(*)) > 0"
    arn = scheduling.create(QueryString=text)
    scheduling.server.clock.advance(timedelta(hours=2))
    described = scheduling.describe(arn)
    assert described["State"] == "DISABLED"
    assert described["LastRunSummary"]["RunStatus"] == "AUTO_TRIGGER_FAILURE"
    assert described["LastRunSummary"]["FailureReason"] == "Division by zero"
    assert "ErrorReportLocation" not in described["LastRunSummary"]
    assert len(described["RecentlyFailedRuns"]) == 1


def test_a_run_is_stopped_at_the_query_timeout(tmp_path: Path) -> None:
    """Like one without enough memory, it does not disable the query."""
    numbers = "UNNEST(sequence(1, 10000))"
    endless = (
        f"SELECT now() AS at, 'a' AS host, count(*) AS n, 1e0 AS mean FROM {numbers} AS a(x)"
        f" CROSS JOIN {numbers} AS b(y) CROSS JOIN {numbers} AS c(z) WHERE x * y * z = -1"
    )
    with LocalTimestream(query_timeout=0.5) as server:
        Endpoint(server.url).write.create_database(DatabaseName=DATABASE)
        scheduling = Scheduling(server, tmp_path)
        arn = scheduling.create(QueryString=endless)
        began = time.monotonic()
        run = scheduling.execute(arn, START)
        assert time.monotonic() - began < 30
        assert run["RunStatus"] == "MANUAL_TRIGGER_FAILURE"
        assert run["FailureReason"].startswith("The query took longer than 0.5 s")
        assert run["ExecutionStats"]["RecordsIngested"] == 0
        assert scheduling.describe(arn)["State"] == "ENABLED"


def test_a_target_that_was_deleted_disables_the_query(scheduling: Scheduling) -> None:
    arn = scheduling.create()
    scheduling.endpoint.write.delete_table(**scheduling.target.names)
    run = scheduling.execute(arn, START)
    assert run["RunStatus"] == "MANUAL_TRIGGER_FAILURE"
    assert "does not exist" in run["FailureReason"]
    assert scheduling.describe(arn)["State"] == "DISABLED"


def test_large_results_are_written_whole(scheduling: Scheduling) -> None:
    text = """SELECT @scheduled_runtime AS at, cast(n AS varchar) AS host, 1e0 AS mean, n
        FROM UNNEST(sequence(1, 2345)) AS v (n)"""
    run = scheduling.execute(scheduling.create(QueryString=text), START)
    assert run["ExecutionStats"]["RecordsIngested"] == 2345
    assert scheduling.target.rows("count(*), sum(samples)") == [["2345", str(2345 * 2346 // 2)]]


def test_queries_are_described_listed_tagged_and_deleted(scheduling: Scheduling) -> None:
    arns = [
        scheduling.create(Name=f"query-{number}", Tags=[{"Key": "team", "Value": "x"}])
        for number in range(3)
    ]
    described = scheduling.describe(arns[0])
    assert described["Name"] == "query-0"
    assert described["QueryString"] == scheduling.mean
    assert described["TargetConfiguration"] == scheduling.mapping()
    assert described["ScheduledQueryExecutionRoleArn"] == ROLE
    listed = scheduling.query.list_scheduled_queries(MaxResults=2)
    rest = scheduling.query.list_scheduled_queries(NextToken=listed["NextToken"])
    found = listed["ScheduledQueries"] + rest["ScheduledQueries"]
    assert sorted(each["Arn"] for each in found) == sorted(arns)
    assert found[0]["TargetDestination"]["TimestreamDestination"] == scheduling.target.names
    tags = scheduling.query.list_tags_for_resource(ResourceARN=arns[1])["Tags"]
    assert tags == [{"Key": "team", "Value": "x"}]
    scheduling.query.delete_scheduled_query(ScheduledQueryArn=arns[1])
    for call in (
        scheduling.query.describe_scheduled_query,
        scheduling.query.delete_scheduled_query,
        lambda **names: scheduling.query.update_scheduled_query(State="ENABLED", **names),
        lambda **names: scheduling.query.execute_scheduled_query(InvocationTime=START, **names),
        lambda ScheduledQueryArn: scheduling.query.list_tags_for_resource(  # noqa: N803
            ResourceARN=ScheduledQueryArn
        ),
    ):
        error_message("ResourceNotFoundException", 404, call, ScheduledQueryArn=arns[1])


def test_creating_twice(scheduling: Scheduling) -> None:
    arn = scheduling.create(ClientToken="t" * 32)
    assert scheduling.create(ClientToken="t" * 32) == arn
    error_message("ConflictException", 409, scheduling.create)
    error_message(
        "ConflictException", 409, scheduling.create, "rate(2 hours)", ClientToken="t" * 32
    )


def test_queries_survive_a_restart(tmp_path: Path) -> None:
    timestream = LocalTimestream(tmp_path / "store")
    with timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        scheduling = Scheduling(timestream, tmp_path)
        arn = scheduling.create()
        scheduling.execute(arn, START)
        before = scheduling.describe(arn)
    with timestream:
        scheduling.query = Endpoint(timestream.url).query
        scheduling.target = Table(Endpoint(timestream.url), scheduling.target.name)
        after = scheduling.describe(arn)
        assert after["LastRunSummary"] == before["LastRunSummary"]
        assert after["TargetConfiguration"] == before["TargetConfiguration"]
        timestream.clock.advance(timedelta(hours=1))
        assert len(scheduling.times()) == 2


def test_the_end_of_the_server_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = threading.Event()
    batches = ScheduledQueryRunner._batches

    def announced(*arguments: Any) -> Any:
        running.set()
        return batches(*arguments)

    monkeypatch.setattr(ScheduledQueryRunner, "_batches", announced)
    timestream = LocalTimestream(tmp_path / "store")
    with timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        scheduling = Scheduling(timestream, tmp_path)
        text = """SELECT @scheduled_runtime AS at, 'a' AS host, avg(sqrt(a.x + b.x)) AS mean,
            count(*) AS n FROM UNNEST(sequence(1, 9999)) AS a (x),
            UNNEST(sequence(1, 9999)) AS b (x), UNNEST(sequence(1, 9999)) AS c (x)"""
        arn = scheduling.create("rate(1 minute)", QueryString=text)
        due = scheduling.describe(arn)["NextInvocationTime"]
        timestream.clock.set(due - timedelta(milliseconds=1))
        assert running.wait(20)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    with timestream:
        query = Endpoint(timestream.url).query
        (listed,) = query.list_scheduled_queries()["ScheduledQueries"]
    assert listed["State"] == "ENABLED"
    assert "LastRunStatus" not in listed


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"schedule": "rate(0 minutes)"}, "'rate(0 minutes)' is not valid"),
        ({"schedule": "every hour"}, "write it as rate(5 minutes)"),
        ({"schedule": "cron(0 12 * * *)"}, "6 required, 5 provided"),
        ({"schedule": "cron(61 12 * * ? *)"}, "Invalid minute value '61'"),
        ({"QueryString": "SELECT x"}, "Column 'x' does not exist"),
        ({"QueryString": "SHOW DATABASES"}, "must be SELECT or WITH"),
        ({"QueryString": "SELECT 'a' AS host"}, "The query has no column at"),
        ({"Name": "a b"}, "Value 'a b' at 'name' failed to satisfy constraint"),
        ({"ClientToken": "short"}, "Value 'short' at 'clientToken' failed to"),
        ({"ErrorReportConfiguration": {"S3Configuration": {"BucketName": "A"}}}, "bucketName"),
    ],
)
def test_invalid_queries(scheduling: Scheduling, members: dict[str, Any], message: str) -> None:
    assert message in scheduling.error(**members)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"TimeColumn": "mean"}, "The column mean has the type double, and can't be mapped to"),
        ({"TimeColumn": "nothing"}, "The query has no column nothing"),
        (
            {"MultiMeasureMappings": None},
            "Either MultiMeasureMappings or MixedMeasureMappings are required",
        ),
        (
            {"MixedMeasureMappings": [{"SourceColumn": "n", "MeasureValueType": "BIGINT"}]},
            "Either MultiMeasureMappings or MixedMeasureMappings are required",
        ),
        (
            {
                "MultiMeasureMappings": None,
                "MixedMeasureMappings": [{"MeasureValueType": "DOUBLE"}],
            },
            "needs a SourceColumn",
        ),
        (
            {
                "MultiMeasureMappings": {
                    "MultiMeasureAttributeMappings": [
                        {"SourceColumn": "n", "MeasureValueType": "BIGINT"}
                    ]
                }
            },
            "need a TargetMultiMeasureName",
        ),
        (
            {
                "MultiMeasureMappings": None,
                "MeasureNameColumn": "host",
                "MixedMeasureMappings": [{"SourceColumn": "n", "MeasureValueType": "BIGINT"}],
            },
            "needs a MeasureName",
        ),
    ],
)
def test_invalid_mappings(scheduling: Scheduling, mapping: dict[str, Any], message: str) -> None:
    assert message in scheduling.error(TargetConfiguration=scheduling.mapping(**mapping))


def test_an_unknown_target_is_refused(scheduling: Scheduling) -> None:
    target = scheduling.mapping(TableName="nothing")
    with pytest.raises(ClientError, match="The table nothing does not exist"):
        scheduling.create(TargetConfiguration=target)


def test_the_runtime_is_replaced_outside_of_texts() -> None:
    text = "SELECT '@scheduled_runtime', @scheduled_runtime, bin(@SCHEDULED_RUNTIME, 1h) -- @x"
    assert with_runtime(text, START) == (
        "SELECT '@scheduled_runtime', TIMESTAMP '2026-11-01 12:00:30.000000',"
        " bin(TIMESTAMP '2026-11-01 12:00:30.000000', 1h) -- @x"
    )


@given(
    expression=st.one_of(
        st.builds("rate({} {})".format, st.integers(1, 1000), st.sampled_from(["minutes", "days"])),
        st.builds("cron({} {} * * ? *)".format, st.integers(0, 59), st.integers(0, 23)),
        st.sampled_from(["cron(0/7 * L * ? *)", "cron(5,9 1 ? 1-3 MON#2 *)"]),
    ),
    time=st.datetimes(datetime(2026, 11, 2), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_schedules_are_the_same_forwards_and_backwards(expression: str, time: datetime) -> None:
    schedule = read_schedule(expression, START)
    following = schedule.next_after(time)
    assert following is not None
    assert following > time
    assert schedule.last_until(following) == following
    before = schedule.last_until(following - timedelta(microseconds=1))
    assert before is None or (before <= time and schedule.next_after(before) == following)
