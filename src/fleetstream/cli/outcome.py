"""How a run ends: its exit codes, and the signals that stop it."""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from fleetstream.cli import SIGNALS

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


def stop_on_signals(control: "Control") -> None:
    r"""From now on SIGINT and SIGTERM stop the run: gently at first, then at once.

    SIGQUIT (Ctrl-\) stops it at once, so that the terminal is restored. The handlers stay until the
    program ends, so a signal that comes after the end of the run changes nothing.
    """

    def ask(_number: int, _frame: FrameType | None) -> None:
        control.ask()

    def ask_at_once(_number: int, _frame: FrameType | None) -> None:
        control.ask()
        control.ask()

    for number in SIGNALS:
        signal.signal(number, ask_at_once if number == signal.SIGQUIT else ask)
