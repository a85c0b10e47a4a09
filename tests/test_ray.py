"""Runs on a Ray cluster: one ledger, one stop, and workers that die."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fleetstream.fleet import Fleet
from fleetstream.run.workers.orders import Assignment, End, News, Sweep
from fleetstream.run.workers.ray_crew import RayCrew
from fleetstream.workload import Workload

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import describe
from fleetstream.targets.registry import TargetOptions
from tests.emulator_process import EmulatorProcess
from tests.programs import free_port
from tests.terminal import FLEETSTREAM

pytestmark = pytest.mark.xdist_group("ray")

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
RUN = ("--seed", "7", "--include-region", "us-west-1", "--ray", "local", "--workers", "2")
RAY = Path(FLEETSTREAM).with_name("ray")
OUTCOMES = ("stored", "rejected", "undelivered")


@pytest.fixture
def target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[str, ...]]:
    """The options that name a table of a server; a test may name the server's faults."""
    monkeypatch.chdir(tmp_path)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with EmulatorProcess(faults=getattr(request, "param", ())) as server:
        server.write.create_database(DatabaseName="fleet")
        server.write.create_table(DatabaseName="fleet", TableName="telemetry")
        yield ("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", "telemetry")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    files = ("--manifest", "run.json", "--summary", "summary.json")
    return subprocess.Popen(
        [FLEETSTREAM, "ingest", *RUN, *files, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def actors(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes in which a run's workers live; they have its cluster's session in common."""
    children = psutil.Process(run.pid).children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def wait_for_sweeps(folder: Path, count: int) -> None:
    """Wait until a run has begun so many sweeps."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if (folder / "run.json").exists():
            facts = json.loads((folder / "run.json").read_bytes())
            if sum(run["count"] for run in facts["swept"]) + len(facts["unsettled"]) >= count:
                return
        time.sleep(0.1)
    raise AssertionError("It did not begin.")


def test_a_worker_that_dies_is_replaced_and_nothing_is_missing_or_double(
    target: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(tmp_path, *target, "--interval", "500ms", "--autostop", "24")
    wait_for_sweeps(tmp_path, 4)
    workers = actors(run)
    assert len(workers) == 2
    workers[0].kill()
    printed, errors = run.communicate(timeout=120)
    assert run.returncode == 0, printed + errors
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert summary["replaced"] == 1
    assert "1 workers; what they had not settled came again" in printed
    assert summary["generated"]["records"] == sum(summary[each]["records"] for each in OUTCOMES)
    assert summary["generated"]["records"] >= 24 * 3_120
    assert main(["verify", "run.json"]) == 0
    assert "with 74,880 of 24 sweeps" in capsys.readouterr().out


def test_ctrl_c_stops_all_workers(
    target: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(tmp_path, *target, "--interval", "500ms")
    wait_for_sweeps(tmp_path, 3)
    workers = actors(run)
    assert len(workers) == 2
    run.send_signal(signal.SIGINT)
    printed, errors = run.communicate(timeout=90)
    assert run.returncode == 0, printed + errors
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert summary["stored"] == summary["generated"]
    assert summary["stored"]["records"] > 0
    assert not psutil.wait_procs(workers, timeout=20)[1]
    assert main(["verify", "run.json"]) == 0
    assert capsys.readouterr().out.endswith("It matches.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--workers", "2", "--to", "null:"), 2, "--workers is for a Ray cluster"),
        (("--ray", "local", "--to", "null:"), 2, "--ray needs --workers"),
        (("--ray", "local", "--workers", "0"), 2, "0 is too low"),
        (("--ray", "local", "--workers", "2", "--processes", "2"), 2, "leave one of them out"),
        (("--ray", "local", "--workers", "2"), 2, "can be written by one process only"),
        (("--ray", "x", "--workers", "2", "--to", "null:"), 2, "'x' is no address"),
        (("--ray", "ray://x:1", "--workers", "2", "--to", "null:"), 2, "'ray://x:1' is no address"),
        (("--ray", "127.0.0.1:1", "--workers", "2", "--to", "null:"), 3, "There is no Ray cluster"),
    ],
)
def test_what_cannot_run_on_ray_gets_a_sentence(
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        ended = main(["ingest", "--autostop", "1", *arguments])
    except SystemExit as leaving:
        ended = int(leaving.code or 0)
    assert ended == code
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_ray_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from fleetstream.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "ingest", "--to", "null:", "--ray", "local", "--workers", "1"],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert "pip install 'fleetstream[ray]'" in run.stderr


@pytest.mark.parametrize("scale", [1, 40])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_workers_share_all_series_and_none_twice(scale: int, count: int) -> None:
    workload = Workload(Fleet(scale), 7)
    blocks, shares = workload.blocks, [workload.share(number, count) for number in range(count)]
    mine = (block for share in shares for block in share)
    rows = sorted((block.kind, row) for block in mine for row in range(block.start, block.stop))
    whole = sorted((block.kind, row) for block in blocks for row in range(block.start, block.stop))
    assert rows == whole
    sizes = [sum(map(len, share)) for share in shares]
    assert max(sizes) - min(sizes) <= 10_000


def test_orders_told_in_one_burst_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a replaced worker is told them: an end that overtook a sweep would lose the sweep."""
    monkeypatch.chdir(tmp_path)
    manifest = describe(Workload(Fleet(1), 7), TargetOptions(to="null:"), RecordModel.MULTI, 0)
    crew = RayCrew("local")
    crew.open(1)
    try:
        for _ in range(6):
            crew.start(0, Assignment(manifest, 1, 1, 300.0, tmp_path))
            for second in range(30):
                crew.tell(0, Sweep(second * 1_000_000))
            crew.tell(0, End())
            last = last_word(crew)
            assert last.report.totals.generated.records == 30 * 2_222
            crew.dismiss(0)
    finally:
        crew.end(patiently=True)


def last_word(crew: RayCrew) -> News:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for _, message in crew.listen(0.2):
            assert message is not None
            if isinstance(message, News) and message.last:
                return message
    raise AssertionError("It did not end.")


def test_a_worker_that_cannot_write_ends_the_run_with_its_reason(
    target: tuple[str, ...], tmp_path: Path
) -> None:
    """What its machine lacks, a successor would lack too; here the profile goes in mid-run."""
    profile = tmp_path / "config"
    keys = "aws_access_key_id = local\naws_secret_access_key = local\n"
    profile.write_text(f"[profile here]\nregion = us-east-1\n{keys}")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fleetstream.run.workers import ray_crew\n"
        "from fleetstream.cli import main\n"
        "opened = ray_crew.RayCrew.open\n"
        "def opening(crew, count):\n"
        "    opened(crew, count)\n"
        f"    Path({str(profile)!r}).unlink()\n"
        "ray_crew.RayCrew.open = opening\n"
        "sys.exit(main())\n"
    )
    options = (*RUN, *target, "--profile", "here", "--autostop", "1", "--manifest", "run.json")
    run = subprocess.run(
        [sys.executable, "-c", code, "ingest", *options],
        cwd=tmp_path,
        env={**os.environ, "AWS_CONFIG_FILE": str(profile)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "The run was ended: a worker can't write: " in run.stdout
    assert "Replaced" not in run.stdout


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
    assert "asks for a token; set RAY_AUTH_MODE=token" in refused.stderr
    crowded = run("token", "2")
    assert crowded.returncode == 3
    assert "--workers asks for 2; ask for fewer" in crowded.stderr


def test_what_listens_but_is_no_cluster_is_told_from_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fleetstream.run.workers.ray_crew.ANSWER_WITHIN", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        began = time.monotonic()
        assert main(["ingest", "--to", "null:", "--ray", address, "--workers", "1"]) == 3
        assert time.monotonic() - began < 30
    assert (
        f"What listens at {address!r} does not answer as a Ray cluster" in capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", [["reject=0.01"]], indirect=True)
def test_what_a_lost_worker_could_not_deliver_is_in_the_summary(
    target: tuple[str, ...], tmp_path: Path
) -> None:
    """Its files of rejected records, which it wrote before it was lost."""
    run = start(tmp_path, *target, "--interval", "1s", "--autostop", "18")
    folder, deadline = tmp_path / "fleetstream-undelivered", time.monotonic() + 90
    while not list(folder.glob("*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    actors(run)[0].kill()
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1, errors
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    assert summary["replaced"] == 1
    assert sorted(map(Path, summary["undelivered_files"])) == sorted(folder.glob("*.parquet"))
    assert summary["generated"]["records"] == sum(summary[each]["records"] for each in OUTCOMES)
