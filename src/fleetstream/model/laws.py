"""The probability laws that values follow.

Each law turns uniform numbers between 0 and 1 into values by its quantile function, so one uniform
number makes one value, and ``str(law)`` describes the law for people.
"""

import math
from itertools import accumulate
from statistics import NormalDist
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from fleetstream.model.normal import Numbers, normal_quantile
from fleetstream.model.quantile_tables import (
    gamma_quantile,
    gamma_table,
    poisson_bounds,
    zipf_bounds,
)

Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Whole = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]
"""The parameters of laws: small enough that a double is exact to the unit, and finite."""

FEW_SHARES = 16
"""Up to so many shares, comparing with each takes less time than a binary search."""


class Uniform(msgspec.Struct, frozen=True, tag_field="law", tag="uniform"):
    """Uniform between ``low`` and ``high``."""

    low: Number
    high: Number

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def quantile(self, uniform: Numbers) -> Numbers:
        return uniform * (self.high - self.low) + self.low

    def cdf(self, value: float) -> float:
        if value >= self.high:
            return 1.0
        return max((value - self.low) / (self.high - self.low), 0.0)

    def __str__(self) -> str:
        return f"uniform {self.low:g}–{self.high:g}"


class Integer(msgspec.Struct, frozen=True, tag_field="law", tag="integer"):
    """Every integer from ``low`` to ``high``, both included, with equal probability."""

    low: Whole
    high: Whole

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)

    def quantile(self, uniform: Numbers) -> Numbers:
        return np.floor(uniform * (self.high - self.low + 1)) + self.low

    def __str__(self) -> str:
        return f"uniform integer {self.low}–{self.high}"


class Normal(msgspec.Struct, frozen=True, tag_field="law", tag="normal"):
    """Normal with a mean and a standard deviation."""

    mean: Number
    sd: Annotated[float, msgspec.Meta(ge=0, le=1e15)]

    def quantile(self, uniform: Numbers) -> Numbers:
        values = normal_quantile(uniform)
        values *= self.sd
        values += self.mean
        return values

    def cdf(self, value: float) -> float:
        if not self.sd:
            return float(value >= self.mean)
        return NormalDist(self.mean, self.sd).cdf(value)

    def __str__(self) -> str:
        return f"normal, mean {self.mean:g}, sd {self.sd:g}"


class Constant(msgspec.Struct, frozen=True, tag_field="law", tag="constant"):
    """Always the same value."""

    value: Number

    def quantile(self, uniform: Numbers) -> Numbers:
        return np.full_like(uniform, self.value)

    def cdf(self, value: float) -> float:
        return float(value >= self.value)

    def __str__(self) -> str:
        return f"constant {self.value:.15g}"


class LogNormal(msgspec.Struct, frozen=True, tag_field="law", tag="lognormal"):
    """A variable whose logarithm is normal with the standard deviation ``sigma``."""

    median: Positive
    sigma: Annotated[float, msgspec.Meta(ge=0, le=10)]

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2)

    def quantile(self, uniform: Numbers) -> Numbers:
        values = normal_quantile(uniform)
        values *= self.sigma
        np.exp(values, out=values)
        values *= self.median
        return values

    def cdf(self, value: float) -> float:
        if value <= 0:
            return 0.0
        if not self.sigma:
            return float(value >= self.median)
        return NormalDist().cdf(math.log(value / self.median) / self.sigma)

    def __str__(self) -> str:
        return f"lognormal, median {self.median:g}, sigma {self.sigma:g}"


class Exponential(msgspec.Struct, frozen=True, tag_field="law", tag="exponential"):
    """Exponential with a mean."""

    mean: Positive

    def quantile(self, uniform: Numbers) -> Numbers:
        values = np.log1p(-uniform)
        values *= -self.mean
        return values

    def cdf(self, value: float) -> float:
        return -math.expm1(-value / self.mean) if value > 0 else 0.0

    def __str__(self) -> str:
        return f"exponential, mean {self.mean:g}"


class Gamma(msgspec.Struct, frozen=True, tag_field="law", tag="gamma"):
    """Gamma with a ``shape`` and a mean."""

    shape: Annotated[float, msgspec.Meta(ge=0.1, le=1000)]
    mean: Positive

    def quantile(self, uniform: Numbers) -> Numbers:
        values = gamma_quantile(self.shape, normal_quantile(uniform))
        values *= self.mean / self.shape
        return values

    def cdf(self, value: float) -> float:
        if value <= 0:
            return 0.0
        scores, logarithms = gamma_table(self.shape)
        score = np.interp(math.log(value * self.shape / self.mean), logarithms, scores)
        return NormalDist().cdf(float(score))

    def __str__(self) -> str:
        return f"gamma, shape {self.shape:g}, mean {self.mean:g}"


