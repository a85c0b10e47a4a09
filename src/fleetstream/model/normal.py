"""The quantile function of the standard normal law, vectorised.

Between the tails it interpolates linearly in a table; in the tails it evaluates the rational
approximation of Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution",
Applied Statistics 37 (1988), whose relative error is below 1e-15. The absolute error of the table
is below 1e-6.
"""

from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

CELLS = 2**14
"""Cells of the table, of equal width between 0 and 1."""

TAIL = 2**8
"""Cells at either end that the table does not cover."""

_NEAR = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
         3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
         2.27238449892691845833e-2, 7.74545014278341407640e-4)  # fmt: skip
_NEAR_DIVISOR = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
                 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2,
                 5.47593808499534494600e-4, 1.05075007164441684324e-9)  # fmt: skip
_FAR = (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7)  # fmt: skip
_FAR_DIVISOR = (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
                1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
                1.42151175831644588870e-7, 2.04426310338993978564e-15)  # fmt: skip
"""The coefficients of AS 241 (PPND16), lowest power first."""


def normal_quantile(uniform: Numbers) -> Numbers:
    """The standard normal values below which shares ``uniform`` lie, each strictly in (0, 1)."""
    starts, slopes = _table()
    scaled = uniform * CELLS
    cells = scaled.astype(np.int64)
    values = slopes.take(cells)
    scaled -= cells
    values *= scaled
    values += starts.take(cells)
    flat = values.reshape(-1)
    outer = np.flatnonzero((cells < TAIL) | (cells >= CELLS - TAIL))
    flat[outer] = _tail_quantile(uniform.reshape(-1)[outer])
    return values


@cache
def _table() -> tuple[Numbers, Numbers]:
    """The quantile at the start of each cell, and by how much it grows within the cell."""
    law = NormalDist()
    knots = np.zeros(CELLS + 1)
    inner = range(TAIL, CELLS - TAIL + 1)
    knots[inner.start : inner.stop] = [law.inv_cdf(knot / CELLS) for knot in inner]
    return knots[:-1], np.diff(knots)


def _tail_quantile(uniform: Numbers) -> Numbers:
    """AS 241 for numbers below 0.075 or above 0.925."""
    distance = np.sqrt(-np.log(np.minimum(uniform, 1 - uniform)))
    near = _ratio(_NEAR, _NEAR_DIVISOR, distance - 1.6)
    far = _ratio(_FAR, _FAR_DIVISOR, distance - 5.0)
    return np.copysign(np.where(distance <= 5.0, near, far), uniform - 0.5)


def _ratio(above: tuple[float, ...], below: tuple[float, ...], x: Numbers) -> Numbers:
    """One polynomial divided by another, by Horner's rule."""
    numerator, denominator = np.full_like(x, above[-1]), np.full_like(x, below[-1])
    for upper, lower in zip(above[-2::-1], below[-2::-1], strict=True):
        numerator = numerator * x + upper
        denominator = denominator * x + lower
    return numerator / denominator
