"""The live view and its keys, through a pseudo-terminal."""

import json
import re
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import ALTERNATE, PRIMARY, SHOW_CURSOR, Terminal

ROOT = Path(__file__).parents[2]
NOTICE = "q or Ctrl-C stops, p pauses, ? shows help"


@contextmanager
def live_run(
    folder: Path,
    columns: int = 80,
    environment: dict[str, str] | None = None,
    rows: int = 24,
    **options: Any,
) -> Iterator[Terminal]:
    """A made-up run on a terminal; ends at the latest with the block."""
    arguments = ("-m", "tests.report.live_run", json.dumps(options))
    inherited = {"PYTHONPATH": str(ROOT), **(environment or {})}
    terminal = Terminal(
        folder, *arguments, program=sys.executable, columns=columns, rows=rows, **inherited
    )
    try:
        yield terminal
    finally:
        terminal.process.close(force=True)


def shell(folder: Path, command: str, **options: Any) -> Terminal:
    """A shell on a terminal that runs ``command``, in which {run} is a made-up run."""
    run = f"'{sys.executable}' -m tests.report.live_run '{json.dumps(options)}'"
    script = command.replace("{run}", run)
    environment = {"PYTHONPATH": str(ROOT)}
    return Terminal(folder, "-c", script, program="/bin/bash", **environment)


def shown(text: str) -> bool:
    """Whether the whole panel is on the screen, with a sweep."""
    return text.rstrip().endswith("╯") and re.search(r"Sweep +\d", text) is not None


def sweeps_on(text: str) -> int:
    found = re.search(r"Sweep +([\d,]+)", text)
    return int(found[1].replace(",", "")) if found else 0


def reads_keys(terminal: Terminal) -> bool:
    """Whether keys are read one by one and not echoed, as opposed to line by line."""
    local_modes = termios.tcgetattr(terminal.process.child_fd)[3]
    return not local_modes & (termios.ICANON | termios.ECHO)


def restored(terminal: Terminal) -> bool:
    """Whether the terminal is on its primary screen again, with a cursor and its former mode."""
    written = terminal.written
    return (
        written.count(ALTERNATE) == written.count(PRIMARY) == 1
        and written.rfind(SHOW_CURSOR) > written.rfind(b"\x1b[?25l")
        and not reads_keys(terminal)
    )


def after(terminal: Terminal) -> str:
    """What was written after the view."""
    return terminal.written[terminal.written.rfind(PRIMARY) :].decode()


