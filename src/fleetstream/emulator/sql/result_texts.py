"""Numbers of a result as texts.

A query's own columns of numbers leave DuckDB as numbers: for each column of doubles, DuckDB would
take about two milliseconds to plan the expression that writes them as the service does, and for
integers a twentieth of a millisecond.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.large_string()


def as_texts(column: pa.Array) -> pa.Array:
    """A column of numbers as the texts that the service sends; any other column unchanged.

    The service writes doubles in Java's notation: decimal between 0.001 and 10,000,000, otherwise a
    mantissa with one digit before the point.
    """
    if pa.types.is_integer(column.type):
        return column.cast(_TEXT)
    if not pa.types.is_floating(column.type):
        return column
    texts = column.cast(_TEXT)
    is_whole = pc.equal(pc.trunc(column), column)
    with_point = pc.binary_join_element_wise(texts, pa.scalar(".0", _TEXT), pa.scalar("", _TEXT))
    texts = pc.if_else(is_whole, with_point, texts)
    values = column.to_numpy(zero_copy_only=False)
    size = np.abs(values)
    is_decimal = ((size >= 1e-3) & (size < 1e7)) | (size == 0)
    others = ~is_decimal & np.asarray(column.is_valid())
    if not others.any():
        return texts
    written = pa.array([_java_text(value) for value in values[others].tolist()], _TEXT)
    return pc.replace_with_mask(texts, pa.array(others), written)


def _java_text(value: float) -> str:
    """A double outside of the range of decimal notation."""
    if value != value:
        return "NaN"
    text = repr(abs(value))
    sign = "-" if value < 0 else ""
    if text == "inf":
        return f"{sign}Infinity"
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = whole + fraction
    digits = padded.lstrip("0")
    shift = int(exponent or 0) + len(whole) - 1 - (len(padded) - len(digits))
    digits = digits.rstrip("0")
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{shift}"
