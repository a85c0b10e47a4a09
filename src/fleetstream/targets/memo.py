"""A memory for what was worked out of Arrow arrays that come round again with every sweep."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import pyarrow as pa

Made = TypeVar("Made")


class Memo(Generic[Made]):
    """Remembers what was made under a key, until it holds ``capacity``; then it takes no more.

    Sweeps come round in the same order, and for that a memory that keeps what it has serves better
    than one that drops the oldest. ``weigh`` gives what a thing counts against the capacity.
    """

    def __init__(self, capacity: int, weigh: Callable[[Made], int] = lambda _: 1) -> None:
        self._room = capacity
        self._weigh = weigh
        self._made: dict[Hashable, Made] = {}

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What was made under ``key``, made now if need be."""
        made = self._made.get(key)
        if made is None:
            made = make()
            weight = self._weigh(made)
            if weight <= self._room:
                self._room -= weight
                self._made[key] = made
        return made


def address(array: pa.Array) -> tuple[int, ...]:
    """Where an array lies in memory; while it is kept, no other array has the same address."""
    places = (buffer.address if buffer else 0 for buffer in array.buffers())
    return (array.offset, len(array), *places)