@pytest.mark.parametrize(("columns", "width"), [(80, 80), (120, 120), (200, 160)])
def test_the_panel_is_aligned_and_as_wide_as_the_terminal(
    tmp_path: Path, columns: int, width: int
) -> None:
    with live_run(tmp_path, columns, sweeps=1_000, size=1_000) as terminal:
        terminal.wait_for(shown)
        lines = terminal.lines
        top = next(i for i, line in enumerate(lines) if line.startswith("╭"))
        bottom = next(i for i, line in enumerate(lines) if line.startswith("╰"))
        box = lines[top : bottom + 1]
        assert {len(line) for line in box} == {width}
        assert all(line[0] == line[-1] == "│" for line in box[1:-1])
        text = "\n".join(box)
        assert "10 hosts, 12 processes, 260 values per sweep" in text
        assert re.search(r"Seed +7\b", text)
        assert re.search(r"Sweep +\d+ of 1,000, at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        for figure in ("Values/s", "Requests/s", "Sent/s", "p50 10 ms", "Last", "In flight"):
            assert figure in text
        assert "0 undelivered" in text
        assert "writes of 1 KiB" in text
        assert NOTICE in box[-1]


def test_what_the_user_can_do_is_shown_on_a_low_terminal(tmp_path: Path) -> None:
    with live_run(tmp_path, rows=10) as terminal:
        terminal.wait_for(shown)
        assert terminal.lines[0].startswith("╭")
        assert NOTICE in terminal.lines[9]


def test_a_narrow_terminal_shows_what_is_lost(tmp_path: Path) -> None:
    with live_run(tmp_path, 60) as terminal:
        text = terminal.wait_for(shown)
        assert "0 undelivered   0 rejected   0 retried" in text


def test_figures_that_a_target_does_not_have_are_left_out(tmp_path: Path) -> None:
    with live_run(tmp_path) as terminal:
        text = terminal.wait_for(shown)
        for figure in ("Sent/s", "Metered", "Throttled/s", "Duplicates"):
            assert figure not in text


def test_throttling_is_shown_as_a_rate(tmp_path: Path) -> None:
    with live_run(tmp_path, throttled=True) as terminal:
        terminal.wait_for(
            lambda text: re.search(r"Throttled/s +[\d.]*[1-9][\d.]* +[\d.]*[1-9]", text) is not None
        )


def test_q_stops_gently(tmp_path: Path) -> None:
    with live_run(tmp_path) as terminal:
        terminal.wait_for(shown)
        assert reads_keys(terminal)
        terminal.process.send("q")
        assert terminal.finish() == 0
        assert "Stopped gently" in after(terminal)
        assert restored(terminal)


def test_a_second_q_stops_at_once(tmp_path: Path) -> None:
    with live_run(tmp_path, drains=False) as terminal:
        terminal.wait_for(shown)
        terminal.process.send("q")
        terminal.wait_for(lambda text: "Finishing what is in flight" in text)
        terminal.process.send("q")
        assert terminal.finish() == 0
        assert "Stopped at once" in after(terminal)
        assert restored(terminal)


def test_ctrl_c_still_is_a_signal(tmp_path: Path) -> None:
    with live_run(tmp_path) as terminal:
        terminal.wait_for(shown)
        terminal.process.sendintr()
        assert terminal.finish() == 0
        assert "Stopped gently" in after(terminal)
        assert "Traceback" not in terminal.written.decode()
        assert restored(terminal)


def test_p_pauses_and_resumes(tmp_path: Path) -> None:
    with live_run(tmp_path, current_seconds=1.0) as terminal:
        terminal.wait_for(shown)
        terminal.process.send("p")
        terminal.wait_for(lambda text: "Paused; p resumes, q or Ctrl-C stops" in text)
        # The current rate is 0 when there was no sweep for a while.
        text = terminal.wait_for(lambda text: re.search(r"Values/s +0\.0 ", text) is not None)
        paused_at = sweeps_on(text)
        terminal.process.send("p")
        terminal.wait_for(lambda text: NOTICE in text and sweeps_on(text) > paused_at + 2)


def test_a_paused_run_can_be_stopped(tmp_path: Path) -> None:
    with live_run(tmp_path) as terminal:
        terminal.wait_for(shown)
        terminal.process.send("p")
        terminal.wait_for(lambda text: "Paused" in text)
        terminal.process.send("q")
        assert terminal.finish() == 0
        assert restored(terminal)


def test_help_is_shown_and_hidden_and_fits(tmp_path: Path) -> None:
    with live_run(tmp_path, sweeps=1_000, size=1_000, throttled=True) as terminal:
        terminal.wait_for(shown)
        terminal.process.send("x?")
        text = terminal.wait_for(
            lambda text: "p pauses generation and resumes it" in text and shown(text)
        )
        assert "a second time at once" in text
        terminal.process.send("?")
        terminal.wait_for(lambda text: "pauses generation" not in text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_restore_the_terminal(tmp_path: Path, number: signal.Signals) -> None:
    with live_run(tmp_path) as terminal:
        terminal.wait_for(shown)
        terminal.process.kill(number)
        assert terminal.finish() == 0
        assert restored(terminal)


def test_a_crash_restores_the_terminal(tmp_path: Path) -> None:
    with live_run(tmp_path, crashes=True) as terminal:
        assert terminal.finish() == 1
        assert restored(terminal)
        assert "RuntimeError: boom" in after(terminal)


def test_the_end_of_a_run_restores_the_terminal(tmp_path: Path) -> None:
    with live_run(tmp_path, sweeps=3) as terminal:
        assert terminal.finish() == 0
        assert restored(terminal)
        assert "Stopped not after 3 sweeps." in after(terminal)


def test_input_that_is_not_a_terminal_is_left_alone(tmp_path: Path) -> None:
    terminal = shell(tmp_path, "echo q | { {run}; head -c 1; }", sweeps=10)
    terminal.wait_for(lambda text: "╰─ Ctrl-C stops ─" in text)
    assert terminal.finish() == 0
    assert "Stopped not after 10 sweeps.\r\nq" in after(terminal)


def test_a_run_in_the_background_is_not_stopped_by_its_terminal(tmp_path: Path) -> None:
    terminal = shell(tmp_path, "set -m; {run} & wait $!; echo ended with $?", sweeps=10)
    terminal.wait_for(lambda text: "╰─ Ctrl-C stops ─" in text)
    assert terminal.finish() == 0
    assert "ended with 0" in after(terminal)


def test_resize(tmp_path: Path) -> None:
    with live_run(tmp_path, columns=120) as terminal:
        terminal.wait_for(shown)
        terminal.resize(12, 4)
        terminal.wait_for(lambda text: "╭" in text)
        for columns, width in ((60, 60), (200, 160), (80, 80)):
            terminal.resize(columns, 30)
            top = f"╭─ fleetstream {'─' * (width - 16)}╮"
            terminal.wait_for(lambda text, top=top: top in text)
            terminal.wait_for(lambda text: text.count("╭") == text.count("╯") == 1)
        terminal.process.sendintr()
        assert terminal.finish() == 0
        assert b"Traceback" not in terminal.written


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({"log_format": "text"}, {}),
        ({"log_format": "json"}, {}),
        ({}, {"NO_COLOR": "1"}),
        ({}, {"TERM": "dumb"}),
        ({}, {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_lines_instead_of_the_view(
    tmp_path: Path, options: dict[str, Any], environment: dict[str, str]
) -> None:
    with live_run(tmp_path, 300, environment, sweeps=2, **options) as terminal:
        assert terminal.finish() == 0
        assert ALTERNATE not in terminal.written
        assert b"started" in terminal.written
        assert not re.search(rb"\x1b\[[34]\d", terminal.written)
