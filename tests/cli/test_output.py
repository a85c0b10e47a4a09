"""Output that cannot be printed: one sentence, a code of its own, and no run that is harmed."""

import errno
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetstream.cli import main
from tests.terminal import FLEETSTREAM

RUN = f"{FLEETSTREAM} ingest --include-region eu-central-1 --seed 7 --autostop 1"


def ran(shell: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, cwd=folder, check=False
    )


@pytest.mark.parametrize("buffering", ["", "PYTHONUNBUFFERED=1 "], ids=["buffered", "not"])
@pytest.mark.parametrize("arguments", ["--version", "ingest --help", "model list"])
def test_a_full_disk(arguments: str, buffering: str, tmp_path: Path) -> None:
    done = ran(f"{buffering}{FLEETSTREAM} {arguments} >/dev/full", tmp_path)
    assert done.stderr == "Error: The output cannot be written: No space left on device.\n"
    assert done.returncode == 74


def test_other_errors_print_nothing_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr("fleetstream.report.model.show_models", fail)
    with pytest.raises(ConnectionResetError):
        main(["model", "list"])
    assert capsys.readouterr().out == ""


def test_what_an_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    done = ran(f"PYTHONIOENCODING=ascii {FLEETSTREAM} model show kubernetes", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\\u2026" in done.stdout


def test_standard_streams_that_are_closed(tmp_path: Path) -> None:
    done = ran(f"{RUN} <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert json.loads((tmp_path / "fleetstream-7.json").read_text())["finished"]


def test_a_log_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    done = ran(f"{RUN} 2>/dev/full", tmp_path)
    assert done.returncode == 0
    assert "Delivered      260 records" in done.stdout


def test_a_manifest_that_cannot_be_kept_is_not_named_in_commands(
    tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("64k")
    (disk / "ballast").write_bytes(bytes(2**16))
    done = ran(f"{RUN} --to duckdb:{tmp_path / 'fleet.duckdb'}", disk)
    assert done.returncode == 0, done.stderr
    assert "The manifest could not be kept: fleetstream-7.json: No space left" in done.stderr
    assert "Query it" in done.stdout
    assert "Verify it" not in done.stdout


def test_a_reader_that_leaves_takes_no_report_away(tmp_path: Path) -> None:
    done = ran(f"{RUN} --summary run.json --report run.html | true", tmp_path)
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["seed"] == 7
    assert (tmp_path / "run.html").stat().st_size > 0
