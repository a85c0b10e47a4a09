"""Counters: totals in closed form, so that each can be computed at any time alone."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fleetstream.generate.drivers import DriverRows
from fleetstream.generate.keys import Bits, Numbers, mix, name_key, uniform
from fleetstream.generate.lattice import Times, smooth_uniform, smooth_uniform_at
from fleetstream.generate.lives import BEGINNING
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model.dynamics import Counter
from fleetstream.model.normal import normal_quantile


def counter_values(
    law: Counter,
    name: str,
    keys: Bits,
    timestamps: Times,
    births: Times | None,
    driver: DriverRows | None,
    of: npt.NDArray[np.intp] | None,
) -> Numbers:
    """The totals of series at timestamps (microseconds), of shape (timestamps, series).

    ``births`` is when each series began, ``driver`` what they follow, and ``of`` the driver's row
    of each. The total is

        rate · (∫ driver dt + A · (b(t) − b(birth))),  A = noise · least driver · period / 3

    where b is noise between −1 and 1 whose slope is at most 3 / period, so the slope of the total
    is never below (1 − noise) · rate · least of the driver.
    """
    begins = np.full(len(keys), BEGINNING) if births is None else births
    least: Any = 1.0
    if driver is None or of is None:
        grown = (timestamps[:, np.newaxis] - begins) / MICROSECONDS
    else:
        grown = driver.integral(timestamps)[:, of] - driver.integral_at(begins, of)
        least = driver.least[of]
    rate: Any = law.rate
    if law.spread:
        scores = normal_quantile(uniform(mix(keys + name_key("spread", law.spread_name or name))))
        rate = law.rate * np.exp(law.spread * scores - law.spread**2 / 2)
    if law.noise:
        size = law.noise * least * law.period_us / MICROSECONDS / 3
        noise = smooth_uniform(keys, name, timestamps, law.period_us)
        noise -= smooth_uniform_at(keys, name, begins, law.period_us)
        grown = grown + size * noise
    total: Numbers = np.maximum(rate * grown, 0.0)
    return total
