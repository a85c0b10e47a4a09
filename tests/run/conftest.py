"""What runs write to in these tests: memory, and the smallest part of the sample fleet."""

import pytest

from tests.run.memory_target import MemoryTarget


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTarget:
    """The target `memory:` of this process."""
    target = MemoryTarget()
    target.register(monkeypatch)
    return target
