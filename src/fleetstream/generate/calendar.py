"""The factors of growth and holidays, by which drivers are multiplied."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np

from fleetstream.generate.keys import Numbers
from fleetstream.generate.lattice import Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.calendar import Growth, Holidays

HOUR, DAY = 3_600, 86_400

YEAR_SECONDS = 31_556_952
"""The mean year of the Gregorian calendar."""


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
    years = [datetime.fromtimestamp(each, UTC).year for each in (local.min(), local.max())]
    for each in holidays:
        for days in each.in_years(years[0] - 1, years[1] + 1):
            factors *= _factors(each, days, local)
    return factors


def _factors(holidays: Holidays, days: Sequence[date], local: Numbers) -> Numbers:
    """The factor of holidays that begin on some days, in ascending order."""
    starts = np.array([_midnight(day) for day in days], np.float64)
    # The corners of a trapezium for each of them.
    ends = starts + holidays.days * DAY
    corners = np.stack([starts, starts + HOUR, ends - HOUR, ends], axis=1).reshape(-1)
    heights = np.tile([1.0, holidays.factor, holidays.factor, 1.0], len(days))
    factors: Numbers = np.interp(local, corners, heights)
    return factors


def _midnight(day: date) -> float:
    """Seconds of Unix time at the beginning of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
