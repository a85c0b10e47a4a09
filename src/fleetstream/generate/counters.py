"""Counters: totals in closed form, so that each can be computed at any time alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fleetstream.generate.drivers import DriverView
from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import SmoothNoise, Times
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Counter
from fleetstream.model.normal import normal_quantile


@dataclass(frozen=True, slots=True)
class CounterTotals:
    """The counters of series that began at ``births`` (microseconds).

    The total of a counter is

        rate · (∫ driver dt + A · (b(t) − b(birth))),  A = noise · least driver · period / 3

    where b is noise between −1 and 1 whose slope is at most 3 / period, so the slope of the total
    is never below (1 − noise) · rate · least of the driver.
    """

    keys: Bits
    births: Times
    drivers: Mapping[str, DriverView]
    noise: SmoothNoise
    _constants: dict[tuple[Counter, str], "_Constants"] = field(default_factory=dict)
    _begun: dict[str, Numbers] = field(default_factory=dict)

    def grown(self, driver: str | None, timestamps: Times) -> Numbers:
        """The integral of a driver since each series began, in seconds; of 1 without a driver.

        The shape is (timestamps, series).
        """
        if driver is None:
            return (timestamps[:, np.newaxis] - self.births) / MICROSECONDS
        view = self.drivers[driver]
        if driver not in self._begun:
            self._begun[driver] = view.rows.integral_at(self.births, view.of)
        integral = view.integral(timestamps)
        integral -= self._begun[driver]
        return integral

    def values(self, law: Counter, name: str, timestamps: Times, grown: Numbers) -> Numbers:
        """The totals of the counter ``name``, where its driver has ``grown``."""
        constants = self._constants.get((law, name))
        if constants is None:
            constants = self._constants[law, name] = self._constants_of(law, name)
        totals: Numbers = grown * constants.rate
        if law.noise:
            totals += self.noise.bounded(name, timestamps, law.period_us, constants.noise)
        return np.maximum(totals, 0.0, out=totals)

    def _constants_of(self, law: Counter, name: str) -> "_Constants":
        size: Any = law.noise * law.period_us / MICROSECONDS / 3
        if law.driver is not None:
            view = self.drivers[law.driver]
            size = size * view.rows.least[view.of]
        rate: Any = law.rate
        if law.spread:
            own = mix(self.keys + name_key("spread", law.spread_name or name))
            scores = normal_quantile(uniform(own))
            rate = law.rate * np.exp(law.spread * scores - law.spread**2 / 2)
        before = self.noise.bounded_at(name, self.births, law.period_us) if law.noise else 0.0
        return _Constants(rate, rate * size, before)


@dataclass(frozen=True, slots=True)
class _Constants:
    """What of a counter does not change per series: its rate, rate · A, and b(birth)."""

    rate: Any
    noise_size: Any
    noise_before: Any

    def noise(self, noise: Numbers) -> Numbers:
        """What noise adds to the total."""
        noise -= self.noise_before
        noise *= self.noise_size
        return noise
