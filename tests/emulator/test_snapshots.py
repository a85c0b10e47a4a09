"""Snapshots of a running server, and servers that start from them."""

import threading
import urllib.request
from pathlib import Path

import pytest
import requests

from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, Table, dimensions, make_table, multi, now, record
from tests.emulator.endpoint import Endpoint, client
from tests.servers.emulator_process import EmulatorProcess


def download(url: str, path: Path) -> None:
    urllib.request.urlretrieve(f"{url}/snapshot", path)


@pytest.mark.parametrize("stored", [True, False], ids=["file", "memory"])
def test_a_server_starts_from_a_snapshot(tmp_path: Path, stored: bool) -> None:
    copy = tmp_path / "copy"
    with EmulatorProcess(store=tmp_path / "store" if stored else None) as server:
        server.write.create_database(DatabaseName=DATABASE, Tags=[{"Key": "team", "Value": "a"}])
        table = make_table(server)
        moment = str(now())
        table.write(record("1", Time=moment, Version=3), multi(("x", "BIGINT", "5")))
        download(server.url, copy)
        before = (table.columns(), sorted(table.rows(), key=str))
        table.write(record("2", Time=str(now() + 1)))
    with EmulatorProcess(store=copy) as restored:
        again = Table(restored, table.name)
        assert (again.columns(), sorted(again.rows(), key=str)) == before
        described = restored.write.describe_database(DatabaseName=DATABASE)["Database"]
        tags = restored.write.list_tags_for_resource(ResourceARN=described["Arn"])["Tags"]
        assert tags == [{"Key": "team", "Value": "a"}]
        # It goes on where the copy was made: versions, new tables.
        (rejection,) = again.rejections(record("2", Time=moment, Version=2))
        assert rejection["ExistingVersion"] == 3
        other = make_table(restored)
        other.write(record())
        assert (other.rows("count(*)"), again.rows("count(*)")) == ([["1"]], [["2"]])


def test_snapshots_are_of_one_time_while_clients_write(tmp_path: Path) -> None:
    """Each writer writes to two tables in turn, with ever new series, columns and tables."""
    acknowledged = [0, 0]
    going_on = threading.Event()
    going_on.set()
    with EmulatorProcess(store=tmp_path / "store") as server:
        server.write.create_database(DatabaseName=DATABASE)
        pairs = [(make_table(server), make_table(server)) for _ in acknowledged]

        def write(writer: int) -> None:
            own = client("timestream-write", server.url)
            moment = str(now())
            step = 0
            while going_on.is_set():
                for table in pairs[writer]:
                    new = multi((f"m{step % 200}", "BIGINT", "1"), Time=moment)
                    own.write_records(
                        **table.names, Records=[new | {"Dimensions": dimensions(host=str(step))}]
                    )
                if step % 5 == 0:
                    own.create_table(DatabaseName=DATABASE, TableName=f"new-{writer}-{step}")
                step += 1
                acknowledged[writer] = step

        writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
        for writer in writers:
            writer.start()
        try:
            before = []
            for number in range(2):
                while min(acknowledged) < 8 * (number + 1):
                    assert all(writer.is_alive() for writer in writers)
                before.append(list(acknowledged))
                download(server.url, tmp_path / f"copy{number}")
        finally:
            going_on.clear()
            for writer in writers:
                writer.join()
    for number, steps in enumerate(before):
        with LocalTimestream(tmp_path / f"copy{number}") as timestream:
            endpoint = Endpoint(timestream.url)
            for (one, other), least in zip(pairs, steps, strict=True):
                first, second = (
                    int(Table(endpoint, table.name).rows("count(*)")[0][0] or 0)
                    for table in (one, other)
                )
                assert least <= second <= first <= second + 1


def test_a_snapshot_in_python(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(b"an older file")
    with LocalTimestream() as timestream:
        endpoint = Endpoint(timestream.url)
        endpoint.write.create_database(DatabaseName=DATABASE)
        table = make_table(endpoint)
        table.write(record("7"))
        timestream.snapshot(copy)
        with pytest.raises(OSError, match="nowhere"):
            timestream.snapshot(tmp_path / "nowhere" / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    with LocalTimestream(copy) as timestream:
        again = Table(Endpoint(timestream.url), table.name)
        assert again.rows("measure_value::double") == [["7.0"]]


def test_a_snapshot_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with LocalTimestream() as timestream:
        answer = requests.get(f"{timestream.url}/snapshot", timeout=10)
        assert answer.status_code == 500
        assert answer.json()["message"].startswith("The snapshot could not be written to ")
        # It can be tried again.
        (tmp_path / "missing").mkdir()
        assert requests.get(f"{timestream.url}/snapshot", timeout=10).status_code == 200
        assert list((tmp_path / "missing").iterdir()) == []
