"""Runs into real servers of line protocol, and what keeps runs from them."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import requests

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import kind_of
from fleetstream.targets.registry import TargetOptions
from tests.servers.influx_server import InfluxDB
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.commands import SMALL, STRETCH, await_, exit_code
from tests.targets.influx_recorder import recording
from tests.targets.test_contract import NOW, history, opened, sweeps, write
from tests.terminal import FLEETSTREAM
from tests.wire import expected


def test_a_real_server_tells_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measure that the database has as text is refused; all other measures are stored."""
    monkeypatch.chdir(tmp_path)
    with InfluxDB(tmp_path) as server:
        requests.post(
            f"{server.url}/write?db=fleet&precision=u",
            f'cpu_user,host=x value="text" {1_793_491_200 * 1_000_000}',
            timeout=30,
        ).raise_for_status()
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--summary", "summary.json")
        assert main(["ingest", *SMALL, *STRETCH, *target]) == 1
        summary = json.loads((tmp_path / "summary.json").read_bytes())
        assert summary["rejected"]["records"] == 30
        assert summary["stored"]["records"] == 3 * 260 - 30
        (reason,) = summary["rejected"]["reasons"]
        assert "field type conflict" in reason
        assert server.query("SELECT count(value) FROM cpu_idle")[0]["values"][0][1] == 30


@pytest.mark.parametrize("model", RecordModel)
def test_victoria_metrics_takes_every_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: RecordModel,
) -> None:
    """It names series after measurement and field, and has the database as a label."""
    monkeypatch.chdir(tmp_path)
    batches = [*history(3), *sweeps(1)]
    with VictoriaMetrics(tmp_path) as server:
        options = TargetOptions(to=f"influx:{server.url}", database_name="fleet")
        with opened(options, model) as sink:
            assert not any(delivery.rejections for _, delivery in write(sink, batches * 2))
            hint = shlex.split(sink.query_hint() or "")
        requests.get(f"{server.url}/internal/force_flush", timeout=30).raise_for_status()
        lines = requests.get(
            f"{server.url}/api/v1/export", {"match[]": '{db="fleet"}'}, timeout=30
        ).text.splitlines()
        answer = json.loads(subprocess.check_output([*hint, "-d", f"time={NOW // 1_000_000}"]))
        target = ("--to", str(options.to), "-d", "fleet")
        assert main(["verify", *target, *SMALL, *STRETCH]) == 3
        assert "has no InfluxQL to read back with" in capsys.readouterr().err
        assert main(["ingest", *target, *SMALL, "--autostop", "1"]) == 0
        printed = capsys.readouterr().out
        assert "Query it" in printed
        assert "Verify it" not in printed
        assert main(["ingest", "--to", f"{options.to}?version=3", *target[2:]]) == 3
        assert "is VictoriaMetrics, which has no API of InfluxDB 3" in capsys.readouterr().err
    found = []
    for series in map(json.loads, lines):
        labels = series["metric"]
        name = labels.pop("__name__")
        assert labels.pop("db") == "fleet"
        for stamp, value in zip(series["timestamps"], series["values"], strict=True):
            found.append((tuple(sorted(labels.items())), name, stamp * 1_000, value))
    single = model is RecordModel.SINGLE
    wanted = [
        (
            each.dimensions,
            f"{name}_value" if single else f"{kind_of(batch.schema)}_{name}",
            each.time,
            0.0 if data_type == "VARCHAR" else float(value),
        )
        for batch in batches
        for each in expected(batch, RecordModel.SINGLE)
        for name, data_type, value in each.values
    ]
    assert sorted(found) == sorted(wanted)
    assert len(answer["data"]["result"]) == 1


