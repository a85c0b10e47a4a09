"""The labels beside a run: of the sweeps that it made, however it ends."""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fleetstream
from fleetstream.cli import main
from tests.terminal import FLEETSTREAM

SHOP = ("--model", "web-shop", "--seed", "7", "--set", "instances=1", "--manifest", "run.json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ids(path: str = "labels.json") -> list[str]:
    rows: list[dict[str, Any]] = json.loads(Path(path).read_bytes())
    return [row["id"] for row in rows]


def ids_of_run() -> list[str]:
    found: list[str] = fleetstream.labels("run.json")["id"].to_pylist()
    return found


def started(*arguments: str) -> subprocess.Popen[bytes]:
    command = [FLEETSTREAM, "ingest", *SHOP, "--to", "null:", "--labels", "labels.json", "--quiet"]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def swept() -> int:
    """How many sweeps the manifest names."""
    manifest = fleetstream.read_manifest(Path("run.json"))
    return manifest.sweeps + len(manifest.unsettled)


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_labels_of_a_run_are_those_of_its_manifest(suffix: str) -> None:
    day = ("--start", "2026-11-02", "--end", "2026-11-02T06:00:00Z", "--interval", "10m")
    run = (*SHOP, *day, "--to", "null:", "--labels", f"labels.{suffix}")
    assert main(["ingest", *run]) == 0
    assert main(["labels", "run.json", "--out", f"same.{suffix}"]) == 0
    assert Path(f"labels.{suffix}").read_bytes() == Path(f"same.{suffix}").read_bytes()
    assert len(ids_of_run()) > 5


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_run_that_is_stopped_has_the_labels_of_its_sweeps(processes: str) -> None:
    run = started("--interval", "20ms", "--processes", processes)
    wait_until(lambda: Path("run.json").exists() and swept() > 2)
    assert not Path("labels.json").exists()
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 0
    assert ids() == ids_of_run()


def test_a_history_has_its_labels_when_it_begins_and_in_the_end_those_of_what_was_written() -> None:
    year = ("--start", "2025-11-02", "--end", "2026-11-02", "--interval", "10s")
    run = started(*year)
    wait_until(lambda: Path("run.json").exists() and Path("labels.json").exists())
    planned = fleetstream.labels(
        model="web-shop",
        seed=7,
        set={"instances": 1},
        start="2025-11-02",
        end="2026-11-02",
        interval="10s",
    )["id"].to_pylist()

    def complete() -> bool:
        with contextlib.suppress(json.JSONDecodeError):
            return ids() == planned
        return False

    wait_until(complete)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 0
    assert swept() < 366 * 8_640
    assert ids() == ids_of_run()


def test_a_live_run_has_its_labels_when_it_ends() -> None:
    assert started("--autostop", "2").wait(60) == 0
    assert ids() == ids_of_run()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("labels.txt", "does not end with one of .csv"), ("none/labels.csv", "no such folder")],
)
def test_a_path_that_cannot_be_is_refused_before_the_run(
    path: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["ingest", *SHOP, "--to", "null:", "--autostop", "1", "--labels", path])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert sentence in capsys.readouterr().err
    assert not Path("run.json").exists()


def test_labels_that_cannot_be_kept_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    Path("labels.json").symlink_to("none/labels.json")
    run = (*SHOP, "--to", "null:", "--autostop", "1", "--labels", "labels.json")
    assert main(["ingest", *run]) == 0
    assert "The labels cannot be written to labels.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("-1h", "start=2026-11-01T23:00:00Z for=1h' is over before the run begins."),
        ("+1h", "start=2026-11-02T01:00:00Z for=1h' begins after the run ends."),
        ("-30m", ""),
        ("+59m", ""),
    ],
)
@pytest.mark.parametrize("option", [(), ("--dry-run",)], ids=["run", "preview"])
def test_incidents_outside_of_a_run_are_warned_of(
    start: str, sentence: str, option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    hour = ("--start", "2026-11-02", "--end", "2026-11-02T01:00:00Z", "--interval", "10m")
    incident = ("--incident", f"memory-leak start={start} for=1h", "--to", "null:", "--quiet")
    assert main(["ingest", *SHOP, *hour, *incident, *option]) == 0
    error = capsys.readouterr().err
    assert ("Warning: the incident" in error) == bool(sentence)
    assert sentence in error


def test_the_printed_command_has_incidents_as_long_after_the_beginning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    incident = ("--incident", "memory-leak service=cart start=+10m for=1h")
    assert main(["ingest", *SHOP, *incident, "--to", "null:", "--autostop", "1"]) == 0
    assert "start=+10m for=1h" in capsys.readouterr().out
