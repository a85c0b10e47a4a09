"""Programs from outside that some tests need, and ports for them."""

import contextlib
import os
import random
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest


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


PORTS = range(20_000, 32_000)
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
