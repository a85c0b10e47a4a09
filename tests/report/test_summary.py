"""Summaries and logs, of real runs and of made-up ones."""

import json
import re
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from docs.schema import PAGE
from fleetstream.fleet import Fleet
from fleetstream.report.run import Run
from fleetstream.workload import Workload

from fleetstream.generate.choices import RecordModel
from fleetstream.report import log
from fleetstream.report.history import recorded
from fleetstream.report.log import LogFormat, logged
from fleetstream.report.summary import Summary, show_summary, summarise, write_summary
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.run.manifest import read_manifest
from fleetstream.run.undelivered import Losses
from fleetstream.targets.null import NullSink
from tests.terminal import FLEETSTREAM

SCHEMA = json.loads(PAGE.read_bytes())
FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)(?: |$)')


def ingest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETSTREAM, "ingest", *arguments], cwd=folder, capture_output=True, text=True
    )


def made_up() -> tuple[Run, Ledger, Losses]:
    """A run in which everything happened that can."""
    workload = Workload(Fleet(1, ["eu-central-1"]), 7)
    commands = ("fleetstream x", "fleetstream verify x.json")
    run = Run(workload, NullSink(RecordModel.SINGLE), RecordModel.SINGLE, 3, *commands, 0.5)
    ledger = Ledger()
    ledger.generated(Tally(1_000, 1_000))
    ledger.stored(Tally(900, 900))
    ledger.rejected("too [old]", Tally(40, 40))
    ledger.undelivered("no answer in time", Tally(60, 60))
    ledger.attempted(0.02, size=5_000_000, writes=3_000_000, success=True)
    ledger.attempted(0.04, size=5_000_000, writes=0, success=False)
    ledger.throttled()
    ledger.failed("connection cut")
    ledger.disordered("late", 30)
    ledger.disordered("duplicate", 20)
    ledger.swept(1_795_000_000_000_000)
    lost = Counter({1_795_000_000_000_000 + second * 1_000_000: 2 for second in range(25)})
    losses = Losses([Path("kept/metrics-1-2.parquet")], lost, "kept: No space left on device")
    return run, ledger, losses


