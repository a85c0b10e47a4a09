"""Texts: columns of values as fixed-width byte strings, by looking them up.

The text of a number of few digits is looked up in a table that has them all, at a few nanoseconds a
value. Texts shorter than their column are filled up with a byte that means nothing where they will
stand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.records import decimals_of
from fleetstream.targets.memo import Memo, address

Texts = npt.NDArray[np.void]
"""One byte string a row, all of one width: the dtype's item size."""

LOWEST, HIGHEST = -9_999, 99_999
"""The numbers, in units of their last decimal, that are looked up; their texts fit 8 bytes."""

CACHED_WORDS = 64
"""Dictionaries whose words are kept as texts: a run needs one for each measure of words."""


@dataclass(frozen=True, slots=True)
class Style:
    """How values are written: what ends a double and a whole number, how words look, the filler."""

    double_end: str
    bigint_end: str
    word: Callable[[str], str]
    fill: str


class Words:
    """The words of dictionaries as texts, made once a dictionary."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._texts = Memo[tuple[Texts, pa.Array]](CACHED_WORDS)

    def of(self, column: pa.DictionaryArray) -> Texts:
        """The texts of a column of words; for a null, any."""
        dictionary = column.dictionary

        def make() -> tuple[Texts, pa.Array]:
            rendered = [self._style.word(word).encode() for word in dictionary.to_pylist()]
            # The dictionary is kept beside its texts, so that its address stays its own.
            return padded(pa.array(rendered, pa.binary()), self._style.fill), dictionary

        texts, _ = self._texts.get(address(dictionary), make)
        indices = column.indices.fill_null(0) if column.null_count else column.indices
        words: Texts = texts[indices.to_numpy()]
        return words


def number_texts(column: pa.Array, field: pa.Field, style: Style) -> Texts:
    """The texts of a column of numbers, no longer than they need; for a null, any.

    A number is written with the decimals that ``field`` says it has, less trailing zeros.
    """
    if column.null_count:
        column = column.fill_null(0)
    end = style.bigint_end if pa.types.is_integer(column.type) else style.double_end
    decimals = decimals_of(field)
    if decimals is not None:
        scaled = np.rint(column.to_numpy() * 10.0**decimals)
        if len(scaled) and scaled.min() >= LOWEST and scaled.max() <= HIGHEST:
            texts: Texts = _table(decimals, end, style.fill)[scaled.astype(np.int64) - LOWEST]
            return texts
    return padded(_ended(column, end), style.fill)


def padded(texts: pa.Array, fill: str) -> Texts:
    """Texts with a filler up to the length of the longest, in bytes."""
    texts = texts.cast(pa.binary())
    width = max(pc.max(pc.binary_length(texts)).as_py() or 0, 1)
    # Bytes are padded as if each were a letter.
    letters = pa.Array.from_buffers(pa.string(), len(texts), texts.buffers(), offset=texts.offset)
    filled = pc.ascii_rpad(letters, width, fill)
    return np.frombuffer(filled.buffers()[2], f"V{width}", count=len(filled))


@cache
def _table(decimals: int, end: str, fill: str) -> Texts:
    """The texts of all numbers from LOWEST to HIGHEST in units of the last decimal."""
    numbers = np.arange(LOWEST, HIGHEST + 1) / 10.0**decimals
    return padded(_ended(pa.array(numbers), end), fill)


def _ended(numbers: pa.Array, end: str) -> pa.StringArray:
    return pc.binary_join_element_wise(pc.cast(numbers, pa.string()), end, "")
