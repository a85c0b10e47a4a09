"""Commands of fleetstream against servers: small runs, their exit codes, and servers that crash."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fleetstream.cli import main
from tests.servers.programs import await_attempt
from tests.terminal import FLEETSTREAM

SMALL = ("--include-region", "eu-central-1", "--seed", "7")
"""A fleet of 260 values per sweep."""

STRETCH = ("--start", "2026-11-01", "--end", "2026-11-01T00:03:00Z", "--interval", "60s")
"""Three sweeps."""


class Server(Protocol):
    """A server in a process of its own."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


def exit_code(*arguments: str) -> int:
    """The exit code of a command."""
    try:
        return main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)


def await_(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_through_crash(
    folder: Path,
    *options: str,
    server: Server,
    port: int,
    begun: Callable[[], bool],
) -> str:
    """Run ``ingest``, whose server is killed once it has ``begun``, and started again.

    The run must notice that nothing listens on the port, and end with success. Returns what it has
    printed.
    """
    run = subprocess.Popen(
        [FLEETSTREAM, "ingest", *SMALL, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    await_(begun)
    server.kill()
    await_attempt(port)
    server.start()
    printed, _ = run.communicate(timeout=60)
    assert run.returncode == 0, printed
    return printed
