"""Retention, on the clock that tests set: memory store, magnetic store, gone."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, Table, dimensions, make_table, now, record
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import send

HOUR = 3_600_000
COUNT = 'count("measure_value::double")'


@pytest.fixture
def timestream() -> Iterator[LocalTimestream]:
    with LocalTimestream() as server:
        Endpoint(server.url).write.create_database(DatabaseName=DATABASE)
        yield server


def new_table(timestream: LocalTimestream, hours: int, days: int, *, late: bool = True) -> Table:
    return make_table(
        Endpoint(timestream.url),
        RetentionProperties=retention(hours, days),
        MagneticStoreWriteProperties={"EnableMagneticStoreWrites": late},
    )


def retention(hours: int, days: int) -> dict[str, int]:
    return {
        "MemoryStoreRetentionPeriodInHours": hours,
        "MagneticStoreRetentionPeriodInDays": days,
    }


def held(path: Path) -> int:
    """The records in the file of a store that has one table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        ((name,),) = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'points_%'"
        ).fetchall()
        return int(connection.execute(f"SELECT count(*) FROM data.{name}").fetchall()[0][0])


def test_records_go_to_the_magnetic_store_and_then_away(timestream: LocalTimestream) -> None:
    table = new_table(timestream, hours=2, days=1)
    written = record()
    assert table.write(written) == {"Total": 1, "MemoryStore": 1, "MagneticStore": 0}
    timestream.clock.advance(timedelta(hours=3))
    assert table.rows(COUNT) == [["1"]]
    # The same record again would now be in the magnetic store.
    assert table.write(written) == {"Total": 1, "MemoryStore": 0, "MagneticStore": 1}
    timestream.clock.advance(timedelta(hours=20, minutes=59))
    assert table.rows(COUNT) == [["1"]]
    timestream.clock.advance(timedelta(minutes=2))
    assert table.rows(COUNT) == [["0"]]
    (rejection,) = table.rejections(written)
    assert "outside the time range" in rejection["Reason"]


def test_a_long_memory_store_keeps_records_longer_than_a_short_magnetic_store(
    timestream: LocalTimestream,
) -> None:
    table = new_table(timestream, hours=48, days=1)
    table.write(record())
    timestream.clock.advance(timedelta(hours=47))
    assert table.rows(COUNT) == [["1"]]
    timestream.clock.advance(timedelta(hours=2))
    assert table.rows(COUNT) == [["0"]]


def test_what_has_expired_does_not_come_back(timestream: LocalTimestream) -> None:
    table = new_table(timestream, hours=1, days=1)
    table.write(record())
    timestream.clock.advance(timedelta(days=2))
    timestream.clock.reset()
    assert table.rows(COUNT) == [["0"]]
    table.write(record("2.5"))
    assert table.rows('"measure_value::double"') == [["2.5"]]


def test_a_longer_retention_does_not_bring_back_what_has_expired(
    timestream: LocalTimestream,
) -> None:
    table = new_table(timestream, hours=1, days=3)
    table.write(record(Time=str(now() - 60 * HOUR)), record())
    write = table.server.write
    write.update_table(**table.names, RetentionProperties=retention(1, 1))
    assert table.rows(COUNT) == [["1"]]
    write.update_table(**table.names, RetentionProperties=retention(1, 3))
    assert table.rows(COUNT) == [["1"]]


def test_expired_records_are_deleted_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LocalTimestream(path) as server:
        Endpoint(server.url).write.create_database(DatabaseName=DATABASE)
        table = new_table(server, hours=1, days=2)
        table.write(record(Time=str(now() - 30 * HOUR)), record())
    assert held(path) == 2
    with LocalTimestream(path) as server:
        server.clock.advance(timedelta(days=1))
    assert held(path) == 1


def test_series_go_on_after_all_their_records_have_expired(timestream: LocalTimestream) -> None:
    table = new_table(timestream, hours=1, days=1)
    table.write(record("1.5"))
    timestream.clock.advance(timedelta(days=2))
    later = now() + 48 * HOUR
    table.write(record("2.5", Time=str(later)))
    assert table.rejections(record("3.5", Time=str(later)))[0]["ExistingVersion"] == 1
    assert table.rows('host, "measure_value::double"') == [["a", "2.5"]]


