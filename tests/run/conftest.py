"""What runs write to in these tests: memory, and the smallest part of the sample fleet."""

import pytest

from fleetstream.targets.registry import targets
from tests.run.memory_target import MemoryTarget


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTarget:
    """The target `memory:` of this process."""
    target = MemoryTarget()
    target.register(registered := {})
    for scheme, entry in registered.items():
        monkeypatch.setitem(targets(), scheme, entry)
    return target
