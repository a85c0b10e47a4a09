"""Summaries, of real runs and of made-up ones."""

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from docs.building.schema import PAGE

from fleetstream.report.summary import (
    Summary,
    show_replay_summary,
    show_summary,
    summarise,
    write_summary,
)
from fleetstream.run.ledger import Ledger
from fleetstream.run.manifest import read_manifest
from fleetstream.run.undelivered import Kept
from tests.report.runs import DiscardingSink, deliver, eventful, facts
from tests.telemetry import TIMESTAMP
from tests.terminal import FLEETSTREAM

SCHEMA = json.loads(PAGE.read_bytes())
REASON = "no request has succeeded for 300 s"


def ingest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETSTREAM, "ingest", *arguments], cwd=folder, capture_output=True, text=True
    )


def summary_of_everything() -> Summary:
    ledger, kept = eventful()
    return summarise(facts(), ledger, REASON, kept)


def text_of(summary: Summary, capsys: pytest.CaptureFixture[str]) -> str:
    show_summary(summary)
    return capsys.readouterr().out


def test_the_summary_of_a_run_follows_its_schema(tmp_path: Path) -> None:
    options = ("--autostop", "2", "--include-region", "eu-central-1", "--seed", "7")
    result = ingest(tmp_path, *options, "--summary", "summary.json")
    assert result.returncode == 0
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    jsonschema.validate(summary, SCHEMA)
    assert summary["sweeps"] == 2
    assert summary["stored"] == {"records": 520, "values": 520, "reasons": {}}
    assert summary["requests"]["latency"]["p50"] > 0
    assert summary["requests"]["bytes_sent"] is None
    assert summary["requests"]["cost"] is None
    assert summary["fleet"] == {
        "model": "aws-devops",
        "parameters": {"host_scale": 1},
        "include": {"region": ["eu-central-1"]},
        "exclude": {},
        "series": {"hosts": 10, "processes": 12},
        "values_per_sweep": 260,
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**summary, "sweeps": -1}, SCHEMA)
    del summary["seed"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(summary, SCHEMA)


def test_the_summary_of_a_bad_run_follows_it_too(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", summary_of_everything())
    written = json.loads((tmp_path / "summary.json").read_bytes())
    jsonschema.validate(written, SCHEMA)
    assert written["requests"]["cost"] == 1.5
    assert written["rejected"]["reasons"] == {"too [old]": 40}
    assert written["unchanged"] == 140
    assert len(written["lost"]) == 25
    parts = ("stored", "rejected", "undelivered")
    assert sum(written[part]["records"] for part in parts) == written["generated"]["records"]


def test_people_see_everything(capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of(summary_of_everything(), capsys)
    for line in (
        "Target         nothing",
        "Fleet          10 hosts, 12 processes",
        "Seed           7",
        "Requests       2 total, 0 successful",
        "Request times  mean 2.93 s, sd 2.91 s",
        "Percentiles    p50 20 ms, p90 5.84 s, p99 5.84 s, max 5.84 s",
        "Duplicates     140 of these records, which the target had already",
        "Sent           10.0 MB",
        "Metered writes 3,000,000 of 1 KiB, $1.50 at $0.50 per million",
        "Retried        1 × connection cut, 1 × throttled",
        "Disorder       20 records duplicate, 30 records late",
        "Rejected       40 records, 40 values",
        "Undelivered    60 records, 60 values",
        "Rejected: 40 records: too [old]",
        "Undelivered: 60 records: no answer in time",
        f"The run was ended: {REASON}",
    ):
        assert line in text.splitlines()
    assert re.search(r"^Delivered      900 records, 900 values \([\d,]+ records/s\)$", text, re.M)
    assert "They are kept in kept.\n" in text
    assert "Deliver the rest:\n  fleetstream replay kept\n" in text
    assert "Lost: 50 rows" in text
    assert "1700000019 and 5 more." in text
    assert "Repeat it:\n  fleetstream x\n" in text
    assert "Query it:\n  cat nothing\n" in text
    assert "Verify it:\n  fleetstream verify x.json\n" in text


def test_a_run_that_was_stopped_can_be_continued(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger()
    ledger.swept(3, TIMESTAMP)
    for sweeps, text in ((5, "3 of 5 sweeps"), (3, "3 sweeps"), (None, "3 sweeps")):
        summary = summarise(facts(sweeps=sweeps), ledger, None, Kept())
        printed = text_of(summary, capsys)
        assert f", {text}\n" in printed
        unfinished = sweeps == 5
        assert ("Continue it:\n  fleetstream ingest --resume x.json\n" in printed) is unfinished


def test_figures_that_a_target_does_not_have_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = Ledger()
    deliver(ledger, 10)
    text = text_of(summarise(facts(), ledger, None, Kept()), capsys)
    for name in ("Sent", "Metered writes", "Duplicates", "Deliver the rest"):
        assert name not in text
    assert "mean 10 ms" in text


def test_the_null_target_has_no_latency(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger()
    deliver(ledger, 10)
    summary = summarise(facts(has_latency=False), ledger, None, Kept())
    assert summary.requests.latency is None
    text = text_of(summary, capsys)
    assert "1 total, 1 successful" in text
    assert "Request times" not in text
    assert "Percentiles" not in text


def test_a_replay_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    ledger, _ = eventful()
    show_replay_summary(DiscardingSink(), ledger, REASON, ["x.parquet is broken."], 2)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Delivered: 900 records, 900 values \([\d,]+ .*\) to nothing\.", lines[0])
    assert lines[1:] == [
        "Rejected: 40 records: too [old]",
        "Undelivered: 60 records: no answer in time",
        "x.parquet is broken.",
        f"The replay was ended: {REASON}",
        "2 files are left.",
    ]


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
    # The summary's path is not among the options of a run.
    shell = f"{first['command']} --summary 2.json --manifest 2-manifest.json"
    subprocess.run(["bash", "-c", shell], cwd=tmp_path, check=True, capture_output=True)
    second = json.loads((tmp_path / "2.json").read_bytes())
    for same in ("seed", "target", "fleet", "record_model", "generated", "sweeps"):
        assert first[same] == second[same], same
    specs = [
        read_manifest(path).spec
        for path in (*tmp_path.glob("fleetstream-*.json"), tmp_path / "2-manifest.json")
    ]
    assert len(specs) == 2
    assert specs[0].signal == specs[1].signal
    assert specs[0].missing_cpu == specs[1].missing_cpu


def test_the_command_of_a_resumed_run_has_the_options_of_its_manifest(tmp_path: Path) -> None:
    options = ("--include-region", "eu-central-1", "--saw-signal-cpu", "10", "--seed", "3")
    assert ingest(tmp_path, *options, "--autostop", "1", "--manifest", "run.json").returncode == 0
    result = ingest(tmp_path, "-c", "3", "--resume", "run.json", "--summary", "s.json")
    assert result.returncode == 0
    command = shlex.split(json.loads((tmp_path / "s.json").read_bytes())["command"])
    values = dict(zip(command[2::2], command[3::2], strict=True))
    assert values["--include-region"] == "eu-central-1"
    assert float(values["--saw-signal-cpu"].removesuffix("%")) == 10
    assert values["--seed"] == "3"
    assert "--resume" not in values


def test_duplicates_are_counted_by_the_target(tmp_path: Path) -> None:
    options = ("--autostop", "2", "--include-region", "eu-central-1", "--duplicate", "20%")
    result = ingest(tmp_path, *options, "--summary", "summary.json")
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_bytes())
    duplicates = summary["disorder"]["duplicate"]
    assert summary["stored"]["records"] == 520 + duplicates
    assert summary["unchanged"] == duplicates > 0
    assert f"Duplicates     {duplicates:,} of these records" in result.stdout