def test_summary_of_a_run_is_as_its_schema_says(tmp_path: Path) -> None:
    options = ("--autostop", "2", "--include-region", "eu-central-1", "--seed", "7")
    result = ingest(tmp_path, *options, "--summary", "summary.json")
    assert result.returncode == 0
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    jsonschema.validate(summary, SCHEMA)
    assert summary["sweeps"] == 2
    assert summary["stored"] == {"records": 520, "values": 520, "reasons": {}}
    assert summary["requests"]["latency"]["p50"] > 0
    assert summary["fleet"]["regions"] == ["eu-central-1"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**summary, "sweeps": -1}, SCHEMA)
    del summary["seed"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(summary, SCHEMA)


def test_summary_of_a_bad_run_is_too(tmp_path: Path) -> None:
    run, ledger, losses = made_up()
    summary = summarise(run, ledger, "no request has succeeded for 300 s", losses)
    write_summary(tmp_path / "summary.json", summary)
    written = json.loads((tmp_path / "summary.json").read_bytes())
    jsonschema.validate(written, SCHEMA)
    assert written["requests"]["cost"] == 1.5
    assert written["rejected"]["reasons"] == {"too [old]": 40}
    assert len(written["lost"]) == 25
    parts = ("stored", "rejected", "undelivered")
    assert sum(written[part]["records"] for part in parts) == written["generated"]["records"]


def test_people_are_told_everything(capsys: pytest.CaptureFixture[str]) -> None:
    run, ledger, losses = made_up()
    show_summary(summarise(run, ledger, "no request has succeeded for 300 s", losses))
    text = capsys.readouterr().out
    for line in (
        "Target         nothing (null:)",
        "Fleet          10 hosts, 12 processes",
        "Seed           7",
        "Requests       2 total, 1 successful",
        "Request times  mean 30.0 ms, sd 10.0 ms",
        "Sent           10.0 MB",
        "Metered writes 3,000,000 of 1 KiB, $1.50 at $0.50 a million",
        "Retried        1 × connection cut, 1 × throttled",
        "Disorder       20 records duplicate, 30 records late",
        "Rejected       40 records, 40 values",
        "Undelivered    60 records, 60 values",
        "Rejected: 40 records: too [old]",
        "Undelivered: 60 records: no answer in time",
        "The run was ended: no request has succeeded for 300 s",
    ):
        assert line in text.splitlines()
    assert re.search(r"^Delivered      900 records, 900 values \([\d,]+ records/s\)$", text, re.M)
    assert "They are kept in kept; `fleetstream replay kept`" in text
    assert "Lost: 50 rows" in text
    assert "1795000019 and 5 more." in text
    assert "Repeat it:\n  fleetstream x\n" in text
    assert "Verify it:\n  fleetstream verify x.json\n" in text


@pytest.mark.parametrize(
    "options",
    [
        ("--missing-cpu", "100", "--sin-signal-cpu=20"),
        ("--seed=9", "--record-model", "multi", "--to", "duckdb:it's here.duckdb"),
    ],
)
def test_the_command_repeats_the_run(tmp_path: Path, options: Sequence[str]) -> None:
    small = ("--include-region", "eu-central-1", "--autostop", "1")
    assert ingest(tmp_path, *small, *options, "--summary", "1.json").returncode == 0
    first = json.loads((tmp_path / "1.json").read_bytes())
    shell = first["command"].replace("1.json", "2.json")
    subprocess.run(["bash", "-c", shell], cwd=tmp_path, check=True, capture_output=True)
    second = json.loads((tmp_path / "2.json").read_bytes())
    for same in ("seed", "target", "fleet", "record_model", "generated", "sweeps"):
        assert first[same] == second[same], same
    manifests = [read_manifest(path) for path in sorted(tmp_path.glob("fleetstream-*.json"))]
    assert len(manifests) == 2
    assert manifests[0].signal == manifests[1].signal
    assert manifests[0].missing_cpu == manifests[1].missing_cpu


def test_the_command_of_a_resumed_run_says_what_its_manifest_says(tmp_path: Path) -> None:
    options = ("--include-region", "eu-central-1", "--saw-signal-cpu", "10", "--seed", "3")
    assert ingest(tmp_path, *options, "--autostop", "1", "--manifest", "run.json").returncode == 0
    result = ingest(tmp_path, "-c", "3", "--resume", "run.json", "--summary", "s.json")
    assert result.returncode == 0
    command = shlex.split(json.loads((tmp_path / "s.json").read_bytes())["command"])
    said = dict(zip(command[2::2], command[3::2], strict=True))
    assert said["--include-region"] == "eu-central-1"
    assert said["--saw-signal-cpu"] == "10.0"
    assert said["--seed"] == "3"
    assert said["-c"] == "3"
    assert "--resume" not in said


def lines_of(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that a log writes, read again."""
    run, ledger, _ = made_up()
    with recorded(ledger) as record, logged(run, record, log_format, "http://localhost/metrics"):
        time.sleep(3 * log.EVERY)
    text = capsys.readouterr().err
    if log_format == "json":
        return [json.loads(line) for line in text.splitlines()]
    lines = []
    for line in text.splitlines():
        assert FIELD.sub("", line) == "", line
        lines.append({name: value.strip('"') for name, value in FIELD.findall(line)})
    return lines


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_lines_can_be_read_again(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "EVERY", 0.4)
    started, *progress = lines_of(log_format, capsys)
    assert len(progress) >= 2
    assert started["event"] == "started"
    assert started["target"] == "nothing (null:)"
    assert started["metrics_url"] == "http://localhost/metrics"
    for line in progress:
        assert line["event"] == "progress"
        assert line["level"] == "info"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
        assert line["sweep_time"] == "2026-11-18T11:06:40Z"
        assert int(line["stored_values"]) == 900
        assert int(line["throttled_requests"]) == 1
        assert float(line["latency_p50_seconds"]) == pytest.approx(0.02, rel=0.01)


def test_json_logs_end_with_the_summary(tmp_path: Path) -> None:
    options = ("--autostop", "1", "--include-region", "eu-central-1", "--log-format", "json")
    result = ingest(tmp_path, *options)
    assert result.stdout == ""
    finished = json.loads(result.stderr.splitlines()[-1])
    assert finished["event"] == "finished"
    jsonschema.validate(finished["summary"], SCHEMA)
    assert Summary.__struct_fields__ == tuple(finished["summary"])
