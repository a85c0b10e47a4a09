"""Sheets: many records as rows of equal width, with texts set into the same places of each."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.sinks.texts import Texts

BLANK = ord(" ")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """The bytes ``[start, stop)`` of every row."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start


@dataclass(slots=True)
class Form:
    """What every row of a sheet has in common: constant text with blank places in it."""

    _text: bytearray = field(default_factory=bytearray)

    @property
    def width(self) -> int:
        """Bytes in a row, so far."""
        return len(self._text)

    def print(self, text: str) -> Place:
        """Continue with a constant text."""
        start = self.width
        self._text += text.encode()
        return Place(start, self.width)

    def leave(self, width: int) -> Place:
        """Continue with a blank place."""
        return self.print(" " * width)

    def sheet(self, rows: int) -> Bytes:
        """So many rows of the form, one below the other."""
        sheet = np.empty((rows, self.width), np.uint8)
        sheet[:] = np.frombuffer(self._text, np.uint8)
        return sheet


def column(sheet: Bytes, place: Place) -> Texts:
    """A place of all rows, to set texts of its width in."""
    rows, width = sheet.shape
    return np.ndarray((rows,), f"V{place.width}", sheet.data, place.start, (width,))
