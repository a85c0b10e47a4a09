"""Settings of all tests, and the server that most of them share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.emulator_process import EmulatorProcess

# Cores may be shared, so that how long an example takes says nothing about it. Each run of the
# suite tries other examples.
settings.register_profile("suite", deadline=None, max_examples=25)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorProcess]:
    """One local Timestream per process of the suite, for tests with databases of their own."""
    with EmulatorProcess() as server:
        yield server
