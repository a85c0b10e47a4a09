"""How a run ends: its exit codes, and the signals that stop it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetstream.run.control import Control
    from fleetstream.targets.registry import TargetOptions

DELIVERED, UNDELIVERED, UNUSABLE = 0, 1, 3
"""Exit codes: all stored; some not stored; the target cannot be used and nothing was written."""


def unusable(error: Exception) -> int:
    """Print that the target cannot be used; returns the exit code."""
    print(f"Error: {error}", file=sys.stderr)
    return UNUSABLE


def warn_if_unencrypted(target: "TargetOptions") -> None:
    """Print a warning where records would leave this machine unencrypted."""
    if target.unencrypted:
        print(
            f"Warning: {target.address} is not encrypted and not on this machine; use https:// if "
            "the endpoint offers it.",
            file=sys.stderr,
        )


@contextmanager
def stopped_by_signals(control: "Control") -> Iterator[None]:
    r"""SIGINT and SIGTERM stop the run: gently at first, at once when they come again.

    SIGQUIT (Ctrl-\) stops it at once, so that the terminal is restored. The block lasts until the
    summary is printed, so a signal that comes after the end of the run changes nothing.
    """

    def ask(_number: int, _frame: FrameType | None) -> None:
        control.ask()

    def ask_at_once(_number: int, _frame: FrameType | None) -> None:
        control.ask()
        control.ask()

    handlers = {signal.SIGINT: ask, signal.SIGTERM: ask, signal.SIGQUIT: ask_at_once}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
