"""Estimates against the ledgers of real runs, and samples against full counts."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from fleetstream.targets.timestream.estimate import Estimate, TimestreamLoad, estimate
from tests.servers.emulator_process import EmulatorProcess
from tests.telemetry import generator
from tests.terminal import FLEETSTREAM

DATABASE = "fleet"

DISORDER = ("--duplicate", "20%", "--late", "10%:5m", "--out-of-order", "5%")

TWO_PROCESSES = ("--processes", "2")

SWEEPS = range(1_795_000_000_000_000, 1_795_000_100_000_000, 1_000_000)


@pytest.fixture(scope="module")
def server(emulator: EmulatorProcess) -> EmulatorProcess:
    emulator.write.create_database(DatabaseName=DATABASE)
    return emulator


REGION = ("--include-region", "us-west-2")
HISTORY = ("--start", "-40m", "--interval", "1m")


@pytest.mark.parametrize(
    "options",
    [
        (*REGION, *HISTORY),
        (*REGION, *HISTORY, "--record-model", "multi"),
        pytest.param(
            (*REGION, *HISTORY, "--missing-cpu", "30", *TWO_PROCESSES), marks=pytest.mark.slow
        ),
        pytest.param((*REGION, *HISTORY, *DISORDER), marks=pytest.mark.slow),
        ("--include-region", "eu-central-1", "--include-ms", "athena", *HISTORY),
    ],
)
def test_a_history_is_estimated_exactly(
    server: EmulatorProcess, tmp_path: Path, options: Sequence[str]
) -> None:
    found, sent = estimated_and_sent(server, tmp_path, options)
    assert found.total == sent
    assert found.margin == TimestreamLoad(0, 0, 0, 0, 0)


def test_a_live_run_sends_no_more_than_estimated(server: EmulatorProcess, tmp_path: Path) -> None:
    """Fewer requests where it falls behind, and sends the rest of a sweep with the next."""
    options = (*REGION, "--autostop", "2", "--record-model", "multi")
    found, sent = estimated_and_sent(server, tmp_path, options)
    assert (found.total.records, found.total.values) == (sent.records, sent.values)
    assert found.total.requests - 2 <= sent.requests <= found.total.requests
    assert sent.bytes_sent == pytest.approx(found.total.bytes_sent, rel=0.1)


def estimated_and_sent(
    server: EmulatorProcess, folder: Path, options: Sequence[str]
) -> tuple[Estimate, TimestreamLoad]:
    """The estimate of a run, and the ledger of that run, which must have stored everything."""
    table = folder.name
    server.write.create_table(DatabaseName=DATABASE, TableName=table)
    target = ("-d", DATABASE, "-t", table, "-r", "us-east-1", "-url", server.url)
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    files = ("--summary", "summary.json", "--manifest", "run.json")
    subprocess.run(
        [FLEETSTREAM, "ingest", *files, *target, *options],
        cwd=folder,
        env=os.environ | keys,
        check=True,
        capture_output=True,
    )
    summary = json.loads((folder / "summary.json").read_bytes())
    assert summary["stored"] == summary["generated"]
    manifest = read_manifest(folder / "run.json")
    made = manifest.spec.generator()
    processes = manifest.spec.processes
    is_history = manifest.spec.start is not None
    found = estimate(
        made,
        manifest.spec.record_model,
        DATABASE,
        table,
        list(manifest.timestamps()),
        disorder=manifest.spec.disorder,
        batch_timestamps=made.timestamps_per_batch(processes) if is_history else None,
        processes=processes,
    )
    requests = summary["requests"]
    return found, TimestreamLoad(
        requests=requests["total"],
        records=summary["stored"]["records"],
        values=summary["stored"]["values"],
        bytes_sent=requests["bytes_sent"],
        metered_writes=requests["metered_writes"],
    )


@pytest.mark.parametrize("batch_timestamps", [None, 5])
def test_billions_of_sweeps_take_no_longer_than_a_sample(
    batch_timestamps: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetstream.targets.timestream.estimate.MOST_SAMPLES", 12)
    made = generator(1, 7, ["us-west-2"], ["athena"])
    sweeps = range(0, 86_400_000_000 * 1_000_000, 1_000_000)
    found = estimate(made, RecordModel.MULTI, "", "", sweeps, batch_timestamps=batch_timestamps)
    assert found.sweeps == 86_400_000_000
    assert found.generated == 12 * (batch_timestamps or 1)
    assert found.total.values == 86_400_000_000 * made.values_per_sweep


@pytest.mark.slow
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
