"""How a run ends: its exit codes, and the signals that stop it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetstream.run.pipeline import Stop
    from fleetstream.targets.registry import TargetOptions

DELIVERED, UNDELIVERED, UNUSABLE = 0, 1, 3
"""Exit codes: all stored; something was not; the target can't be used and nothing was written."""


def unusable(error: Exception) -> int:
    """Say that the target can't be used; gives the exit code."""
    print(f"Error: {error}", file=sys.stderr)
    return UNUSABLE


def warn_of(target: "TargetOptions") -> None:
    """Say so where records would go over a network for everybody to read."""
    if target.readable_on_the_way:
        print(
            f"Warning: {target.endpoint} is not encrypted, and is not on this machine; use "
            "https:// if the endpoint has it.",
            file=sys.stderr,
        )


@contextmanager
def stopped_by_signals(stop: "Stop") -> Iterator[None]:
    r"""SIGINT and SIGTERM stop the run: gently at first, at once when they come again.

    SIGQUIT (Ctrl-\) stops it at once, so that even then the terminal is left as it was.
    """

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.ask()

    def ask_at_once(_number: int, _frame: FrameType | None) -> None:
        stop.ask()
        stop.ask()

    handlers = {signal.SIGINT: ask, signal.SIGTERM: ask, signal.SIGQUIT: ask_at_once}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
