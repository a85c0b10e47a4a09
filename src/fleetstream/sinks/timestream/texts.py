"""Texts: columns of values as fixed-width byte strings, by looking them up.

The text of a number of few digits is looked up in a table that has them all, at a few nanoseconds a
value. A text ends with the closing quote of its JSON string, and then blanks up to the width of its
column: between a string and what follows, JSON allows blanks.
"""

import json
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.records import decimals_of
from fleetstream.sinks.memo import Memo, address

Texts = npt.NDArray[np.void]
"""One byte string a row, all of one width: the dtype's item size."""

LOWEST, HIGHEST = -9_999, 99_999
"""The numbers, in units of their last decimal, that are looked up; their texts fit 8 bytes."""

CACHED_WORDS = 64
"""Dictionaries whose words are kept as texts: a run needs one for each measure of words."""


class Words:
    """The words of dictionaries as texts, made once a dictionary."""

    def __init__(self) -> None:
        self._texts = Memo[tuple[Texts, pa.Array]](CACHED_WORDS)

    def of(self, column: pa.DictionaryArray) -> Texts:
        """The texts of a column of words; for a null, any."""
        dictionary = column.dictionary

        def make() -> tuple[Texts, pa.Array]:
            rendered = [json.dumps(word)[1:] for word in dictionary.to_pylist()]
            # The dictionary is kept beside its texts, so that its address stays its own.
            return padded(pa.array(rendered, pa.string())), dictionary

        texts, _ = self._texts.get(address(dictionary), make)
        indices = column.indices.fill_null(0) if column.null_count else column.indices
        words: Texts = texts[indices.to_numpy()]
        return words


def number_texts(column: pa.Array, field: pa.Field) -> Texts:
    """The texts of a column of numbers, no longer than they need; for a null, any.

    A number is written with the decimals that ``field`` says it has, less trailing zeros.
    """
    if column.null_count:
        column = column.fill_null(0)
    decimals = decimals_of(field)
    if decimals is not None:
        scaled = np.rint(column.to_numpy() * 10.0**decimals)
        if len(scaled) and scaled.min() >= LOWEST and scaled.max() <= HIGHEST:
            texts: Texts = _table(decimals)[scaled.astype(np.int64) - LOWEST]
            return texts
    return padded(_quoted(column))


def padded(texts: pa.StringArray) -> Texts:
    """ASCII texts with blanks up to the length of the longest."""
    width = max(pc.max(pc.binary_length(texts)).as_py() or 0, 1)
    filled = pc.ascii_rpad(texts, width)
    return np.frombuffer(filled.buffers()[2], f"V{width}", count=len(filled))


@cache
def _table(decimals: int) -> Texts:
    """The texts of all numbers from LOWEST to HIGHEST in units of the last decimal."""
    numbers = np.arange(LOWEST, HIGHEST + 1) / 10.0**decimals
    return padded(_quoted(pa.array(numbers)))


def _quoted(numbers: pa.Array) -> pa.StringArray:
    return pc.binary_join_element_wise(pc.cast(numbers, pa.string()), '"', "")
