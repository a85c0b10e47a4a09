"""A cache for what is derived from Arrow arrays that are used again with every batch."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import pyarrow as pa

Value = TypeVar("Value")


class ArrayCache(Generic[Value]):
    """Keeps values by key until their weights add up to ``capacity``; then it takes no more.

    Batches of the same series follow each other in the same order, and for that pattern a cache
    that keeps its entries has more hits than one that evicts the oldest. ``weigh`` returns what a
    value counts against the capacity.

    A key may contain the :func:`address` of an array only if the value holds that array.
    """

    def __init__(self, capacity: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        self._room = capacity
        self._weigh = weigh
        self._values: dict[Hashable, Value] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of ``key``, made by ``make`` if it is not there."""
        value = self._values.get(key)
        if value is None:
            value = make()
            weight = self._weigh(value)
            if weight <= self._room:
                self._room -= weight
                self._values[key] = value
        return value


def address(array: pa.Array) -> tuple[int, ...]:
    """Where an array lies in memory; unique as long as the array exists."""
    buffers = (buffer.address if buffer else 0 for buffer in array.buffers())
    return (array.offset, len(array), *buffers)