def test_what_could_not_be_delivered_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server is killed in mid-run; what it missed is in it after a replay, and all else."""
    options = ("--give-up-after", "1s", "--interval", "250ms", "--manifest", "run.json")
    with InfluxDB(tmp_path) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet")
        run = subprocess.Popen(
            [FLEETSTREAM, "ingest", *SMALL, *target, *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        await_(lambda: bool(server.query("SELECT value FROM cpu_user LIMIT 1")))
        server.kill()
        printed, _ = run.communicate(timeout=60)
    assert run.returncode == 1, printed
    assert "connection refused" in printed
    undelivered = tmp_path / "fleetstream-undelivered"
    with InfluxDB(tmp_path) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet")
        assert main(["verify", str(tmp_path / "run.json"), *target]) in (0, 1)
        assert main(["replay", str(undelivered), *target]) == 0
        assert not undelivered.exists()
        assert main(["verify", str(tmp_path / "run.json"), *target]) == 0
    assert capsys.readouterr().out.endswith("It matches.\n")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, 3),
        ({"INFLUX_USERNAME": "admin", "INFLUX_PASSWORD": "wrong"}, 3),
        ({"INFLUX_TOKEN_FILE": "/nowhere"}, 3),
        ({"INFLUX_USERNAME": "admin", "INFLUX_PASSWORD": "secret"}, 0),
    ],
)
def test_credentials(tmp_path: Path, environment: dict[str, str], code: int) -> None:
    with InfluxDB(tmp_path, users=True) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--report", "report.html")
        run = subprocess.run(
            [
                FLEETSTREAM,
                "ingest",
                *SMALL,
                *STRETCH,
                *target,
                "--summary",
                "summary.json",
                "--processes",
                "2",
            ],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
    assert run.returncode == code, run.stderr
    if code:
        assert re.search("set INFLUX_TOKEN|INFLUX_TOKEN_FILE names '/nowhere'", run.stderr)
    else:
        written = run.stdout + run.stderr + (tmp_path / "report.html").read_text()
        written += (tmp_path / "summary.json").read_text()
        written += (tmp_path / "fleetstream-7.json").read_text()
        assert "secret" not in written
        assert "YWRtaW46c2VjcmV0" not in written


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("influx:", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:8086", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:ftp://x", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:http://127.0.0.1:1",), 2, "needs --database-name"),
        (("influx:http://me:pw@127.0.0.1:1", "-d", "x"), 2, "leave it out, and set INFLUX_TOKEN"),
        (("influx:http://127.0.0.1:1?token=t", "-d", "x"), 2, "leave it out, and set"),
        (("influx:http://127.0.0.1:1?version=4", "-d", "x"), 2, "no version '4'"),
        (("influx:http://127.0.0.1:1?what=4", "-d", "x"), 2, "but not 'what'"),
        (("influx:http://127.0.0.1:1", "-d", "x", "-r", "r"), 2, "--region has no meaning"),
        (("influx:http://h", "-d", "x", "--read-url", "h:1"), 2, "--read-url 'h:1' is not the URL"),
        (("influx:http://h", "-d", "x", "--read-url", "http://u:p@h"), 2, "--read-url contains a"),
        (
            ("influx:http://127.0.0.1:1", "-d", "x"),
            3,
            "does not answer as InfluxDB does (connection refused)",
        ),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to, *rest = arguments
    assert exit_code("ingest", "--autostop", "1", "--to", to, *rest) == code
    assert sentence in capsys.readouterr().err


def test_what_may_keep_amazons_influxdb_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its endpoints are in a VPC. A proxy that is not there stands for the way to it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = "http://c5vasdqn0b-3ksj4dla5nfjhi.timestream-influxdb.us-east-1.on.aws:8086"
    assert main(["ingest", "--to", f"influx:{url}", "-d", "fleet"]) == 3
    assert "in the VPC of the database unless" in capsys.readouterr().err


def test_a_run_is_verified_at_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As at the read-only endpoint of a cluster, which the manifest names."""
    monkeypatch.chdir(tmp_path)
    with InfluxDB(tmp_path) as server, recording() as writer:
        reading = server.url.replace("127.0.0.1", "localhost")
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--read-url", reading)
        assert main(["ingest", *SMALL, *STRETCH, *target]) == 0
        assert f"curl -s '{reading}/query?db=fleet" in capsys.readouterr().out
        assert main(["verify", "fleetstream-7.json"]) == 0
        assert f"InfluxDB, fleet at {reading}" in capsys.readouterr().out
        elsewhere = ("--to", f"influx:{writer.url}", "--read-url", writer.url)
        assert main(["verify", "fleetstream-7.json", *elsewhere, "-d", "fleet"]) == 3
        assert writer.url in capsys.readouterr().err


def test_a_database_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with InfluxDB(tmp_path) as server:
        assert main(["ingest", "--to", f"influx:{server.url}", "-d", "other"]) == 3
    assert "create it with: influx -execute 'CREATE DATABASE \"other\"'" in capsys.readouterr().err
