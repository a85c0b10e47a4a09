"""A target that stalls under a fixed pace: nothing is lost, and the stall shows."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload

from fleetstream.generate.choices import RecordModel
from fleetstream.run.clock import GridClock, on_grid
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop, Sweeps
from fleetstream.targets.timestream import Target, TimestreamSink
from tests.emulator_process import EmulatorProcess

STALL = 10
SWEEPS = 14
SECOND = 1_000_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorProcess]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName="fleet")
        server.write.create_table(DatabaseName="fleet", TableName="telemetry")
        yield server


def stall_after(server: EmulatorProcess, wait: float, seconds: float) -> threading.Thread:
    """Hold the server up, as a long garbage collection or a lost route would."""

    def stall() -> None:
        time.sleep(wait)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        server.process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=stall)
    thread.start()
    return thread


def test_a_stall_loses_no_sweep_and_shows_in_the_latencies(server: EmulatorProcess) -> None:
    workload = Workload(Fleet(1, ["eu-central-1"]), seed=3)
    sink = TimestreamSink(Target("fleet", "telemetry", "us-east-1", server.url), RecordModel.SINGLE)
    sink.open()
    stop, ledger, swept = Stop(), Ledger(), []
    clock = GridClock(on_grid(int(time.time() * SECOND), SECOND), SECOND, stop.gently.wait)
    stalling = stall_after(server, 2, STALL)
    sweeps = Sweeps(workload, clock, SWEEPS, end=swept.append)
    Pipeline(sweeps, sink, ledger, stop, concurrency=2, timed_from=clock.live_from).run()
    stalling.join()
    assert swept == list(range(swept[0], swept[0] + SWEEPS * SECOND, SECOND))
    assert ledger.totals().stored.values == SWEEPS * workload.values_per_sweep
    count = 'SELECT count(*) FROM "fleet"."telemetry" GROUP BY time'
    rows = server.query.query(QueryString=count)["Rows"]
    assert [row["Data"][0]["ScalarValue"] for row in rows] == ["260"] * SWEEPS
    latencies = ledger.latencies()
    # Timed from when they were sent, only the two requests in flight would have been slow.
    assert latencies.longest > STALL - 2
    assert latencies.p90 > STALL / 2
    assert latencies.p50 > 1


@pytest.mark.parametrize("processes", ["1", "2"])
def test_beyond_the_lag_sweeps_are_skipped_and_counted(
    server: EmulatorProcess, tmp_path: Path, processes: str
) -> None:
    manifest = tmp_path / "run.json"
    options = [
        *("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", "telemetry", "-c", "1"),
        *("--include-region", "us-west-2", "--manifest", str(manifest)),
        *("--interval", "200ms", "--max-lag", "1s", "--autostop", "20", "--processes", processes),
    ]
    run = subprocess.Popen(
        [sys.executable, "-m", "fleetstream", "ingest", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    while not manifest.exists():
        assert run.poll() is None
        time.sleep(0.05)
    stall_after(server, 0.5, 4).join()
    summary, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    ledger = json.loads(manifest.read_bytes())["ledger"]
    assert ledger["sweeps"] == 20
    assert ledger["stored"]["values"] == 20 * 1_040
    assert ledger["skipped"] > 5
    assert f"{ledger['skipped']:,} sweeps that could not start in time" in summary
