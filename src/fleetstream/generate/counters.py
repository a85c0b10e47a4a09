"""Counters: totals in closed form, so that each can be computed at any time alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fleetstream.generate.drivers import DriverView
from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import Times, smooth_uniform, smooth_uniform_at
from fleetstream.generate.lives import BEGINNING
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Counter
from fleetstream.model.normal import normal_quantile


class CounterTotals:
    """The counters of series at timestamps (microseconds).

    ``births`` is when each series began, None for :data:`BEGINNING`. The total of a counter is

        rate · (∫ driver dt + A · (b(t) − b(birth))),  A = noise · least driver · period / 3

    where b is noise between −1 and 1 whose slope is at most 3 / period, so the slope of the total
    is never below (1 − noise) · rate · least of the driver.
    """

    def __init__(
        self,
        keys: Bits,
        timestamps: Times,
        births: Times | None,
        drivers: Mapping[str, DriverView],
    ) -> None:
        self._keys = keys
        self._timestamps = timestamps
        self._begins = np.full(len(keys), BEGINNING) if births is None else births
        self._drivers = drivers
        self._integrals: dict[str | None, Numbers] = {}

    def values(self, law: Counter, name: str) -> Numbers:
        """The totals of the counter ``name``, of shape (timestamps, series)."""
        grown = self._integral(law.driver)
        if law.noise:
            least: Any = 1.0
            if law.driver is not None:
                view = self._drivers[law.driver]
                least = view.rows.least[view.of]
            size = law.noise * least * law.period_us / MICROSECONDS / 3
            noise = smooth_uniform(self._keys, name, self._timestamps, law.period_us)
            noise -= smooth_uniform_at(self._keys, name, self._begins, law.period_us)
            noise *= size
            noise += grown
            grown = noise
        rate: Any = law.rate
        if law.spread:
            own = mix(self._keys + name_key("spread", law.spread_name or name))
            scores = normal_quantile(uniform(own))
            rate = law.rate * np.exp(law.spread * scores - law.spread**2 / 2)
        total: Numbers = np.maximum(rate * grown, 0.0)
        return total

    def _integral(self, driver: str | None) -> Numbers:
        """The integral of a driver since each series began, in seconds; of 1 without a driver."""
        known = self._integrals.get(driver)
        if known is None:
            if driver is None:
                known = (self._timestamps[:, np.newaxis] - self._begins) / MICROSECONDS
            else:
                view = self._drivers[driver]
                known = view.rows.integral(self._timestamps)[:, view.of]
                known = known - view.rows.integral_at(self._begins, view.of)
            self._integrals[driver] = known
        return known
