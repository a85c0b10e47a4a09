"""Dry runs: what they show, and that they touch nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.timestream.request_builder import RequestBuilder
from tests.cli.test_ingest import TABLE, ingest
from tests.telemetry import KINDS, MODEL, TIMESTAMP, generator
from tests.terminal import Terminal

WATCHED = """
import os, sys
seen = []
def watch(event, arguments):
    if event == "socket.connect":
        seen.append(str(arguments[1]))
    if event == "open" and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(str(arguments[0]))
    if event in ("os.mkdir", "os.rename", "os.remove", "socket.getaddrinfo"):
        seen.append(f"{event} {arguments}")
sys.addaudithook(watch)
from fleetstream.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print(*seen, file=sys.stderr, sep="\\n", end="")
sys.exit(code)
"""
"""A run that prints to standard error which files it wrote and whom it called."""


@pytest.mark.parametrize("target", [[], ["-r", "us-east-1", *TABLE]], ids=["duckdb", "timestream"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_dry_run_touches_no_network_and_no_file(
    target: list[str], form: str, tmp_path: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED, "ingest", "--dry-run", "--format", form, *target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    assert "i-AUa00Zt2-zeus-0002.amazonaws.com" in run.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", RecordModel)
def test_a_dry_run_as_json(model: RecordModel, tmp_path: Path) -> None:
    options = ["--host-scale", "2", "--include-ms", "athena, zeus", "--seed", "5"]
    options += ["--to", "timestream"]
    printed = ingest(
        tmp_path, "--dry-run", "--format", "json", "--record-model", str(model), *options
    )
    preview = json.loads(printed)
    fleet = generator(2, 5, services=["athena", "zeus"])
    for kind in KINDS:
        assert preview[kind]["dimensions"] == list(MODEL.kinds[kind].dimensions)
        columns = [column.to_pylist() for column in fleet.tables[kind].dimensions.columns]
        assert preview[kind]["series"] == [list(row) for row in zip(*columns, strict=True)]
    builder = RequestBuilder("db", "tb", model)
    made = [r for b in fleet.batches([TIMESTAMP]) for r in builder.prepare(b)]
    made += builder.flush()
    assert {name: figure for name, figure in preview.items() if name not in KINDS} == {
        "hosts": 101 * 8,
        "processes": 101 * (4 + 6),
        "series": 101 * 18,
        "values_per_sweep": 101 * (8 * 20 + 10 * 5),
        "records_per_sweep": sum(request.records for request in made),
        "requests_per_sweep": len(made),
        "target": "timestream",
        "record_model": str(model),
        "seed": 5,
    }


def test_a_dry_run_of_everything(tmp_path: Path) -> None:
    preview = json.loads(ingest(tmp_path, "--dry-run", "--format", "json"))
    assert preview["values_per_sweep"] == 26_260
    assert (preview["hosts"], preview["processes"], preview["series"]) == (1_010, 1_212, 2_222)


def test_a_dry_run_on_a_terminal_is_an_excerpt(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "ingest", "--dry-run", columns=200, rows=60)
    assert terminal.finish() == 0
    shown = terminal.text
    assert re.search("Values per sweep +26,260", shown)
    assert "Dimensions of metrics: region, cell, silo, availability_zone" in shown
    assert "… and 1,005 more; `--dry-run --format json` lists all." in shown
    assert shown.count("amazonaws.com") == 10


def test_a_dry_run_in_a_pipe_lists_everything(tmp_path: Path) -> None:
    listed = [line for line in ingest(tmp_path, "--dry-run").splitlines() if line.startswith("[")]
    assert len([json.loads(line) for line in listed]) == 2_222
