"""Single keys from the terminal, read while a run goes on."""

import os
import selectors
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fleetstream.run.control import Control


class RunKeys:
    """Acts on keys: ``q`` stops a run, ``p`` pauses and resumes it, ``?`` shows or hides help."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self.help_shown = False

    def press(self, key: str) -> None:
        """Act on a key; other keys do nothing."""
        match key:
            case "q":
                self._control.ask()
            case "p" if self._control.is_paused:
                self._control.resume()
            case "p":
                self._control.pause()
            case "?":
                self.help_shown = not self.help_shown


@contextmanager
def read_keys(press: Callable[[str], None]) -> Iterator[bool]:
    """Call ``press`` with each key in a thread, until the block is left.

    The terminal of standard input is put into cbreak mode, in which Ctrl-C still is a signal, and
    back into its former mode when the block is left, for whatever reason. Yields False, and leaves
    standard input alone, where it is not a terminal or the program runs in its background.
    """
    terminal = _terminal()
    if terminal is None:
        yield False
        return
    before = termios.tcgetattr(terminal)
    wake, waker = os.pipe()
    thread = threading.Thread(target=_read, args=(terminal, wake, press), name="keys", daemon=True)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        thread.start()
        yield True
    finally:
        # In the background, changing the mode would stop the process.
        if _in_foreground(terminal):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        os.close(waker)
        if thread.ident is not None:
            thread.join()
        os.close(wake)


def _terminal() -> int | None:
    """The file descriptor of standard input, None where no keys can be read from it."""
    try:
        terminal = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None  # there is no standard input, or it is not a file
    return terminal if os.isatty(terminal) and _in_foreground(terminal) else None


def _in_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False  # the terminal is gone, or not the one that controls this process


def _read(terminal: int, wake: int, press: Callable[[str], None]) -> None:
    """Read keys until the pipe ``wake`` is closed at its other end, or the terminal is gone."""
    with selectors.DefaultSelector() as selector:
        selector.register(terminal, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            # Reading in the background would stop the process; a shell reads the keys there.
            if wake in ready or not _in_foreground(terminal):
                return
            try:
                keys = os.read(terminal, 64)
            except OSError:
                return
            if not keys:
                return
            for key in keys.decode(errors="ignore"):
                press(key)
