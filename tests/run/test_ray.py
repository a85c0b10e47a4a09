"""Runs on a Ray cluster: one ledger, one stop, and workers that die."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fleetstream.api import verify_runs
from fleetstream.run.options import make_spec
from fleetstream.run.runner import Run, RunResult, new_run
from fleetstream.run.spec import RunSpec
from fleetstream.run.workers.messages import Assignment, EndOrder, Status, SweepOrder
from fleetstream.run.workers.ray_pool import RayPool
from fleetstream.targets.sink import TargetUnusable
from tests.servers.programs import free_port
from tests.telemetry import SECOND
from tests.terminal import FLEETSTREAM

pytestmark = pytest.mark.xdist_group("ray")

RAY = Path(FLEETSTREAM).with_name("ray")


def live(folder: Path, **options: object) -> RunSpec:
    """A live run that two workers of a local cluster share."""
    few = {"seed": 7, "include_region": "us-west-1", "interval": "200ms"}
    target = {"to": f"parquet:{folder / 'lake'}", "ray": "local", "workers": 2}
    return make_spec(**{**few, **target, **options})


def actors() -> list[psutil.Process]:
    """The processes in which the workers of this process live."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def after_sweeps(run: Run, count: int, action: Callable[[], None]) -> RunResult:
    """Carry out a run, and do something once it has made so many sweeps."""
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(run.execute()))
    thread.start()
    deadline = time.monotonic() + 90
    while run.ledger.totals().sweeps < count:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    action()
    thread.join(120)
    return results[0]


def test_a_worker_that_dies_is_replaced_and_nothing_is_missing_or_double(tmp_path: Path) -> None:
    def kill_one() -> None:
        assert len(actors()) == 2
        actors()[0].kill()

    with new_run(live(tmp_path, autostop=24), tmp_path / "run.json") as run:
        result = after_sweeps(run, 4, kill_one)
    assert result.reason is None
    assert result.totals.replaced == 1
    assert result.totals.adds_up
    assert result.totals.generated.records >= 24 * 3_120
    findings = verify_runs(tmp_path / "run.json")
    assert findings.matches
    assert findings.expected == 24 * 3_120


@pytest.mark.slow
def test_a_stop_reaches_all_workers(tmp_path: Path) -> None:
    with new_run(live(tmp_path), tmp_path / "run.json") as run:
        workers: list[psutil.Process] = []

        def stop() -> None:
            workers.extend(actors())
            run.control.ask()

        result = after_sweeps(run, 3, stop)
    assert len(workers) == 2
    assert result.delivered
    assert result.totals.stored.records > 0
    assert not psutil.wait_procs(workers, timeout=20)[1]
    assert verify_runs(tmp_path / "run.json").matches


@pytest.mark.slow
def test_a_worker_that_cannot_write_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    """What its machine lacks, a replacement would lack too."""
    with new_run(live(tmp_path, autostop=1), tmp_path / "run.json") as run:
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        (tmp_path / "lake").write_text("in the way")
        result = run.execute()
    assert result.reason is not None
    assert result.reason.startswith("a worker cannot write: ")
    assert result.totals.replaced == 0
    assert result.totals.adds_up


@pytest.mark.parametrize("address", ["x", "ray://x:1", "x:y"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a Ray cluster"):
        new_run(make_spec(seed=1, to="null:", ray=address, workers=2))


def test_a_cluster_that_is_not_there_is_refused() -> None:
    with pytest.raises(TargetUnusable, match=r"There is no Ray cluster at .127\.0\.0\.1:1."):
        new_run(make_spec(seed=1, to="null:", ray="127.0.0.1:1", workers=2))


def test_a_target_of_one_process_is_refused(tmp_path: Path) -> None:
    spec = live(tmp_path, to=f"duckdb:{tmp_path / 'fleet.duckdb'}")
    with pytest.raises(ValueError, match="can be written by one process only"):
        new_run(spec)


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "fleetstream.run.workers.ray_pool")
    with pytest.raises(ValueError, match=r"pip install 'fleetstream\[ray\]'"):
        new_run(make_spec(seed=1, to="null:", ray="local", workers=1))


@pytest.mark.slow
def test_orders_told_in_one_burst_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a replacement gets them: an end that overtook a sweep would lose the sweep."""
    monkeypatch.chdir(tmp_path)
    spec = make_spec(seed=7, to="null:", record_model="multi")
    pool = RayPool("local")
    pool.open(1)
    try:
        for _ in range(6):
            pool.start(0, Assignment(spec, 1))
            for second in range(30):
                pool.tell(0, SweepOrder((second * SECOND,)))
            pool.tell(0, EndOrder())
            assert last_status(pool).report.totals.generated.records == 30 * 2_222
            pool.dismiss(0)
    finally:
        pool.end(patiently=True)


def last_status(pool: RayPool) -> Status:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for _, message in pool.listen(0.2):
            assert message is not None
            if isinstance(message, Status) and message.last:
                return message
    raise AssertionError("It did not end.")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster whose head asks for a token."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    port = free_port()
    options = ["--head", "--block", "--port", str(port), "--num-cpus", "1"]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            [RAY, "start", *options, "--include-dashboard", "false", "--temp-dir", folder],
            env={**os.environ, "RAY_AUTH_MODE": "token"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as head,
    ):
        try:
            wait_for_port(head, port)
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise AssertionError("It does not listen.")


@pytest.mark.slow
def test_a_cluster_that_runs_already_is_joined_with_its_token(cluster: str, tmp_path: Path) -> None:
    options = ("--to", "null:", "--ray", cluster, "--autostop", "1", "--summary", "summary.json")

    def run(mode: str, workers: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FLEETSTREAM, "ingest", *options, "--workers", workers],
            cwd=tmp_path,
            env={**os.environ, "RAY_AUTH_MODE": mode},
            capture_output=True,
            text=True,
            timeout=120,
        )

    joined = run("token", "1")
    assert joined.returncode == 0, joined.stderr
    assert json.loads((tmp_path / "summary.json").read_bytes())["stored"]["records"] == 26_260
    refused = run("disabled", "1")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "requires a token; set RAY_AUTH_MODE=token" in refused.stderr
    crowded = run("token", "2")
    assert crowded.returncode == 3
    assert "but --workers is 2; ask for fewer" in crowded.stderr


def test_what_listens_but_is_no_cluster_is_told_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetstream.run.workers.ray_pool.STATUS_TIMEOUT", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(TargetUnusable, match=f"What listens at '{address}' is not a Ray"):
            RayPool(address).open(1)
