"""Estimates against the ledgers of real runs, and samples against full counts."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from fleetstream.targets.timestream.estimate import TimestreamLoad, estimate
from tests.emulator_process import EmulatorProcess
from tests.telemetry import generator
from tests.terminal import FLEETSTREAM

DATABASE, TABLE = "fleet", "telemetry"

TWO_PROCESSES = ("--processes", "2")

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
        ("--include-region", "us-west-2", "--missing-cpu", "30", *TWO_PROCESSES),
        ("--include-region", "us-west-2", "--start", "-90m", "--interval", "1m"),
        ("--include-region", "us-west-2", "--start", "-90m", "--interval", "1m", *TWO_PROCESSES),
    ],
)
def test_agrees_with_the_ledger_of_a_run(
    server: EmulatorProcess, tmp_path: Path, options: Sequence[str]
) -> None:
    target = ("-d", DATABASE, "-t", TABLE, "-r", "us-east-1", "-url", server.url)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    report = tmp_path / "summary.json"
    live = () if "--start" in options else ("--autostop", "2")
    command = [FLEETSTREAM, "ingest", *live, "--summary", str(report)]
    subprocess.run(
        [*command, "--manifest", "run.json", *target, *options],
        cwd=tmp_path,
        env=os.environ | keys,
        check=True,
        capture_output=True,
    )
    summary = json.loads(report.read_bytes())
    manifest = read_manifest(tmp_path / "run.json")
    spec = manifest.spec
    made = spec.generator()
    processes = 2 if "--processes" in options else 1
    found = estimate(
        made,
        spec.record_model,
        DATABASE,
        TABLE,
        list(manifest.timestamps()),
        batch_timestamps=None if live else made.timestamps_per_batch(processes),
        processes=processes,
    )
    requests = summary["requests"]
    assert found.total == TimestreamLoad(
        requests=requests["total"],
        records=summary["stored"]["records"],
        values=summary["stored"]["values"],
        bytes_sent=requests["bytes_sent"],
        metered_writes=requests["metered_writes"],
    )
    assert found.margin == TimestreamLoad(0, 0, 0, 0, 0)
    assert summary["stored"] == summary["generated"]


@pytest.mark.parametrize("batch_timestamps", [None, 5])
def test_a_sample_is_as_close_as_it_says(
    batch_timestamps: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = 0
    for seed in range(8):
        made = generator(1, seed, ["us-west-2"], ["athena"], missing_percent=20)
        options = (made, RecordModel.SINGLE, "", "", SWEEPS)
        exact = estimate(*options, batch_timestamps=batch_timestamps)
        monkeypatch.setattr("fleetstream.targets.timestream.estimate.MOST_SAMPLES", 12)
        sampled = estimate(*options, batch_timestamps=batch_timestamps)
        monkeypatch.undo()
        assert exact.generated == len(SWEEPS)
        assert sampled.generated == 12 * (batch_timestamps or 1)
        assert exact.margin == TimestreamLoad(0, 0, 0, 0, 0)
        assert 0 < sampled.margin.records < exact.total.records / 10
        held += abs(sampled.total.records - exact.total.records) <= sampled.margin.records
    assert held >= 7  # of 8, where 95 % are expected


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
