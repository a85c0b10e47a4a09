"""Faults: each does what it says, can be repeated from its seed, and is counted."""

import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.cli import main
from fleetstream.emulator import LocalTimestream
from fleetstream.emulator.api.faults import Faults, parse_faults
from tests.emulator.conftest import DATABASE, Table, dimensions, make_table, record
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import Answer, post, send

ServeWith = Callable[..., Table]


@pytest.fixture
def served() -> Iterator[ServeWith]:
    """Starts a local Timestream with faults, and creates a table in it."""
    with ExitStack() as stack:

        def serve(*faults: str, seed: int = 0) -> Table:
            timestream = LocalTimestream(faults=parse_faults(faults), seed=seed)
            endpoint = Endpoint(stack.enter_context(timestream).url)
            endpoint.write.create_database(DatabaseName=DATABASE)
            return make_table(endpoint)

        yield serve


def write(table: Table, number: int = 0) -> Answer:
    """Write one record, by hand, so that nothing is retried or mended."""
    body = table.names | {"Records": [record(Dimensions=dimensions(host=str(number)))]}
    return post(table.server.port, "WriteRecords", json.dumps(body).encode())


def change(table: Table, **settings: Any) -> Answer:
    body = json.dumps({"settings": settings}).encode()
    return send(table.server.port, "PUT", "/faults", body)


def injected(table: Table) -> dict[str, int]:
    counts: dict[str, int] = send(table.server.port, "GET", "/faults").json["injected"]
    return counts


def stored(table: Table) -> int:
    """How many records there are, without faults."""
    assert change(table).status == 200
    return int(table.rows("count(*)")[0][0] or "")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [("throttle", "ThrottlingException", 429), ("error", "InternalServerException", 500)],
)
def test_errors_store_nothing(served: ServeWith, fault: str, code: str, status: int) -> None:
    table = served(f"{fault}=1")
    assert write(table).error == (status, code)
    assert injected(table) == {fault: 1}
    assert stored(table) == 0


@pytest.mark.parametrize(("fault", "kept"), [("reset-before", 0), ("reset-after", 1)])
def test_a_cut_connection_has_no_answer(served: ServeWith, fault: str, kept: int) -> None:
    table = served(f"{fault}=1")
    with pytest.raises(ConnectionResetError):
        write(table)
    assert injected(table) == {fault: 1}
    assert stored(table) == kept


def test_half_of_the_cuts_are_after_the_data_are_stored(served: ServeWith) -> None:
    table = served("reset=1", seed=3)
    for number in range(40):
        with pytest.raises(ConnectionResetError):
            write(table, number)
    counts = injected(table)
    assert counts["reset-before"] + counts["reset-after"] == 40
    assert 10 < counts["reset-after"] < 30
    assert stored(table) == counts["reset-after"]


def test_latency_delays_every_answer(served: ServeWith) -> None:
    table = served("latency=150ms")
    start = time.monotonic()
    assert write(table).status == 200
    assert time.monotonic() - start >= 0.15
    change(table, latency="0.4s")
    start = time.monotonic()
    assert write(table).status == 200
    assert time.monotonic() - start >= 0.4
    assert injected(table) == {"latency": 2}


def test_a_table_beyond_its_capacity_throttles_until_it_has_room_again() -> None:
    now = [0.0]
    faults = Faults({"capacity": "200records/s"}, 0, lambda: now[0])
    assert [faults.exceeds_capacity("a", 100) for _ in range(3)] == [False, False, True]
    assert not faults.exceeds_capacity("other", 100)
    now[0] = 0.25
    assert faults.exceeds_capacity("a", 51)
    assert not faults.exceeds_capacity("a", 50)
    now[0] = 100
    assert [faults.exceeds_capacity("a", 100) for _ in range(3)] == [False, False, True]
    assert faults.report()["injected"] == {"capacity": 3}


@given(
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100)), min_size=1, max_size=60),
)
def test_no_table_takes_more_than_its_capacity(
    rate: float, requests: list[tuple[float, int]]
) -> None:
    now = [0.0]
    faults = Faults({"capacity": f"{rate:.3f}records/s"}, 0, lambda: now[0])
    taken = 0
    for pause, records in requests:
        now[0] += pause
        taken += 0 if faults.exceeds_capacity("table", records) else records
        assert taken <= max(rate, 100) + rate * now[0] + 1


def test_requests_beyond_the_capacity_store_nothing(served: ServeWith) -> None:
    table = served("capacity=0.001records/s")
    answers = [write(table, number) for number in range(101)]
    assert {answer.status for answer in answers[:-1]} == {200}
    assert answers[-1].error == (429, "ThrottlingException")
    assert injected(table) == {"capacity": 1}
    assert stored(table) == 100


