"""The live view, through a pseudo-terminal."""

import re
import signal
import time
from pathlib import Path

import pytest

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
    for columns, width in ((60, 60), (200, 100), (80, 80)):
        terminal.resize(columns, 30)
        terminal.wait_for(lambda text, width=width: f"╭─ fleetstream {'─' * (width - 16)}╮" in text)
        terminal.wait_for(lambda text: text.count("╭") == text.count("╯") == 1)
    terminal.process.sendintr()
    assert terminal.finish() == 0


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
