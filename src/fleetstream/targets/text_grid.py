"""Records as rows of bytes of equal width, with texts set into the same slots of each row."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Booleans
from fleetstream.targets.texts import Texts

ByteGrid = npt.NDArray[np.uint8]
"""Bytes with the shape (rows, width), contiguous."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The bytes ``[start, stop)`` of every row."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        return self.stop - self.start


@dataclass(slots=True)
class RowTemplate:
    """What all rows of a grid have in common: constant text with blank slots in it."""

    _text: bytearray = field(default_factory=bytearray)

    @property
    def width(self) -> int:
        """Bytes of a row, so far."""
        return len(self._text)

    def add(self, text: str) -> Slot:
        """Append constant text; returns where it is."""
        start = self.width
        self._text += text.encode()
        return Slot(start, self.width)

    def add_slot(self, width: int) -> Slot:
        """Append a blank slot."""
        return self.add(" " * width)

    def rows(self, count: int) -> ByteGrid:
        """A grid of ``count`` copies of the row."""
        grid = np.empty((count, self.width), np.uint8)
        grid[:] = np.frombuffer(self._text, np.uint8)
        return grid


def slot_texts(grid: ByteGrid, slot: Slot) -> Texts:
    """A view of a slot in all rows, to assign texts of its width to."""
    rows, width = grid.shape
    return np.ndarray((rows,), f"V{slot.width}", grid.data, slot.start, (width,))


def blank(grid: ByteGrid, slots: Sequence[Slot], where: Booleans, fill: str) -> None:
    """Overwrite slots with ``fill``; ``where`` has the shape (rows, slots)."""
    for number, slot in enumerate(slots):
        grid[where[:, number], slot.start : slot.stop] = ord(fill)


def keep_items(grid: ByteGrid, items: Sequence[Slot], present: Booleans, fill: str) -> None:
    """Blank the items of a comma-separated list that are not ``present``.

    ``present`` has the shape (rows, items). All items but the first begin with a comma, which is
    blanked in the first item that is present. A row without any item is blanked as a whole.
    """
    blank(grid, items, ~present, fill)
    first = present.argmax(axis=1)
    later = np.flatnonzero(first)
    grid[later, np.array([item.start for item in items])[first[later]]] = ord(fill)
    grid[~present.any(axis=1)] = ord(fill)
