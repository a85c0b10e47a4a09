"""Columns of values as byte strings of equal width, by looking them up.

The text of a number of few digits is looked up in a table of all such numbers, which takes a few
nanoseconds per value. Texts shorter than their column are padded with a byte that has no meaning
where they are used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.schema import decimals_of

Texts = npt.NDArray[np.void]
"""One byte string per row, all as long as the dtype's item size."""

LOWEST, HIGHEST = -9_999, 99_999
"""The numbers that are looked up, in units of their last decimal; their texts fit 8 bytes."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How values are written: the ends of doubles and of integers, words, and the padding.

    Truth values are ``true`` and ``false`` with the end of doubles.
    """

    double_end: str
    bigint_end: str
    word: Callable[[str], str]
    fill: str


def value_texts(column: pa.Array, field: pa.Field, style: TextStyle) -> Texts:
    """The texts of a measure's column; of a null, any text.

    Numbers are written with the decimals that ``field`` has, without trailing zeros.
    """
    if isinstance(column, pa.DictionaryArray):
        return _word_texts(column, style)
    if pa.types.is_boolean(column.type):
        return _truth_texts(column, style)
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
    """Texts padded to the length of the longest in bytes, or to 8 or 16 bytes.

    NumPy copies elements of these sizes several times as fast as those of other sizes.
    """
    texts = texts.cast(pa.binary())
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    width = next((size for size in (8, 16) if longest <= size), longest)
    # Arrow pads strings only: the bytes are declared to be one string character each.
    letters = pa.Array.from_buffers(pa.string(), len(texts), texts.buffers(), offset=texts.offset)
    filled = pc.ascii_rpad(letters, width, fill)
    return np.frombuffer(filled.buffers()[2], f"V{width}", count=len(filled))


def _word_texts(column: pa.DictionaryArray, style: TextStyle) -> Texts:
    rendered = [style.word(word).encode() for word in column.dictionary.to_pylist()]
    texts = padded(pa.array(rendered, pa.binary()), style.fill)
    indices = column.indices.fill_null(0) if column.null_count else column.indices
    words: Texts = texts[indices.to_numpy()]
    return words


def _truth_texts(column: pa.BooleanArray, style: TextStyle) -> Texts:
    words = [f"{word}{style.double_end}" for word in ("false", "true")]
    places = column.cast(pa.int8()).fill_null(0).to_numpy()
    texts: Texts = padded(pa.array(words), style.fill)[places]
    return texts


@cache
def _table(decimals: int, end: str, fill: str) -> Texts:
    """The texts of all numbers from LOWEST to HIGHEST in units of the last decimal."""
    numbers = np.arange(LOWEST, HIGHEST + 1) / 10.0**decimals
    return padded(_ended(pa.array(numbers), end), fill)


def _ended(numbers: pa.Array, end: str) -> pa.StringArray:
    return pc.binary_join_element_wise(pc.cast(numbers, pa.string()), end, "")
