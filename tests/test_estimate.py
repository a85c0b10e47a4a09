"""Estimates against the ledgers of real runs, and against themselves."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from fleetstream.targets.timestream.estimate import Load, Table, estimate
from tests.emulator_process import EmulatorProcess
from tests.terminal import FLEETSTREAM

DATABASE, TABLE = "fleet", "telemetry"

SWEEPS = range(1_795_000_000_000_000, 1_795_000_100_000_000, 1_000_000)


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorProcess]:
    with EmulatorProcess() as local:
        local.write.create_database(DatabaseName=DATABASE)
        local.write.create_table(DatabaseName=DATABASE, TableName=TABLE)
        yield local


@pytest.mark.parametrize(
    "options",
    [
        ("--include-region", "us-west-2,eu-central-1"),
        ("--include-region", "us-west-2", "--record-model", "multi"),
        ("--include-region", "eu-central-1", "--include-ms", "athena"),
        ("--include-region", "us-west-2", "--missing-cpu", "30", "--processes", "2"),
    ],
)
def test_agrees_with_the_ledger_of_a_run(
    server: EmulatorProcess, tmp_path: Path, options: Sequence[str]
) -> None:
    target = ("-d", DATABASE, "-t", TABLE, "-r", "us-east-1", "-url", server.url)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    report = tmp_path / "summary.json"
    command = [FLEETSTREAM, "ingest", "--autostop", "2", "--summary", str(report)]
    subprocess.run(
        [*command, "--manifest", "run.json", *target, *options],
        cwd=tmp_path,
        env=os.environ | keys,
        check=True,
        capture_output=True,
    )
    summary = json.loads(report.read_bytes())
    manifest = read_manifest(tmp_path / "run.json")
    found = estimate(
        manifest.workload(),
        manifest.record_model,
        Table(DATABASE, TABLE),
        list(manifest.timestamps()),
        processes=2 if "--processes" in options else 1,
    )
    requests = summary["requests"]
    assert found.total == Load(
        requests=requests["total"],
        records=summary["stored"]["records"],
        values=summary["stored"]["values"],
        bytes_sent=requests["bytes_sent"],
        metered_writes=requests["metered_writes"],
    )
    assert found.margin == Load(0, 0, 0, 0, 0)
    assert summary["stored"] == summary["generated"]


def test_a_sample_is_as_close_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    held = 0
    for seed in range(8):
        workload = Workload(Fleet(1, ["us-west-2"], ["athena"]), seed, missing_cpu=20)
        exact = estimate(workload, RecordModel.SINGLE, Table("", ""), SWEEPS)
        monkeypatch.setattr("fleetstream.targets.timestream.estimate.MOST_SWEEPS", 12)
        sampled = estimate(workload, RecordModel.SINGLE, Table("", ""), SWEEPS)
        monkeypatch.undo()
        assert (exact.generated, sampled.generated) == (len(SWEEPS), 12)
        assert exact.margin == Load(0, 0, 0, 0, 0)
        assert 0 < sampled.margin.records < exact.total.records / 10
        held += abs(sampled.total.records - exact.total.records) <= sampled.margin.records
    assert held >= 7  # 95 % are to be


def tell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FLEETSTREAM, "estimate", *arguments], capture_output=True, text=True)


def test_command_tells_both_models_and_their_price() -> None:
    options = ("--seed", "7", "--autostop", "2", "--start", "2026-11-01", "--write-price", "2")
    document = json.loads(tell(*options, "--format", "json").stdout)
    single, multi = document["single"], document["multi"]
    assert single["total"]["values"] == multi["total"]["values"] == 2 * 26_260
    assert single["total"]["records"] == 2 * 26_260
    assert multi["total"]["records"] == 2 * (1_010 + 1_212)
    assert single["cost"] == pytest.approx(single["total"]["metered_writes"] * 2e-6)
    assert multi["cost"] < single["cost"] / 3

    text = tell(*options).stdout
    for figure in (*single["total"].values(), multi["total"]["metered_writes"]):
        assert f"{figure:,}" in text or figure == single["total"]["bytes_sent"]
    assert "at $2.00 (as given)" in text


def test_a_month_says_what_is_not_exact() -> None:
    text = tell("--for", "30d", "--seed", "7").stdout
    assert "Counted in 114 of 2,592,000 sweeps" in text
    assert "metered writes ±" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--for", "1h", "--autostop", "3"), "Both --for and --autostop say how much"),
        (("--for", "0"), "shorter than a second"),
        (("--start", "yesterday"), "'yesterday' is not a time; write it like 2026-11-01T00:00:00Z"),
        (("--to", "null:"), "Only writes to Amazon Timestream are metered"),
        (("--write-price", "-1"), "-1 is no price"),
    ],
)
def test_bad_input_gets_a_sentence(arguments: Sequence[str], sentence: str) -> None:
    result = tell(*arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
