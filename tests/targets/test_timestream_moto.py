"""The AWS sample tool's command lines, run as they stand against moto's Timestream.

moto keeps the records of each request as they came, without the request's common attributes. So a
server in front keeps whole requests: moto's table must hold exactly the records of them, and they
must say exactly what the fleet emits under the run's seed at the run's timestamps.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from moto.timestreamwrite.models import timestreamwrite_backends

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from tests.recording import Front, serving
from tests.wire import Record, expected, merged

pytestmark = pytest.mark.xdist_group("moto")

SCRIPT = "timestream_sample_continuous_data_ingestor_application.py"
ROOT = Path(__file__).parents[2]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

COMMANDS = {
    "first steps": f"python3 {SCRIPT} --database-name testDb --table-name testTable "
    "--endpoint 'us-east-1'",
    "single-threaded": f"python3 {SCRIPT} -c 1 -d testDb -t testTable -r 'us-east-1'",
    "one host": f"python3 {SCRIPT} -c 1 -d testDb -t testTable -r 'us-east-1' "
    '--include-region "eu-central-1" --include-ms "athena"',
    "multi-threaded": f"python3 {SCRIPT} -c 30 -d testDb -t testTable -r 'us-east-1'",
    "more hosts": f"python3 {SCRIPT} -c 30 -s 3 -d testDb -t testTable -r 'us-east-1'",
    "an endpoint": f"python3 {SCRIPT} -c 1 -d testDb -t testTable -r 'us-east-1' "
    "-url 'https://ingest-cell1.timestream.eu-west-1.amazonaws.com'",
    "sine": f"""python3 {SCRIPT} \\
  --database-name testDb --table-name testTable --region 'us-east-1' \\
  --sin-signal-cpu 100 --sin-frq-cpu m \
""",
    "sawtooth": f"""python3 {SCRIPT} \\
  --database-name testDb --table-name testTable --region 'us-east-1' \\
  --saw-signal-cpu 20 --saw-frq-cpu h \
""",
}
"""By the heading under which the sample tool's documentation gives it."""

SMALLER = " --include-region us-west-2"
"""Added where the size of the fleet changes nothing."""

VALUES = dict.fromkeys(COMMANDS, 1_040) | {
    "first steps": 26_260,
    "one host": 30,
    "more hosts": 3_120,
}
"""Values in a sweep."""


@pytest.fixture(scope="session")
def moto() -> Iterator[tuple[str, int]]:
    """The address of a moto server."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def front(moto: tuple[str, int]) -> Iterator[Front]:
    """A server in front of moto, which has the table and nothing else."""
    front = Front(moto)
    with serving(front):
        timestreamwrite_backends.reset()
        write = boto3.client(
            "timestream-write",
            region_name="us-east-1",
            endpoint_url=front.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        write.create_database(DatabaseName="testDb")
        write.create_table(DatabaseName="testDb", TableName="testTable")
        yield front


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the script, as the project's root has it."""
    shutil.copy(ROOT / SCRIPT, tmp_path)
    return tmp_path


def start(command: str, root: Path, front: Front) -> subprocess.Popen[str]:
    """Run a command line in a shell; `python3` is this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        f"exec {command} -url {front.url} --summary summary.json --manifest run.json",
        shell=True,
        cwd=root,
        env=os.environ | CREDENTIALS | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    """What a run printed; it must have delivered everything."""
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, out + err
    assert "Traceback" not in err
    return out


def check(root: Path, front: Front, model: RecordModel = RecordModel.SINGLE) -> dict[str, Any]:
    """Whether summary, requests, moto's table and the fleet agree; gives the summary."""
    summary: dict[str, Any] = json.loads((root / "summary.json").read_bytes())
    said = [record for body in front.bodies for record in merged(body)]
    table = timestreamwrite_backends["123456789012"]["us-east-1"].databases["testDb"]
    held = table.tables["testTable"].records
    own = [record for body in front.bodies for record in body["Records"]]
    assert Counter(map(json.dumps, held)) == Counter(map(json.dumps, own))
    assert len(held) == summary["stored"]["records"] == summary["generated"]["records"]
    assert sum(len(record.values) for record in said) == summary["stored"]["values"]
    assert len(front.bodies) == summary["requests"]["successful"] == summary["requests"]["total"]
    assert Counter(said) == Counter(emitted(root / "run.json", model))
    return summary