def test_rejected_records_are_not_stored_and_the_others_are(served: ServeWith) -> None:
    table = served("reject=0.5")
    records = [record(Dimensions=dimensions(host=str(number))) for number in range(100)]
    rejections = table.rejections(*records)
    assert {rejection["Reason"] for rejection in rejections} == {
        "The record was rejected by an injected fault."
    }
    assert 20 < len(rejections) < 80
    assert injected(table) == {"reject": len(rejections)}
    change(table)
    rejected = {str(rejection["RecordIndex"]) for rejection in rejections}
    assert {host for (host,) in table.rows("host")} == {str(n) for n in range(100)} - rejected


def test_a_truncated_answer_ends_too_early(served: ServeWith) -> None:
    table = served("truncate=1")
    with pytest.raises(http.client.IncompleteRead):
        write(table)
    assert injected(table) == {"truncate": 1}
    assert stored(table) == 1


def test_garbage_is_no_json(served: ServeWith) -> None:
    table = served("garbage=1")
    answer = write(table)
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json
    assert injected(table) == {"garbage": 1}
    assert stored(table) == 1


def test_an_oversized_answer_is_valid_and_huge(served: ServeWith) -> None:
    table = served("oversize=1")
    answer = write(table)
    assert len(answer.body) == 32 * 2**20 == int(answer.headers["Content-Length"])
    assert answer.json["RecordsIngested"]["Total"] == 1
    assert injected(table) == {"oversize": 1}


def test_queries_meet_faults_too_and_other_operations_do_not(served: ServeWith) -> None:
    table = served("throttle=1")
    with pytest.raises(ClientError, match="Throttling"):
        table.rows()
    assert table.server.write.list_databases()["Databases"]


def outcomes(table: Table, requests: int) -> list[str]:
    """What became of requests, one after the other."""
    found = []
    for number in range(requests):
        try:
            found.append(str(write(table, number).status))
        except (ConnectionError, http.client.HTTPException) as error:
            found.append(type(error).__name__)
    return found


FAULTS = ["throttle=0.2", "error=0.1", "reset=0.2", "truncate=0.1"]


def test_the_same_seed_gives_the_same_faults(served: ServeWith) -> None:
    first = outcomes(served(*FAULTS, seed=7), 60)
    assert len(set(first)) >= 5
    assert outcomes(served(*FAULTS, seed=7), 60) == first
    assert outcomes(served(*FAULTS, seed=8), 60) != first


def test_one_kind_of_fault_does_not_shift_another(served: ServeWith) -> None:
    def throttled(faults: Sequence[str]) -> list[bool]:
        return [outcome == "429" for outcome in outcomes(served(*faults, seed=7), 60)]

    assert throttled(FAULTS) == throttled(FAULTS[:1])


def test_settings_can_be_read_and_replaced(served: ServeWith) -> None:
    table = served("throttle=1", "latency=1ms", seed=9)
    answer = send(table.server.port, "GET", "/faults")
    assert answer.json == {
        "seed": 9,
        "settings": {"throttle": "1", "latency": "1ms"},
        "injected": {},
    }
    answer = change(table, error=0.25)
    assert (answer.status, answer.json["settings"]) == (200, {"error": 0.25})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"settings": 1}',
        b'{"settings": {"throttle": 2}}',
        b'{"settings": {"throttle": null}}',
        b'{"settings": {"throttle": [1]}}',
        b'{"settings": {"latency": 5}}',
        b'{"settings": {"latency": "5"}}',
        b'{"settings": {"capacity": 5}}',
        b'{"settings": {"nonsense": 1}}',
    ],
)
def test_settings_that_make_no_sense_change_nothing(served: ServeWith, body: bytes) -> None:
    table = served("throttle=1")
    answer = send(table.server.port, "PUT", "/faults", body)
    assert answer.status == 400
    assert send(table.server.port, "GET", "/faults").json["settings"] == {"throttle": "1"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("throttle", "The fault 'throttle' has no value; write it as KIND=VALUE."),
        ("nonsense=1", "There is no fault 'nonsense'; there are latency, throttle, "),
        ("throttle=2", "The fault throttle cannot have the value '2'; give a probability"),
        ("throttle=nan", "The fault throttle cannot have the value 'nan'; give a probability"),
        ("throttle=often", "The fault throttle cannot have the value 'often'; give a prob"),
        ("capacity=5000", "The fault capacity cannot have the value '5000'; give records per"),
        ("latency=fast", "The fault latency cannot have the value 'fast'; give a duration"),
    ],
)
def test_an_invalid_fault_is_refused_at_start(
    capsys: pytest.CaptureFixture[str], fault: str, message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", "--fault", fault])
    assert ended.value.code == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith(f"Error: {message}")
    assert hint == "Try `fleetstream serve --help`."