@settings(max_examples=15)
@given(
    hours=st.integers(1, 60),
    days=st.integers(1, 4),
    ages=st.sets(st.integers(0, 120), min_size=1, max_size=10),
    steps=st.lists(st.integers(0, 60), max_size=3),
)
def test_exactly_the_records_within_retention_remain(
    server: LocalTimestream,
    late_table: Table,
    hours: int,
    days: int,
    ages: set[int],
    steps: list[int],
) -> None:
    """Records are half an hour older than whole hours, so none is at a boundary."""
    server.clock.reset()
    write = late_table.server.write
    write.delete_table(**late_table.names)
    late = {"EnableMagneticStoreWrites": True}
    write.create_table(**late_table.names, MagneticStoreWriteProperties=late)
    youngest = now() - HOUR // 2
    late_table.write(
        *(
            record(Time=str(youngest - age * HOUR), Dimensions=dimensions(age=str(age)))
            for age in ages
        )
    )
    write.update_table(**late_table.names, RetentionProperties=retention(hours, days))
    passed = 0
    for step in (0, *steps):
        server.clock.advance(timedelta(hours=step))
        passed += step
        found = {int(age or "") for (age,) in late_table.rows("age")}
        assert found == {age for age in ages if age + passed < max(hours, 24 * days)}
    server.clock.reset()


@pytest.fixture(scope="module")
def late_table(server: LocalTimestream) -> Table:
    return new_table(server, hours=1, days=1)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalTimestream]:
    with LocalTimestream() as timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        yield timestream


def put(timestream: LocalTimestream, body: object) -> tuple[int, dict[str, Any]]:
    response = send(timestream.port, "PUT", "/clock", json.dumps(body).encode())
    return response.status, json.loads(response.body)


def clock(timestream: LocalTimestream) -> datetime:
    with urllib.request.urlopen(f"{timestream.url}/clock") as response:
        return datetime.fromisoformat(json.load(response)["time"])


def close(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(minutes=1)


def test_the_clock_is_set_over_http(server: LocalTimestream) -> None:
    table = new_table(server, hours=1, days=1, late=False)
    table.write(record())
    status, answer = put(server, {"advance": "25h"})
    assert status == 200
    later = datetime.now(UTC) + timedelta(hours=25)
    assert close(datetime.fromisoformat(answer["time"]), later)
    assert close(clock(server), later)
    assert table.rows(COUNT) == [["0"]]
    ((text,),) = table.rows("now()", "RIGHT JOIN (VALUES 1) AS v (x) ON true")
    assert text is not None
    assert close(datetime.fromisoformat(text[:26]).replace(tzinfo=UTC), later)
    assert put(server, {"time": "2030-01-01T00:00:00Z"})[0] == 200
    assert close(clock(server), datetime(2030, 1, 1, tzinfo=UTC))
    server.clock.set(datetime(2031, 1, 1))  # noqa: DTZ001
    assert close(clock(server), datetime(2031, 1, 1, tzinfo=UTC))
    created = table.server.write.create_table(DatabaseName=DATABASE, TableName="future")["Table"]
    assert close(created["CreationTime"], datetime(2031, 1, 1, tzinfo=UTC))
    assert put(server, {"time": None})[0] == 200
    assert close(clock(server), datetime.now(UTC))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "The clock was not changed. The body must be"),
        ({"time": None, "advance": "1h"}, "The clock was not changed."),
        ({"advance": "1"}, "'1' is not a duration."),
        ({"advance": "9" * 30 + "d"}, "The body must be"),
        ({"advance": "-99999d"}, "The time can be set from 1970 to 2199"),
        ({"time": "soon"}, "'soon'"),
        ({"time": "2200-01-01T00:00:00Z"}, "The time can be set from 1970 to 2199"),
        ({"hour": 3}, "The body must be"),
        ([], "The body must be"),
        (" " * 2000, "The body has more than 1024 bytes."),
    ],
)
def test_invalid_times_are_refused(server: LocalTimestream, body: object, message: str) -> None:
    status, answer = put(server, body)
    assert (status, answer["__type"].partition("#")[2]) == (400, "ValidationException")
    assert message in answer["message"]
    assert close(clock(server), datetime.now(UTC))
