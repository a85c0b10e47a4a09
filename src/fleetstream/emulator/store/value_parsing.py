"""Parsing the texts of measure values.

The types are those of the developer guide's "Data types". According to it, a DOUBLE that is written
cannot be NaN or infinite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.emulator.store.values import STORAGE, ValueType

_MIN_BIGINT, _MAX_BIGINT = -(2**63), 2**63 - 1
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}


def parse_values(texts: Sequence[str], value_type: ValueType) -> pa.Array:
    """Parse texts; the result is null for a text that is not a value of the type.

    A TIMESTAMP is parsed as the number that it is; its unit is that of its record.
    """
    is_valid = _ARROW_CHECKS.get(value_type)
    if is_valid is not None:
        try:
            values = pa.array(texts, pa.string()).cast(STORAGE[value_type].arrow)
        except (pa.ArrowInvalid, UnicodeEncodeError):
            is_valid = None
        if is_valid is not None and is_valid(values):
            return values
    parse = _PARSERS[value_type]
    return pa.array([parse(text) for text in texts], STORAGE[value_type].arrow)


def parse_bigint(text: str) -> int | None:
    """The 64-bit integer that a text represents; None if it is something else."""
    # Checks the length first because Python refuses to parse thousands of digits.
    if len(text) > 20 or _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if _MIN_BIGINT <= number <= _MAX_BIGINT else None


def _parse_double(text: str) -> float | None:
    if _DECIMAL.fullmatch(text) is None:
        return None
    number = float(text)
    return number if np.isfinite(number) else None


def _all_finite(values: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(values)).as_py())


# Arrow parses faster than `_PARSERS`, but accepts more ("inf") or less ("+1"): its result is used
# if the check passes.
_ARROW_CHECKS: dict[ValueType, Callable[[pa.Array], bool]] = {
    "DOUBLE": _all_finite,
    "BIGINT": lambda _: True,
}
_PARSERS: dict[ValueType, Callable[[str], Any]] = {
    "DOUBLE": _parse_double,
    "BIGINT": parse_bigint,
    "BOOLEAN": lambda text: _BOOLEANS.get(text.lower()),
    "VARCHAR": lambda text: text,
    "TIMESTAMP": parse_bigint,
}
