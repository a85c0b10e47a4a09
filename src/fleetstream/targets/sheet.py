"""Sheets: many records as rows of equal width, with texts set into the same places of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.targets.texts import Texts

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


def blank(sheet: Bytes, places: Sequence[Place], where: npt.NDArray[np.bool_], fill: str) -> None:
    """Fill places up: ``where`` has one row a row of the sheet and one column a place."""
    for number, place in enumerate(places):
        sheet[where[:, number], place.start : place.stop] = ord(fill)


def omit(sheet: Bytes, pieces: Sequence[Place], present: npt.NDArray[np.bool_], fill: str) -> None:
    """Leave out the pieces that are not there, and the comma before the first that is.

    Pieces begin with a comma but for the first; where none is there, the whole row is left out.
    """
    blank(sheet, pieces, ~present, fill)
    first = present.argmax(axis=1)
    later = np.flatnonzero(first)
    sheet[later, np.array([piece.start for piece in pieces])[first[later]]] = ord(fill)
    sheet[~present.any(axis=1)] = ord(fill)