class Poisson(msgspec.Struct, frozen=True, tag_field="law", tag="poisson"):
    """Poisson with a mean: how many independent events happen."""

    mean: Annotated[float, msgspec.Meta(gt=0, le=10_000)]

    def quantile(self, uniform: Numbers) -> Numbers:
        first, bounds = poisson_bounds(self.mean)
        counts: Numbers = np.searchsorted(bounds, uniform, side="left").astype(np.float64)
        counts += first
        return counts

    def __str__(self) -> str:
        return f"Poisson, mean {self.mean:g}"


class Zipf(msgspec.Struct, frozen=True, tag_field="law", tag="zipf"):
    """An integer n from 1 to ``count``, with a probability proportional to n ** -exponent."""

    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    exponent: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0

    def quantile(self, uniform: Numbers) -> Numbers:
        bounds = zipf_bounds(self.count, self.exponent)
        ranks: Numbers = np.searchsorted(bounds, uniform, side="left").astype(np.float64)
        ranks += 1
        return ranks

    def __str__(self) -> str:
        return f"Zipf, 1–{self.count:,}, exponent {self.exponent:g}"


class Bernoulli(msgspec.Struct, frozen=True, tag_field="law", tag="bernoulli"):
    """1 (in a BOOLEAN measure true) with a ``probability``, else 0."""

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)]

    def quantile(self, uniform: Numbers) -> Numbers:
        # High numbers are 1, as quantile functions never fall.
        return (uniform > 1 - self.probability).astype(np.float64)

    def __str__(self) -> str:
        return f"1 with probability {self.probability:g}, else 0"


class Choice(msgspec.Struct, frozen=True, tag_field="law", tag="choice"):
    """One of several words, each with its probability. Values are indices into :attr:`words`."""

    shares: dict[str, float]

    def __post_init__(self) -> None:
        check_shares(list(self.shares.values()))

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.shares)

    def quantile(self, uniform: Numbers) -> Numbers:
        return share_places(list(self.shares.values()), uniform).astype(np.float64)

    def __str__(self) -> str:
        return ", ".join(f"{word} {share:g}" for word, share in self.shares.items())


class Part(msgspec.Struct, frozen=True):
    """One law of a mixture and the share of series that follow it."""

    share: float
    of: Uniform | Integer | Normal | LogNormal | Exponential | Gamma | Constant


class Mixture(msgspec.Struct, frozen=True, tag_field="law", tag="mixture"):
    """Each series always follows the same one of several laws; the seed does not affect which.

    Values are limited to ``low`` and ``high``.
    """

    parts: list[Part]
    low: Number
    high: Number

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high)
        check_shares([part.share for part in self.parts])

    def classes(self, uniform: Numbers) -> npt.NDArray[np.integer]:
        """The index of the part that each series follows, from one uniform number per series."""
        return share_places([part.share for part in self.parts], uniform)

    def quantile_of(self, uniform: Numbers, classes: npt.NDArray[np.intp]) -> Numbers:
        """Values for ``uniform`` of shape (times, series) and one class per series."""
        values = np.empty_like(uniform)
        for index, part in enumerate(self.parts):
            columns = np.flatnonzero(classes == index)
            values[:, columns] = part.of.quantile(uniform[:, columns])
        return np.clip(values, self.low, self.high, out=values)

    def __str__(self) -> str:
        parts = "; ".join(f"{part.share:.0%} of series: {part.of}" for part in self.parts)
        return f"{parts}; limited to {self.low:g}–{self.high:g}"


Continuous = Uniform | Normal | LogNormal | Exponential | Gamma
"""The laws with a ``cdf(value)``, the probability of at most a value, and a ``mean``."""

SimpleLaw = Continuous | Constant | Integer | Poisson | Zipf | Bernoulli | Choice
"""The laws that need nothing but a uniform number per value."""


def _check_bounds(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"low is {low:g}, but must not be above high, {high:g}")


def check_shares(shares: list[float]) -> None:
    """Raises ValueError for shares that are no distribution."""
    if not all(share >= 0 for share in shares) or not abs(sum(shares) - 1) <= 1e-9:
        raise ValueError("the shares must be 0 or more and add up to 1")


def share_places(shares: list[float], uniform: Numbers) -> npt.NDArray[np.integer]:
    """The index of the share that each number falls into."""
    bounds = list(accumulate(shares))[:-1]
    if len(bounds) > FEW_SHARES:
        return np.searchsorted(bounds, uniform, side="right")
    index = np.zeros(uniform.shape, np.uint8)
    for bound in bounds:
        index += uniform >= bound
    return index
