"""Programs from outside that some tests need."""

import os
import shutil

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
