"""`fleetstream ingest` as people run it: its end, its seed, and its stop."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from tests.recording import serving
from tests.telemetry import generator
from tests.terminal import FLEETSTREAM
from tests.wire import expected

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

SMALL = ["--include-region", "eu-central-1"]

TABLE = ["-d", "db", "-t", "tb"]


class SlowTarget(ThreadingHTTPServer):
    """A Timestream that takes its time over every write.

    Attributes:
        begun: When each write came in, by the monotonic clock.
        answered: How many records were in each write that was answered.
        signatures: The Authorization header of each request.

    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _SlowAnswer)
        self.seconds = seconds
        self.lock = threading.Lock()
        self.begun: list[float] = []
        self.answered: list[int] = []
        self.signatures: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_until_begun(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.begun) < count:
            assert time.monotonic() < deadline, f"{len(self.begun)} of {count} writes came in"
            time.sleep(0.01)


class _SlowAnswer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: SlowTarget

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.signatures.append(self.headers["Authorization"])
        if "Records" in body:
            with self.server.lock:
                self.server.begun.append(time.monotonic())
            time.sleep(self.server.seconds)
            with self.server.lock:
                self.server.answered.append(len(body["Records"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def slow() -> Iterator[SlowTarget]:
    server = SlowTarget(0.3)
    with serving(server):
        yield server


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [FLEETSTREAM, "ingest", *arguments],
        cwd=folder,
        env=os.environ | CREDENTIALS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ingest(folder: Path, *arguments: str) -> str:
    """What a run prints that must end well."""
    run = start(folder, *arguments)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, out + err
    assert "Traceback" not in err
    return out


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def summary(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return read


def test_autostop_measures_every_series_so_often(tmp_path: Path) -> None:
    """Three sweeps over ten hosts and twelve processes, at three seconds in a row or more."""
    began = int(time.time())
    printed = ingest(tmp_path, *SMALL, "--autostop", "3")
    path = tmp_path / "fleetstream.duckdb"
    assert rows(path, "SELECT count(*) FROM main.telemetry") == [(780,)]
    assert "780 records, 780 values" in printed
    measured = rows(
        path,
        "SELECT DISTINCT count(DISTINCT time), count(*) FROM main.telemetry GROUP BY region, cell, "
        "silo, availability_zone, microservice_name, instance_name, instance_type, os_version, "
        "process, jdk_version, measure_name",
    )
    assert measured == [(3, 3)]
    times = [t for (t,) in rows(path, "SELECT DISTINCT epoch_us(time) FROM telemetry ORDER BY 1")]
    assert began * 1_000_000 <= times[0] < times[1] < times[2] <= time.time() * 1_000_000
    assert all(moment % 1_000_000 == 0 for moment in times)


def test_the_printed_query_works_as_it_stands(tmp_path: Path) -> None:
    printed = ingest(tmp_path, *SMALL, "--autostop", "1")
    query = re.search(r"^Query it:\n  (.*)$", printed, re.MULTILINE)
    assert query
    shown = subprocess.run(
        query[1], shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    for name in ("cpu_user", "task_completed", "task_end_state"):
        assert name in shown


@pytest.mark.parametrize("seed", [None, "0", str(2**64 - 1)])
def test_what_is_written_follows_from_the_printed_seed(seed: str | None, tmp_path: Path) -> None:
    began = int(time.time())
    given = ["--seed", seed] if seed else []
    printed = ingest(tmp_path, *SMALL, "--record-model", "multi", "--autostop", "1", *given)
    said = re.search(r"^Seed +(\d+)$", printed, re.MULTILINE)
    assert said
    if seed is None:
        assert began <= int(said[1]) <= time.time()
    else:
        assert said[1] == seed
    ((moment,),) = rows(
        tmp_path / "fleetstream.duckdb", "SELECT DISTINCT epoch_us(time) FROM main.telemetry"
    )
    for batch in generator(1, int(said[1]), ["eu-central-1"]).batches([moment]):
        for record in expected(batch, RecordModel.MULTI):
            named = [f'"{name}" = ?' for name, _ in record.dimensions]
            values = [f'"{name}"' for name, _, _ in record.values]
            with duckdb.connect(tmp_path / "fleetstream.duckdb", read_only=True) as connection:
                found = connection.execute(
                    f"SELECT {', '.join(values)} FROM telemetry WHERE {' AND '.join(named)}",
                    [value for _, value in record.dimensions],
                ).fetchall()
            assert found == [tuple(value for _, _, value in record.values)]


def test_the_printed_command_repeats_a_run(tmp_path: Path) -> None:
    printed = ingest(tmp_path, *SMALL, "--autostop", "1", "-t", "odd name's")
    said = re.search(r"^Seed +(\d+)$", printed, re.MULTILINE)
    command = re.search(r"^Repeat it:\n  (.*)$", printed, re.MULTILINE)
    assert said
    assert command
    path = f"{Path(FLEETSTREAM).parent}{os.pathsep}{os.environ['PATH']}"
    again = subprocess.run(
        command[1],
        shell=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(rf"^Seed +{said[1]}$", again, re.MULTILINE)
    (count,) = rows(tmp_path / "fleetstream.duckdb", 'SELECT count(*) FROM "odd name\'s"')
    assert count in [(260,), (520,)]  # once or twice, by whether a second had passed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_run(number: signal.Signals, slow: SlowTarget, tmp_path: Path) -> None:
    """What is in flight is finished, nothing new is begun, and all is accounted for."""
    target = ["-r", "us-east-1", "-url", slow.url, *TABLE, "-c", "4"]
    run = start(tmp_path, *target, "--summary", "summary.json")
    slow.wait_until_begun(9)
    run.send_signal(number)
    signalled = time.monotonic()
    out, err = run.communicate(timeout=30)
    assert run.returncode == 0, out + err
    counted = summary(tmp_path)
    assert counted["stored"] == counted["generated"]
    assert counted["stored"]["records"] == sum(slow.answered)
    assert counted["requests"]["total"] == len(slow.begun) == len(slow.answered)
    assert counted["undelivered"]["records"] == counted["rejected"]["records"] == 0
    # Twice as many as may be in flight are ready, one is being made, and one left over is sent.
    late = [begun for begun in slow.begun if begun > signalled]
    assert len(late) <= 2 * 4 + 2
    assert not (tmp_path / "fleetstream-undelivered").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(number: signal.Signals, tmp_path: Path) -> None:
    server = SlowTarget(20)
    with serving(server):
        target = ["-r", "us-east-1", "-url", server.url, *TABLE, "-c", "4"]
        run = start(tmp_path, *target, "--summary", "summary.json")
        server.wait_until_begun(4)
        run.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.5)
        run.send_signal(number)
        signalled = time.monotonic()
        out, err = run.communicate(timeout=30)
    assert time.monotonic() - signalled < 5
    assert run.returncode == 1, out + err
    counted = summary(tmp_path)
    assert counted["stored"]["records"] == 0
    assert counted["undelivered"]["records"] == counted["generated"]["records"] > 400
    assert list((tmp_path / "fleetstream-undelivered").iterdir())
    assert "fleetstream replay fleetstream-undelivered" in out


@pytest.mark.parametrize("option", ["-r", "--region", "-e", "--endpoint"])
@pytest.mark.parametrize("address", ["-url", "--endpoint-url"])
def test_region_and_endpoint_under_all_their_names(
    option: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = SlowTarget(0)
    with serving(server):
        target = (option, "eu-west-1", address, server.url, *TABLE)
        assert main(["ingest", *target, *SMALL, "--autostop=1"]) == 0
    assert sum(server.answered) == 260
    for signature in server.signatures:
        assert "/eu-west-1/timestream/aws4_request" in signature


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03, 0.05, 0.1, 0.3])
def test_two_signals_in_a_row_still_end_with_a_summary(pause: float, tmp_path: Path) -> None:
    """As when Ctrl-C is held down: the run may be over before the second signal comes."""
    run = start(tmp_path, *SMALL, "--quiet", "--summary", "summary.json")
    path, deadline = tmp_path / "fleetstream.duckdb", time.monotonic() + 60
    while not path.exists() or not list(tmp_path.glob("fleetstream-*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    time.sleep(pause)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode in (0, 1), out + err
    counted = summary(tmp_path)
    assert "Delivered" in out
    assert "Stopped." not in err
    lost = counted["undelivered"]["records"] + counted["rejected"]["records"]
    assert run.returncode == (1 if lost else 0)
    assert counted["generated"]["records"] == counted["stored"]["records"] + lost


def test_the_same_program_under_its_three_names() -> None:
    script = Path(__file__).parents[2] / "timestream_sample_continuous_data_ingestor_application.py"
    outputs = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in (
            [FLEETSTREAM, "ingest"],
            [sys.executable, "-m", "fleetstream", "ingest"],
            [sys.executable, str(script)],
        )
    ]
    assert outputs[0] == outputs[1] == outputs[2]
    version = subprocess.run([FLEETSTREAM, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"fleetstream \d+\.\d+\.\d+\S*\n", version.stdout)
