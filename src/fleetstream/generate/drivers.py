"""The values of drivers, and their integrals over time."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.generate.calendar import (
    HOUR,
    YEAR_SECONDS,
    growth_factors,
    holiday_factors,
)
from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import SmoothNoise, Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Driver
from fleetstream.model.normal import normal_quantile

Rows = npt.NDArray[np.intp]

WEEK_HOURS = 168

MONDAY = 4 * 86_400
"""Seconds from the Unix epoch, a Thursday, to its first Monday."""


@dataclass(frozen=True)
class DriverRows:
    """A driver for some rows of its level, each with its seeded key and its UTC offset in hours."""

    name: str
    driver: Driver
    keys: Bits
    utc_offsets: npt.NDArray[np.int64]

    def values(self, times: Times) -> Numbers:
        """Values of shape (times, rows) at times in microseconds."""
        driver = self.driver
        offsets, _ = self._zones
        local = _local(times[:, np.newaxis], offsets)
        _, hours, parts = _place(local)
        curve = weekly(driver)
        curves = curve[hours]
        curves += parts * (curve[hours + 1] - curves)
        if len(driver.months) > 1:
            curves *= _monthly(driver, times)[:, np.newaxis]
        if driver.growth is not None:
            curves *= growth_factors(driver.growth, times)[:, np.newaxis]
        if driver.holidays:
            curves *= holiday_factors(driver.holidays, local)
        values = self._of_rows(curves)
        if driver.noise:
            noise = self._noise.normal(self.name, times, driver.period_us, 3)
            noise *= driver.noise
            noise -= driver.noise**2 / 2
            values *= np.exp(noise, out=noise)
        return values

    def integral(self, times: Times) -> Numbers:
        """The integral of the weekly curve over time, without noise, in seconds.

        From an arbitrary moment until each of the times, of shape (times, rows).
        """
        offsets, _ = self._zones
        return self._of_rows(_area(self.driver, _local(times[:, np.newaxis], offsets)))

    def integral_at(self, times: Times, rows: Rows) -> Numbers:
        """:meth:`integral` for each of ``rows`` at a time of its own: one value per row."""
        return _area(self.driver, _local(times, self.utc_offsets[rows])) * self.factors[rows]

    def _of_rows(self, curves: Numbers) -> Numbers:
        """The column of each row's UTC offset, times the row's factor."""
        _, rows = self._zones
        if curves.shape[1] > 1:
            curves = curves.take(rows, axis=1, mode="clip")
        return curves * self.factors

    @cached_property
    def least(self) -> Numbers:
        """The lowest value of the weekly curve per row."""
        least: Numbers = weekly(self.driver).min() * self.factors
        return least

    @cached_property
    def factors(self) -> Numbers:
        """The factor of each row, one on average."""
        spread = self.driver.spread
        if not spread:
            return np.ones(len(self.keys))
        scores = normal_quantile(uniform(mix(self.keys + name_key("driver", self.name))))
        factors: Numbers = np.exp(spread * scores - spread**2 / 2)
        return factors

    @cached_property
    def _noise(self) -> SmoothNoise:
        return SmoothNoise(self.keys)

    @cached_property
    def _zones(self) -> tuple[npt.NDArray[np.int64], Rows]:
        """The different UTC offsets, and which of them each row has: few curves for many rows."""
        return np.unique(self.utc_offsets, return_inverse=True)


@dataclass(frozen=True, slots=True)
class DriverView:
    """A driver as series follow it: ``of`` is the row of the driver for each series."""

    rows: DriverRows
    of: Rows

    def part(self, series: slice | npt.NDArray[np.intp]) -> "DriverView":
        """The view of some of the series, with no more rows than they follow."""
        rows, of = np.unique(self.of[series], return_inverse=True)
        part = DriverRows(
            self.rows.name, self.rows.driver, self.rows.keys[rows], self.rows.utc_offsets[rows]
        )
        return DriverView(part, of)

    def values(self, timestamps: Times) -> Numbers:
        """Values of shape (timestamps, series)."""
        return self._followed(self.rows.values(timestamps))

    def integral(self, timestamps: Times) -> Numbers:
        """:meth:`DriverRows.integral` of shape (timestamps, series)."""
        return self._followed(self.rows.integral(timestamps))

    def _followed(self, values: Numbers) -> Numbers:
        """The column of each series; clipping takes less time than checking the places."""
        return values.take(self.of, axis=1, mode="clip")


def _local(times: Times, utc_offsets: npt.NDArray[np.int64]) -> Numbers:
    """Local seconds since the Unix epoch."""
    seconds: Numbers = times / MICROSECONDS + utc_offsets * HOUR
    return seconds


def _area(driver: Driver, local: Numbers) -> Numbers:
    """The area below the weekly curve until times in local seconds since the Unix epoch."""
    curve, whole = weekly(driver), _areas(driver)
    weeks, hours, parts = _place(local)
    within = parts * (curve[hours] + parts * (curve[hours + 1] - curve[hours]) / 2)
    area: Numbers = (weeks * whole[-1] + whole[hours] + within) * HOUR
    return area


def _place(local: Numbers) -> tuple[Numbers, Rows, Numbers]:
    """The week of local times, the full hour in it, and the part of the hour since then."""
    since = (local - MONDAY) / HOUR
    weeks = np.floor(since / WEEK_HOURS)
    since -= weeks * WEEK_HOURS
    hours = np.minimum(since.astype(np.intp), WEEK_HOURS - 1)
    since -= hours
    return weeks, hours, since


@cache
def weekly(driver: Driver) -> Numbers:
    """The curve of a week at its 169 full hours from Monday on, the last like the first."""
    hours = np.resize(np.array(driver.hours), 24)
    weekdays = np.resize(np.array(driver.weekdays), 7)
    curve: Numbers = np.multiply.outer(weekdays, hours).reshape(-1)
    return np.append(curve, curve[0])


@cache
def _areas(driver: Driver) -> Numbers:
    """The area below the curve of a week until each of its full hours."""
    curve = weekly(driver)
    return np.concatenate([[0.0], np.cumsum((curve[:-1] + curve[1:]) / 2)])


def _monthly(driver: Driver, times: Times) -> Numbers:
    """The factor of the season, with straight lines between the middles of the months."""
    months = np.array(driver.months)
    position = times / MICROSECONDS / YEAR_SECONDS % 1 * 12 - 0.5
    around = np.concatenate([months[-1:], months, months[:1]])
    factors: Numbers = np.interp(position, np.arange(-1, 13), around)
    return factors
