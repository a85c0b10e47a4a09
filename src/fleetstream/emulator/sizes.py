"""Amounts of memory and disk space as text: ``500MB``, ``2GiB``, or ``50%`` of what there is."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?i?B)")
_PERCENTAGE = re.compile(r"(\d{1,2}|100)%")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int:
    """Bytes; raises ValueError for a text that is not a size."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size; write it with a unit, such as 500MB or 2GiB.")
    base = 1024 if "i" in found[2] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].rstrip("iB")])


def is_percentage(text: str) -> bool:
    """Whether a text is a whole percentage from 0% to 100%."""
    return _PERCENTAGE.fullmatch(text) is not None


def write_size(size: float) -> str:
    """A number of bytes for people: ``1.5 GiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
