"""How a run ends: its exit codes, and the signals that stop it."""

import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
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

    def ask() -> None:
        control.ask()

    def ask_at_once() -> None:
        control.ask()
        control.ask()

    for number in SIGNALS:
        action = ask_at_once if number == signal.SIGQUIT else ask
        signal.signal(number, partial(_in_a_thread, action))


def _in_a_thread(action: Callable[[], None], _number: int, _frame: FrameType | None) -> None:
    """Act on a signal in another thread, since the main thread may hold the lock of an event."""
    threading.Thread(target=action, name="signal", daemon=True).start()
