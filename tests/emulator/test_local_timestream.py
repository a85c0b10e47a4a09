"""The local Timestream inside the process of its client."""

import socket
import threading
from pathlib import Path

import pytest

from fleetstream.emulator import LocalTimestream
from fleetstream.emulator.store.store import StoreUnusable
from tests.emulator.conftest import DATABASE, Table, make_table, record
from tests.emulator.endpoint import Endpoint, client


def new_table(timestream: LocalTimestream) -> Table:
    endpoint = Endpoint(timestream.url)
    endpoint.write.create_database(DatabaseName=DATABASE)
    return make_table(endpoint)


def refuses_connections(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) != 0


def test_records_can_be_written_and_queried_until_it_ends() -> None:
    threads = set(threading.enumerate())
    with LocalTimestream() as timestream:
        assert timestream.url == f"http://127.0.0.1:{timestream.port}"
        table = new_table(timestream)
        assert table.write(record("1.5"))["Total"] == 1
        assert table.rows('"measure_value::double"') == [["1.5"]]
        port = timestream.port
    assert refuses_connections(port)
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not left & {"local-timestream", "timestream-writer"}


def test_two_at_once_are_independent() -> None:
    with LocalTimestream() as one, LocalTimestream() as other:
        assert one.port != other.port
        table = new_table(one)
        table.write(record())
        assert client("timestream-write", other.url).list_databases()["Databases"] == []
        assert table.rows("count(*)") == [["1"]]


def test_a_store_has_its_data_again_at_the_next_start(tmp_path: Path) -> None:
    timestream = LocalTimestream(tmp_path / "store")
    with timestream:
        table = new_table(timestream)
        table.write(record("2.5"))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    with timestream:
        again = Table(Endpoint(timestream.url), table.name)
        assert again.rows('"measure_value::double"') == [["2.5"]]


def test_it_ends_when_the_block_fails() -> None:
    ports: list[int] = []

    def use(timestream: LocalTimestream) -> None:
        with timestream:
            ports.append(timestream.port)
            raise KeyError

    with pytest.raises(KeyError):
        use(LocalTimestream())
    assert refuses_connections(ports[0])


def test_a_port_can_be_chosen() -> None:
    with LocalTimestream() as timestream:
        port = timestream.port
    with LocalTimestream(port=port) as timestream:
        assert timestream.port == port
        with pytest.raises(OSError, match="in use"), LocalTimestream(port=port):
            pass


def test_a_file_that_is_not_a_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"no database")
    with pytest.raises(StoreUnusable, match="cannot be used as a store"), LocalTimestream(path):
        pass


def test_invalid_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="There is no fault 'nonsense'"):
        LocalTimestream(faults={"nonsense": 1})


def test_faults_are_injected() -> None:
    with LocalTimestream(faults={"throttle": 1}) as timestream:
        table = new_table(timestream)
        with pytest.raises(table.server.write.exceptions.ThrottlingException):
            table.write(record())


def test_it_has_an_address_only_while_it_runs() -> None:
    timestream = LocalTimestream()
    with pytest.raises(RuntimeError, match="not running"):
        _ = timestream.url
    with timestream, pytest.raises(RuntimeError, match="running already"), timestream:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        _ = timestream.port


def test_a_failed_start_raises_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no writer thread")

    monkeypatch.setattr("fleetstream.emulator.server.make_app", fail)
    with pytest.raises(OSError, match="no writer thread"), LocalTimestream():
        pass
