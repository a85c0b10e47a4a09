"""The factors of growth and holidays, by which drivers are multiplied."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache

import numpy as np

from fleetstream.generate.keys import Numbers
from fleetstream.generate.lattice import Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.calendar import Growth, Holidays

HOUR, DAY = 3_600, 86_400

YEAR_SECONDS = 31_556_952
"""The mean year of the Gregorian calendar."""

CORNERS = 4
"""Of a trapezium, the form of a holiday."""


def growth_factors(growth: Growth, times: Times) -> Numbers:
    """The factor of growth at each time, in microseconds."""
    since = _midnight(growth.since_date)
    factors: Numbers = (1 + growth.per_year) ** ((times / MICROSECONDS - since) / YEAR_SECONDS)
    return factors


def holiday_factors(holidays: Sequence[Holidays], local: Numbers) -> Numbers:
    """The product of the factors of all holidays, in the shape of ``local``.

    ``local`` is local time, as seconds that UTC would have with the same date and time of day.
    """
    factors: Numbers = np.ones(local.shape)
    if not local.size:
        return factors
    begin, end = local.min(), local.max()
    years = [datetime.fromtimestamp(each, UTC).year for each in (begin, end)]
    for each in holidays:
        for corners, heights in _trapeziums(each, years[0] - 1, years[1] + 1):
            before = np.searchsorted(corners, begin)
            if before % CORNERS or before != np.searchsorted(corners, end):
                factors *= np.interp(local, corners, heights)
    return factors


@cache
def _trapeziums(holidays: Holidays, first: int, last: int) -> list[tuple[Numbers, Numbers]]:
    """The times and the factors of the corners of holidays in some years, for each of their dates.

    Those of one date are in ascending order.
    """
    found = []
    for days in holidays.in_years(first, last):
        starts = np.array([_midnight(day) for day in days], np.float64)
        ends = starts + holidays.days * DAY
        corners = np.stack([starts, starts + HOUR, ends - HOUR, ends], axis=1).reshape(-1)
        found.append((corners, np.tile([1.0, holidays.factor, holidays.factor, 1.0], len(days))))
    return found


def _midnight(day: date) -> float:
    """Seconds of Unix time at the beginning of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