def emitted(manifest_path: Path, model: RecordModel) -> Iterator[Record]:
    """What the fleet emits in the run of a manifest."""
    manifest = read_manifest(manifest_path)
    generator = manifest.spec.generator()
    for timestamp in [*manifest.timestamps(), *manifest.unsettled]:
        for batch in generator.batches([timestamp]):
            yield from expected(batch, model)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_lines_of_the_sample_tool(name: str, root: Path, front: Front) -> None:
    began = int(time.time())
    smaller = "" if VALUES[name] in (30, 26_260) else SMALLER
    printed = finish(start(f"{COMMANDS[name]}{smaller} --autostop 1", root, front))
    summary = check(root, front)
    assert summary["stored"]["values"] == summary["stored"]["records"] == VALUES[name]
    assert f"{VALUES[name]:,} records, {VALUES[name]:,} values" in printed
    times = {record.time for body in front.bodies for record in merged(body)}
    assert len(times) == 1
    assert began * 1_000_000 <= times.pop() <= time.time() * 1_000_000
    for body in front.bodies:
        assert (body["DatabaseName"], body["TableName"]) == ("testDb", "testTable")


def test_records_are_as_the_sample_tool_documents_them(root: Path, front: Front) -> None:
    """One host: the example's dimensions, all measures under their names, with their types."""
    finish(start(f"{COMMANDS['one host']} --autostop 1", root, front))
    records = [record for body in front.bodies for record in merged(body)]
    place = {
        "region": "eu-central-1",
        "cell": "eu-central-1-cell-1",
        "silo": "eu-central-1-cell-1-silo-1",
        "availability_zone": "eu-central-1-1",
        "microservice_name": "athena",
        "instance_name": "i-AUa00Zt2-athena-0000.amazonaws.com",
    }
    host = place | {"instance_type": "m5.8xlarge", "os_version": "AL2012"}
    server, manager = (
        place | {"process": name, "jdk_version": "JDK_8"} for name in ("server", "host_manager")
    )
    by_series: dict[tuple, dict[str, str]] = {}
    for record in records:
        ((name, kind, _),) = record.values
        by_series.setdefault(record.dimensions, {})[name] = kind
    events = {
        **dict.fromkeys(["gc_reclaimed", "gc_pause", "memory_free"], "DOUBLE"),
        "task_completed": "BIGINT",
        "task_end_state": "VARCHAR",
    }
    metrics = dict.fromkeys(
        [
            *("cpu_user", "cpu_system", "cpu_iowait", "cpu_steal", "cpu_nice", "cpu_si", "cpu_hi"),
            *("cpu_idle", "memory_used", "memory_free", "memory_cached", "disk_io_read"),
            *("disk_io_write", "disk_used", "disk_free", "file_descriptors_in_use"),
            *("latency_per_read", "latency_per_write", "network_bytes_in", "network_bytes_out"),
        ],
        "DOUBLE",
    )
    assert by_series == {
        tuple(sorted(host.items())): metrics,
        tuple(sorted(server.items())): events,
        tuple(sorted(manager.items())): events,
    }


def test_a_run_without_end_until_ctrl_c(root: Path, front: Front) -> None:
    run = start(COMMANDS["one host"], root, front)
    deadline = time.monotonic() + 60
    while len({body["CommonAttributes"]["Time"] for body in front.bodies}) < 3:
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    finish(run)
    summary = check(root, front)
    assert summary["stored"]["records"] == summary["sweeps"] * 30 >= 90
    times = [int(body["CommonAttributes"]["Time"]) for body in front.bodies]
    assert Counter(times) == dict.fromkeys(times, 2), "two requests a sweep, none in another's"


@pytest.mark.parametrize("model", RecordModel)
def test_missing_values_in_both_models(model: RecordModel, root: Path, front: Front) -> None:
    command = (
        f"python3 {SCRIPT} -d testDb -t testTable -r us-east-1 --include-region us-west-2 "
        f"--missing-cpu 30 --record-model {model} --autostop 2"
    )
    finish(start(command, root, front))
    summary = check(root, front, model)
    assert summary["sweeps"] == 2
    assert 0.85 < summary["stored"]["values"] / (2 * 1_040) < 0.95


def test_help(root: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        f"python3 {SCRIPT} --help-all",
        shell=True,
        cwd=root,
        env=os.environ | {"PATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    )
    for name in (
        *("-h", "--help", "--region", "-r", "--endpoint-url", "-url", "--profile"),
        *("--database-name", "-d", "--table-name", "-t", "--concurrency", "-c", "--host-scale"),
        *("-s", "--include-region", "--include-ms", "--missing-cpu", "--sin-signal-cpu"),
        *("--sin-frq-cpu", "--saw-signal-cpu", "--saw-frq-cpu", "--seed", "--autostop"),
        "--dry-run",
    ):
        assert f"{name} " in run.stdout.replace(",", " ")
