"""VictoriaMetrics, by its flags: which timestamps it keeps. It discards others silently."""

import re

from fleetstream.generate.moments import MICROSECONDS, now
from fleetstream.targets.sink import TimeWindow

_FLAG = re.compile(r'^-retentionPeriod="(?P<number>[0-9.]+)(?P<unit>[hdwy]?)"$', re.MULTILINE)

_HOUR = 3_600 * MICROSECONDS
_UNITS = {"h": _HOUR, "d": 24 * _HOUR, "w": 168 * _HOUR, "y": 8_760 * _HOUR, "": 744 * _HOUR}
"""Microseconds in the units of the flag (VictoriaMetrics' documentation, "Retention"): a number
without a unit is months of 31 days."""

_DAYS_AHEAD = 2


def window_of(flags: str) -> TimeWindow | None:
    """The timestamps that a server with these flags keeps, as its ``/flags`` page lists them.

    None where the page is not VictoriaMetrics's.
    """
    found = _FLAG.search(flags)
    if found is None:
        return None
    kept = int(float(found["number"]) * _UNITS[found["unit"]])
    current = now()
    return TimeWindow(
        max(current - kept, 0),
        current + _DAYS_AHEAD * 24 * _HOUR,
        f"VictoriaMetrics runs with {found[0]}, and discards what is older, or more than "
        f"{_DAYS_AHEAD} days ahead.",
    )
