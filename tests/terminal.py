"""A command on a pseudo-terminal, and the screen that a person would see."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

FLEETSTREAM = str(Path(sys.executable).with_name("fleetstream"))

ALTERNATE, PRIMARY = b"\x1b[?1049h", b"\x1b[?1049l"
"""What switches a terminal to its alternate screen and back."""

UNWANTED = {"NO_COLOR", "COLUMNS", "LINES"}
"""What would decide in the terminal's stead; test runners set the latter two."""

SHOW_CURSOR = b"\x1b[?25h"


class Terminal:
    """Runs a program, by default ``fleetstream``, on a terminal of so many columns and rows."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        program: str = FLEETSTREAM,
        columns: int = 80,
        rows: int = 24,
        **environment: str,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
        self.screen = pyte.Screen(columns, rows)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        # The size is set from inside: from outside it might come after the program has looked.
        sized = f'stty cols {columns} rows {rows} && exec "$0" "$@"'
        self.process = pexpect.spawn(
            "/bin/sh",
            ["-c", sized, program, *arguments],
            cwd=folder,
            dimensions=(rows, columns),
            env=inherited | {"TERM": "xterm-256color"} | environment,
        )

    @property
    def lines(self) -> list[str]:
        """The screen's lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen."""
        return "\n".join(self.lines)

    def wait_for(self, met: Callable[[str], bool], timeout: float = 20) -> str:
        """Read until the screen is as ``met`` wants it; gives the screen."""
        until = time.monotonic() + timeout
        while not met(self.text):
            assert time.monotonic() < until, f"not on the screen in time:\n{self.text}"
            assert self._read(), f"ended too early:\n{self.text}"
        return self.text

    def read_for(self, seconds: float) -> str:
        """Read for so long; gives the screen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self._read(), f"ended too early:\n{self.text}"
        return self.text

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, as a window manager does."""
        self.screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def finish(self, timeout: float = 20) -> int:
        """Read to the end; gives the exit code."""
        until = time.monotonic() + timeout
        while self._read():
            assert time.monotonic() < until, f"did not end in time:\n{self.text}"
        self.process.wait()
        return self.process.exitstatus if self.process.exitstatus is not None else -1

    def _read(self) -> bool:
        try:
            written = self.process.read_nonblocking(65_536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += written
        self._stream.feed(written)
        return True
