"""Logs: lines that machines can read."""

import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fleetstream.report import log
from fleetstream.report.history import recorded
from fleetstream.report.log import LogFormat, progress_log
from fleetstream.report.summary import Summary
from fleetstream.run.ledger import Ledger
from tests.report.runs import deliver, eventful, facts
from tests.report.test_summary import SCHEMA, ingest
from tests.terminal import FLEETSTREAM

FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)(?: |$)')


def lines_of(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str], ledger: Ledger, **changes: Any
) -> list[dict[str, Any]]:
    """What a log has after a few of its lines were written, read again."""
    with recorded(ledger) as record:
        known = facts(**changes)
        with progress_log(known, record, log_format, "http://localhost/metrics"):
            threading.Event().wait(4 * log.LINE_SECONDS)
    text = capsys.readouterr().err
    if log_format == "json":
        return [json.loads(line) for line in text.splitlines()]
    lines = []
    for line in text.splitlines():
        assert FIELD.sub("", line) == "", line
        lines.append({name: value.strip('"') for name, value in FIELD.findall(line)})
    return lines


@pytest.fixture(autouse=True)
def frequent_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LINE_SECONDS", 0.4)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_can_be_read_again(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    started, *progress = lines_of(log_format, capsys, eventful()[0])
    assert progress
    assert started["event"] == "started"
    assert started["target"] == "nothing"
    assert (int(started["hosts"]), int(started["processes"])) == (10, 12)
    assert started["metrics_url"] == "http://localhost/metrics"
    for line in progress:
        assert line["event"] == "progress"
        assert line["level"] == "info"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
        assert line["sweep_time"] == "2023-11-14T22:13:20Z"
        assert int(line["stored_values"]) == 900
        assert int(line["unchanged_records"]) == 140
        assert int(line["throttled_requests"]) == 1
        assert float(line["bytes_per_second"]) >= 0
        assert int(line["metered_writes"]) == 3_000_000
        assert float(line["latency_p50_seconds"]) == pytest.approx(0.02, rel=0.01)


def test_keys_without_a_figure_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger()
    deliver(ledger)
    _, *progress = lines_of("json", capsys, ledger, has_latency=False)
    assert progress
    left_out = {"bytes_per_second", "metered_writes", "latency_p50_seconds", "sweep_time"}
    for line in progress:
        assert not left_out & line.keys()
        assert None not in line.values()
        assert line["stored_records"] == 1


def test_json_logs_end_with_the_summary(tmp_path: Path) -> None:
    options = ("--autostop", "1", "--include-region", "eu-central-1", "--log-format", "json")
    result = ingest(tmp_path, *options)
    assert result.stdout == ""
    finished = json.loads(result.stderr.splitlines()[-1])
    assert finished["event"] == "finished"
    jsonschema.validate(finished["summary"], SCHEMA)
    assert Summary.__struct_fields__ == tuple(finished["summary"])


@pytest.mark.parametrize("option", [(), ("--quiet",)])
def test_a_pipe_gets_lines(tmp_path: Path, option: tuple[str, ...]) -> None:
    command = [FLEETSTREAM, "ingest", "--autostop", "1", "--to", "null:", *option]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "event=started" in result.stderr
    assert "hosts=1010 processes=1212" in result.stderr
    assert "\x1b" not in result.stderr
