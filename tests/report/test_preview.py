"""Previews of dry runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.model import load_model
from fleetstream.report.preview import preview, preview_json, show_preview
from fleetstream.targets.registry import TargetOptions
from tests.report.runs import SMALL
from tests.telemetry import generator
from tests.terminal import FLEETSTREAM, Terminal

ROOT = Path(__file__).parents[2]

DUCKDB = TargetOptions()
TIMESTREAM = TargetOptions(to="timestream")


def test_json_has_every_series() -> None:
    document = json.loads(preview_json(SMALL, RecordModel.SINGLE, TIMESTREAM))
    counts = {name: count for name, count in document.items() if isinstance(count, int)}
    assert counts == {
        "hosts": 10,
        "processes": 12,
        "series": 22,
        "values_per_sweep": 260,
        "records_per_sweep": 260,
        "requests_per_sweep": 3,
        "seed": 7,
    }
    for kind, series in (("metrics", 10), ("events", 12)):
        assert document[kind]["dimensions"] == list(SMALL.model.kinds[kind].dimensions)
        assert len({tuple(row) for row in document[kind]["series"]}) == series
    assert document["metrics"]["series"][0][:2] == ["eu-central-1", "eu-central-1-cell-1"]


def test_text_names_counts_by_their_nouns(capsys: pytest.CaptureFixture[str]) -> None:
    show_preview(generator(seed=7), RecordModel.MULTI, TIMESTREAM)
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r" {2,}", ":", line.rstrip()) for line in lines[:8]] == [
        "Target:timestream",
        "Hosts:1,010",
        "Processes:1,212",
        "Series:2,222",
        "Values per sweep:26,260",
        "Records per sweep:2,222 (multi-measure)",
        "Requests per sweep:24",
        "Seed:7",
    ]
    assert sum(line.startswith('["us-east-1"') for line in lines) == 45 * 22


def test_requests_are_counted_where_their_size_is_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_preview(SMALL, RecordModel.SINGLE, DUCKDB)
    printed = capsys.readouterr().out
    assert re.search("^Target +duckdb:fleetstream.duckdb", printed)
    assert "Requests" not in printed
    assert "requests_per_sweep" not in preview(SMALL, RecordModel.SINGLE, DUCKDB)


def test_a_terminal_gets_the_first_series(tmp_path: Path) -> None:
    code = (
        "from tests.report.runs import SMALL\n"
        "from fleetstream.generate.choices import RecordModel\n"
        "from fleetstream.report.preview import show_preview\n"
        "from fleetstream.targets.registry import TargetOptions\n"
        "show_preview(SMALL, RecordModel.SINGLE, TargetOptions())\n"
    )
    terminal = Terminal(
        tmp_path, "-c", code, program=sys.executable, columns=300, rows=40, PYTHONPATH=str(ROOT)
    )
    assert terminal.finish() == 0
    assert sum(line.startswith('["eu-central-1"') for line in terminal.lines) == 2 * 5
    assert "… and 5 more; `--dry-run --format json` lists all." in terminal.text
    assert "… and 7 more" in terminal.text


def test_a_reader_that_leaves_ends_the_preview(tmp_path: Path) -> None:
    shell = f"{FLEETSTREAM} ingest --dry-run | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == "141\n"
    assert result.stderr == ""


def test_connections_that_are_lost_are_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    trucks = Generator(load_model("iot-trucks"), 7)
    assert preview(trucks, RecordModel.MULTI, DUCKDB)["connectivity"]["truck"].startswith(
        "lost every 4h"
    )
    show_preview(trucks, RecordModel.MULTI, DUCKDB)
    assert "each truck's is lost every 4h, 3.1% of the time" in " ".join(
        capsys.readouterr().out.split()
    )
    connected = Generator(load_model("iot-trucks"), 7, always_connected=True)
    assert "connectivity" not in preview(connected, RecordModel.MULTI, DUCKDB)
