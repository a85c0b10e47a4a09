"""Durations as text, such as 30s, 1.5h or 1h30m."""

import re
from decimal import Decimal
from typing import Annotated

import msgspec

UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds in each unit."""

LONGEST_DURATION = 1_000_000 * 86_400
"""Seconds in a million days."""

_PART = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)"

PATTERN = r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+"
"""One or more numbers with a unit each, which add up."""

DurationText = Annotated[str, msgspec.Meta(pattern=f"^{PATTERN}$")]
"""The text of a duration in a model file."""


def milliseconds(text: str) -> Decimal:
    """The milliseconds of a duration, exactly. Raises ValueError where it is none."""
    if text != "0" and not re.fullmatch(PATTERN, text):
        raise ValueError(
            f"{text!r} is not a duration; write numbers with a unit (d, h, m, s or ms), such as "
            "30s, 24h or 1h30m."
        )
    parts = re.findall(_PART, text)
    result = sum((Decimal(number) * UNITS[unit] for number, unit in parts), Decimal())
    if result > LONGEST_DURATION * 1_000:
        raise ValueError(f"{text} is too long; the longest duration is 1,000,000 days.")
    return result


def microseconds(text: str) -> int:
    """The whole microseconds of a duration in a model file, at least 1 ms.

    Raises ValueError where it is shorter or no duration.
    """
    result = int(milliseconds(text) * 1_000)
    if result < 1_000:
        raise ValueError(f"{text} is too short; the shortest duration is 1ms")
    return result
