"""The live view of real runs: `fleetstream ingest` on a pseudo-terminal."""

import re
import signal
from pathlib import Path

import pytest

from tests.report.test_live import NOTICE, after, restored, shown, sweeps_on
from tests.servers.emulator_process import EmulatorProcess
from tests.terminal import Terminal

SMALL = ("ingest", "--include-region", "eu-central-1")
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def test_q_leaves_the_terminal_with_the_summary(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, *SMALL, "--seed", "7", "--to", "duckdb:here.duckdb", columns=200)
    text = terminal.wait_for(shown)
    assert "DuckDB, main.telemetry in here.duckdb" in text
    assert NOTICE in text
    terminal.process.send("q")
    assert terminal.finish() == 0
    assert restored(terminal)
    summary = after(terminal)
    assert "Delivered" in summary
    assert "--include-region eu-central-1 --seed 7" in summary
    assert "read_only=True" in summary
    assert "Traceback" not in terminal.written.decode()


@pytest.mark.parametrize("options", [("--to", "null:"), ("--to", "null:", "--processes", "2")])
def test_a_run_is_paused_and_resumed(tmp_path: Path, options: tuple[str, ...]) -> None:
    terminal = Terminal(tmp_path, *SMALL, "--interval", "200ms", *options, columns=200)
    terminal.wait_for(shown)
    terminal.process.send("p")
    terminal.wait_for(lambda text: "Paused" in text)
    paused_at = sweeps_on(terminal.read_for(seconds=1))
    text = terminal.read_for(seconds=1)
    assert sweeps_on(text) == paused_at
    assert "Latency" not in text
    terminal.process.send("p")
    terminal.wait_for(lambda text: sweeps_on(text) > paused_at + 2)
    terminal.process.send("q")
    assert terminal.finish() == 0
    assert restored(terminal)
    assert "Traceback" not in terminal.written.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_processes_have_one_view_and_stop_together(tmp_path: Path, number: signal.Signals) -> None:
    options = ("--to", "null:", "--processes", "2", "-s", "500")
    terminal = Terminal(tmp_path, *SMALL, *options, columns=200)
    terminal.wait_for(lambda text: shown(text) and re.search(r"Stored +[1-9]", text) is not None)
    terminal.process.kill(number)
    terminal.finish()
    assert restored(terminal)
    assert "Delivered" in after(terminal)
    assert "Traceback" not in terminal.written.decode()


def test_a_second_q_gives_up_what_is_in_flight(tmp_path: Path) -> None:
    with EmulatorProcess(faults=["latency=60s"]) as server:
        server.write.create_database(DatabaseName="slow")
        server.write.create_table(DatabaseName="slow", TableName="slow")
        target = ("-d", "slow", "-t", "slow", "-r", "us-east-1", "-url", server.url)
        terminal = Terminal(tmp_path, *SMALL, *target, **KEYS)
        terminal.wait_for(lambda text: re.search(r"In flight +[1-9]", text) is not None, timeout=90)
        terminal.process.send("q")
        terminal.wait_for(lambda text: "Finishing what is in flight" in text)
        terminal.process.send("q")
        assert terminal.finish() == 1
    assert restored(terminal)
    assert "stopped at once" in after(terminal)
