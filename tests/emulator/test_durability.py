"""What a store keeps after restarts and SIGKILL, and with several clients at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.emulator.conftest import DATABASE, Table, dimensions, make_table, multi, now, record
from tests.emulator.endpoint import Endpoint, client
from tests.servers.emulator_process import EmulatorProcess


def started(server: EmulatorProcess) -> Table:
    server.write.create_database(DatabaseName=DATABASE)
    return make_table(server)


def test_a_store_has_everything_after_a_restart(tmp_path: Path) -> None:
    with EmulatorProcess(store=tmp_path / "store") as server:
        retention = {
            "MemoryStoreRetentionPeriodInHours": 2,
            "MagneticStoreRetentionPeriodInDays": 3,
        }
        table = started(server)
        server.write.update_table(**table.names, RetentionProperties=retention)
        arn = server.write.describe_table(**table.names)["Table"]["Arn"]
        server.write.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}])
        moment = str(now())
        table.write(record("1", Time=moment, Version=3), multi(("x", "BIGINT", "5")))
        before = (table.columns(), sorted(table.rows(), key=str))

        assert server.stop() == 0
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
        server.restart()

        assert (table.columns(), sorted(table.rows(), key=str)) == before
        described = server.write.describe_table(**table.names)["Table"]
        assert described["RetentionProperties"] == retention
        assert server.write.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
            {"Key": "a", "Value": "b"}
        ]
        assert table.write(record("1", Time=moment, Version=3))["Total"] == 1
        (rejection,) = table.rejections(record("2", Time=moment, Version=2))
        assert rejection["ExistingVersion"] == 3
        assert table.rows("count(*)") == [["2"]]


def test_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with EmulatorProcess(store=tmp_path / "store") as server:
        table = started(server)
        acknowledged: list[set[tuple[str, str]]] = [set() for _ in range(4)]

        def write(number: int) -> None:
            writer = client("timestream-write", server.url)
            for moment in range(now() - 100_000, now()):
                hosts = [f"{number}-{host}" for host in range(20)]
                try:
                    writer.write_records(
                        **table.names,
                        Records=[{"Dimensions": dimensions(host=host)} for host in hosts],
                        CommonAttributes={
                            "MeasureName": "cpu",
                            "MeasureValue": "1",
                            "Time": str(moment),
                        },
                    )
                except (BotoCoreError, ClientError):
                    return
                acknowledged[number] |= {(host, str(moment)) for host in hosts}

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for _ in range(2):
            time.sleep(1)
            server.process.send_signal(signal.SIGKILL)
            server.kill()
            for writer in writers:
                writer.join()
            server.restart()
            stored = {(host, moment) for host, moment in table.rows("host, to_milliseconds(time)")}
            assert set().union(*acknowledged) <= stored
            assert len(acknowledged[0]) > 0
            writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
            for writer in writers:
                writer.start()
        server.kill()
        for writer in writers:
            writer.join()


def test_many_clients_that_write_the_same_records_store_them_once(tmp_path: Path) -> None:
    with EmulatorProcess(store=tmp_path / "store") as server:
        table = started(server)
        moment = now()
        rejected: list[dict[str, Any]] = []

        def write(number: int) -> None:
            own = Table(server, table.name)
            for step in range(20):
                records = [
                    record(str(number), Dimensions=dimensions(host=str(h)), Time=str(moment + step))
                    for h in range(10)
                ]
                try:
                    own.write(*records)
                except server.write.exceptions.RejectedRecordsException as error:
                    rejected.extend(error.response["RejectedRecords"])

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert table.rows("count(*)") == [["200"]]
        assert table.rows("count(DISTINCT concat(host, cast(time AS varchar)))") == [["200"]]
        assert len(rejected) == 3 * 200
        assert {rejection["ExistingVersion"] for rejection in rejected} == {1}


def test_acknowledged_records_are_seen_at_once(table: Table) -> None:
    for count in range(1, 30):
        table.write(record(Dimensions=dimensions(host=str(count))))
        assert table.rows("count(*)") == [[str(count)]]


@pytest.mark.slow
def test_writing_on_needs_no_more_memory() -> None:
    """Series and columns are cached, records are not: what they take is DuckDB's."""
    with EmulatorProcess() as server:
        table = started(server)
        process = psutil.Process(server.process.pid)

        def write(times: range) -> int:
            for moment in times:
                table.write(
                    *({"Dimensions": dimensions(host=str(host))} for host in range(100)),
                    MeasureName="cpu",
                    MeasureValue="1",
                    Time=str(moment),
                )
            memory: int = process.memory_info().rss
            return memory

        start = now() - 3_600_000
        first = write(range(start, start + 200))
        last = write(range(start + 200, start + 800))
    # 60,000 records of about 30 bytes; a Python object for each would be ten times as much.
    assert last - first < 12_000_000


@pytest.mark.parametrize("content", [b"no database", b"x" * 100_000])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    ended = serve("--store", str(path))
    assert ended.returncode == 3
    assert ended.stderr.startswith(f"Error: {path} cannot be used as a store: ")
    assert "Traceback" not in ended.stderr
    assert path.read_bytes() == content


def test_a_store_is_used_by_one_server_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with EmulatorProcess(store=path):
        ended = serve("--store", str(path))
    assert ended.returncode == 3
    assert f"{path} cannot be used as a store: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_in_use_is_refused(endpoint: Endpoint) -> None:
    ended = serve("--port", str(endpoint.port))
    assert ended.returncode == 3
    assert ended.stderr == (
        f"Error: Cannot listen on 127.0.0.1, port {endpoint.port}: Address already in use."
        " Give another --port or --host.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(number: signal.Signals) -> None:
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName=DATABASE)
        os.kill(server.process.pid, number)
        assert server.process.wait(30) == 0


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    """Start a server that must fail at once."""
    return subprocess.run(
        [sys.executable, "-m", "fleetstream", "serve", "--port", "0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
