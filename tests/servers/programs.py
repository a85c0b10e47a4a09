"""Programs from outside that some tests need, and ports for them."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import requests


def program(name: str, *, package: str | None = None, folders: Sequence[Path] = ()) -> str:
    """The path of a program; without it a test is skipped, or fails in CI, which has it.

    It is looked for in ``folders`` too; ``package`` is Debian's package where that has another
    name.
    """
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))
    if path is None:
        message = f"{name} is not installed; Debian's package {package or name} has it."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


WORKERS = 16
"""Test processes that choose among different ports."""

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
PORTS = range(20_000 + _WORKER, 32_000, WORKERS)
"""Below those that the system gives to connections, which could take a port before its server."""


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def await_attempt(port: int) -> None:
    """Wait until a program notices that its server is gone: until it connects to the port again."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        connection, _ = listener.accept()
        connection.close()


class ServerProcess:
    """A server in a process of its own, from `with` to its end."""

    process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, also again, and wait until it answers."""
        raise NotImplementedError

    def launch(self, *command: str, answers: Callable[[], object], **options: Any) -> None:
        """Run a command silently, and wait until ``answers`` raises no error of a connection.

        Another server may have taken the port meanwhile, and answer in its place.
        """
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                answers()
                break
            except (requests.RequestException, ConnectionError):
                assert time.monotonic() < deadline, f"{command[0]} does not answer"
                time.sleep(0.05)
        assert self.process.poll() is None, f"{command[0]} has ended"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def answer_of(url: str) -> None:
    """Raises an error unless the URL is answered with success."""
    requests.get(url, timeout=1).raise_for_status()
