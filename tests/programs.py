"""Programs from outside that some tests need, and ports for them."""

import os
import shutil
import socket

import pytest


def program(name: str) -> str:
    """The path of a program; without it a test is skipped, or fails in CI, which has it."""
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed; Debian's package of that name has it."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
