"""The live view, through a pseudo-terminal."""

import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.emulator_process import EmulatorProcess
from tests.terminal import ALTERNATE, PRIMARY, SHOW_CURSOR, Terminal

SMALL = ("ingest", "--include-region", "eu-central-1")


def shown(text: str) -> bool:
    return (
        text.rstrip().endswith("╯")
        and "Ctrl-C stops" in text
        and re.search(r"Sweep +\d", text) is not None
    )


def left_as_it_was(terminal: Terminal) -> bool:
    """Whether the program went back to the primary screen and showed the cursor, last of all."""
    written = terminal.written
    return written.count(ALTERNATE) == written.count(PRIMARY) == 1 and written.rfind(
        SHOW_CURSOR
    ) > written.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("columns", [80, 200])
def test_panel_is_aligned_and_whole(tmp_path: Path, columns: int) -> None:
    terminal = Terminal(tmp_path, *SMALL, "--autostop", "30", "--seed", "7", columns=columns)
    try:
        terminal.wait_for(shown)
        width = min(columns, 100)
        lines = terminal.lines
        top = next(i for i, line in enumerate(lines) if line.startswith("╭"))
        bottom = next(i for i, line in enumerate(lines) if line.startswith("╰"))
        box = lines[top : bottom + 1]
        assert {len(line) for line in box} == {width}
        assert all(line[0] == line[-1] == "│" for line in box[1:-1])
        text = "\n".join(box)
        assert "DuckDB, main.telemetry in fleetstream.duckdb" in text
        assert "10 hosts, 12 processes, 260 values a sweep" in text
        assert re.search(r"Seed +7\b", text)
        assert re.search(r"Sweep +\d+ of 30, at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        for figure in ("Values/s", "Requests/s", "p50", "p99", "In flight", "0 undelivered"):
            assert figure in text
    finally:
        terminal.process.sendintr()
        assert terminal.finish() == 0


def test_first_screen_names_the_target_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    terminal = Terminal(tmp_path, *SMALL, "--to", "duckdb:elsewhere.duckdb")
    terminal.wait_for(lambda text: "elsewhere.duckdb" in text)
    assert time.monotonic() - began < 5  # a second or two here, but machines differ
    terminal.process.sendintr()
    assert terminal.finish() == 0


def test_ctrl_c_leaves_the_terminal_with_the_summary(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, *SMALL, "--seed", "7", columns=200)
    terminal.wait_for(shown)
    terminal.process.sendintr()
    assert terminal.finish() == 0
    assert left_as_it_was(terminal)
    after = terminal.written[terminal.written.rfind(PRIMARY) :].decode()
    assert "Delivered" in after
    assert "--include-region eu-central-1 --seed 7" in after
    assert "read_only=True" in after
    assert "Traceback" not in terminal.written.decode()


def test_two_processes_have_one_view_and_one_ctrl_c(tmp_path: Path) -> None:
    options = ("--to", "null:", "--processes", "2", "-s", "500")
    terminal = Terminal(tmp_path, *SMALL, *options, columns=200)
    terminal.wait_for(lambda text: shown(text) and re.search(r"Stored +[1-9]", text) is not None)
    terminal.process.sendintr()
    assert terminal.finish() == 0
    assert left_as_it_was(terminal)
    assert "Traceback" not in terminal.written.decode()


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    with EmulatorProcess(faults=["latency=20s"]) as server:
        server.write.create_database(DatabaseName="slow")
        server.write.create_table(DatabaseName="slow", TableName="slow")
        target = ("-d", "slow", "-t", "slow", "-r", "us-east-1", "-url", server.url)
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        terminal = Terminal(tmp_path, *SMALL, *target, **keys)
        terminal.wait_for(lambda text: re.search(r"In flight +[1-9]", text) is not None, timeout=90)
        terminal.process.sendintr()
        terminal.wait_for(lambda text: "Ctrl-C again leaves at once" in text)
        began = time.monotonic()
        terminal.process.sendintr()
        assert terminal.finish() == 1
        assert time.monotonic() - began < 10
    assert left_as_it_was(terminal)
    assert "stopped at once" in terminal.written.decode()


def test_throttling_is_shown_as_a_rate(tmp_path: Path) -> None:
    with EmulatorProcess(faults=["throttle=0.5"]) as server:
        server.write.create_database(DatabaseName="busy")
        server.write.create_table(DatabaseName="busy", TableName="busy")
        target = ("-d", "busy", "-t", "busy", "-r", "us-east-1", "-url", server.url)
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        terminal = Terminal(tmp_path, *SMALL, *target, **keys)
        terminal.wait_for(
            lambda text: re.search(r"Throttled/s +[\d.,]+ +[\d.]*[1-9]", text) is not None,
            timeout=60,
        )
        terminal.process.sendintr()
        assert terminal.finish() == 0


CRASH = """
from pathlib import Path
from fleetstream.report.history import recorded
from fleetstream.report.progress import progress
from fleetstream.report.run import Run
from fleetstream.fleet import Fleet
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Stop
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.null import NullSink
from fleetstream.workload import Workload

model = RecordModel.SINGLE
run = Run(Workload(Fleet(1, ["eu-central-1"]), 7), NullSink(model), model, 0, "", None, 0.5)
with recorded(Ledger()) as history, progress(run, history, Stop(), None, None):
    raise RuntimeError("boom")
"""


def test_a_crash_restores_the_terminal_too(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "-c", CRASH, program=sys.executable)
    assert terminal.finish() == 1
    assert left_as_it_was(terminal)
    after = terminal.written[terminal.written.rfind(PRIMARY) :].decode()
    assert "RuntimeError: boom" in after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_other_ends_restore_the_terminal_too(tmp_path: Path, number: signal.Signals) -> None:
    terminal = Terminal(tmp_path, *SMALL)
    terminal.wait_for(shown)
    terminal.process.kill(number)
    assert terminal.finish() == 0
    assert left_as_it_was(terminal)


def test_resize(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, *SMALL, columns=120)
    terminal.wait_for(shown)
    terminal.resize(12, 4)
    terminal.wait_for(lambda text: "╭" in text)
    for columns, width in ((60, 60), (200, 100), (80, 80)):
        terminal.resize(columns, 30)
        terminal.wait_for(lambda text, width=width: f"╭─ fleetstream {'─' * (width - 16)}╮" in text)
        terminal.wait_for(lambda text: text.count("╭") == text.count("╯") == 1)
    terminal.process.sendintr()
    assert terminal.finish() == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("--quiet",), {}),
        (("--log-format", "json"), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
    ],
)
def test_lines_in_place_of_the_view(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    terminal = Terminal(tmp_path, *SMALL, "--autostop", "1", *arguments, columns=300, **environment)
    assert terminal.finish() == 0
    assert ALTERNATE not in terminal.written
    assert b"started" in terminal.written
    if "NO_COLOR" in environment:
        assert not re.search(rb"\x1b\[[34]\d", terminal.written)
