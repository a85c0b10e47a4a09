"""Measure values: from the texts that requests carry to typed columns.

The types are those of the guide's "Data types". Its page says that a DOUBLE written can't be NaN
or infinite, although queries know both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.local.requests import ScalarType

ARROW_TYPES: dict[ScalarType, pa.DataType] = {
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.int64(),
}
BYTES: dict[ScalarType, int] = {"DOUBLE": 8, "BIGINT": 8, "BOOLEAN": 1, "TIMESTAMP": 8}
"""What a value counts towards its record's size; a VARCHAR counts its UTF-8 length."""

_LEAST_BIGINT, _MOST_BIGINT = -(2**63), 2**63 - 1
LEAST_TIME, MOST_TIME = _LEAST_BIGINT + 2, _MOST_BIGINT - 1
"""The range of times in nanoseconds since 1970; DuckDB takes what is beyond for infinity."""
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}


def typed(texts: Sequence[str], kind: ScalarType) -> pa.Array:
    """The values that the texts stand for; null where a text is none of this type.

    TIMESTAMP gives the number alone; its unit is the record's.
    """
    fast = _FAST.get(kind)
    if fast is not None:
        try:
            values = pa.array(texts, pa.string()).cast(ARROW_TYPES[kind])
        except (pa.ArrowInvalid, UnicodeEncodeError):
            fast = None
        if fast is not None and fast(values):
            return values
    parse = _PARSERS[kind]
    return pa.array([parse(text) for text in texts], ARROW_TYPES[kind])


def whole_number(text: str) -> int | None:
    """The whole number of 64 bits that a text is, or None."""
    # The length first: Python refuses to read thousands of digits.
    if len(text) > 20 or _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _LEAST_BIGINT <= number <= _MOST_BIGINT else None


def _double(text: str) -> float | None:
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = float(text)
    return number if np.isfinite(number) else None


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text.lower())


def _all_finite(values: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(values)).as_py())


# Arrow reads what these check faster, but takes more ("inf") or less ("+1") than they do.
_FAST: dict[ScalarType, Callable[[pa.Array], bool]] = {
    "DOUBLE": _all_finite,
    "BIGINT": lambda _: True,
}
_PARSERS: dict[ScalarType, Callable[[str], Any]] = {
    "DOUBLE": _double,
    "BIGINT": whole_number,
    "BOOLEAN": _boolean,
    "VARCHAR": lambda text: text,
    "TIMESTAMP": whole_number,
}
