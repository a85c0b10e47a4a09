"""Tables of quantiles that have no closed form, made once per parameter."""

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from fleetstream.model.normal import Numbers

_POINTS = 400_001
"""Points of the integration of a density."""

_STEPS = 1_000
"""Steps of the table of the gamma law within 1."""

_SCORES = np.linspace(-8.25, 8.25, 16_501)
"""The normal scores of that table, beyond which no uniform number leads."""


@cache
def gamma_table(shape: float) -> tuple[Numbers, Numbers]:
    """Normal scores, and the logarithm of the quantile of the gamma law of mean ``shape`` at each.

    The density of the logarithm is integrated by the trapezoidal rule, which converges very fast
    for a function that vanishes at both ends. Linear interpolation between the scores is off by
    less than 1e-5 of the value for shapes from 0.5 on, and by less than 1e-3 of it from 0.1 on.
    """
    low = math.log(shape) - 45 * max(1 / math.sqrt(shape), 1 / shape) - 1
    high = math.log(shape + 45 * math.sqrt(shape) + 60)
    points = np.linspace(low, high, _POINTS)
    density = np.exp(shape * points - np.exp(points) - math.lgamma(shape))
    whole = density.sum()
    below = (np.cumsum(density) - density / 2) / whole
    above = (np.cumsum(density[::-1]) - density[::-1] / 2) / whole
    tails = np.array([NormalDist().cdf(-abs(score)) for score in _SCORES])
    lower = np.interp(tails, below, points)
    upper = np.interp(tails, above, points[::-1])
    return _SCORES, np.where(_SCORES < 0, lower, upper)


def gamma_quantile(shape: float, scores: Numbers) -> Numbers:
    """The quantiles of the gamma law of mean ``shape`` at normal scores."""
    _, logarithms = gamma_table(shape)
    steps = (scores - _SCORES[0]) * _STEPS
    cells = steps.astype(np.int64)
    steps -= cells
    values: Numbers = logarithms.take(cells)
    steps *= logarithms.take(cells + 1) - values
    values += steps
    np.exp(values, out=values)
    return values


@cache
def poisson_bounds(mean: float) -> tuple[int, Numbers]:
    """The least count whose probability matters, and the cumulated probabilities from it on."""
    reach = 9 * math.sqrt(mean) + 20
    first = max(int(mean - reach), 0)
    counts = np.arange(first, int(mean + reach) + 1)
    logarithms = counts * math.log(mean) - mean - np.array([math.lgamma(n + 1) for n in counts])
    return first, np.cumsum(np.exp(logarithms))[:-1]


@cache
def zipf_bounds(count: int, exponent: float) -> Numbers:
    """The cumulated probabilities of 1, 2, … without the last."""
    cumulated = np.cumsum(np.arange(1, count + 1, dtype=np.float64) ** -exponent)
    bounds: Numbers = cumulated[:-1] / cumulated[-1]
    return bounds
