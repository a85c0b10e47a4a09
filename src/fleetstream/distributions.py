"""The laws that values follow, each able to draw a whole column at once.

A law draws from :class:`Draws`, the random numbers and the surroundings of one block of series at
one timestamp, and returns one number a series. The catalogue in :mod:`fleetstream.measures` rounds
what it returns to the decimals of the measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]

TENTHS = 10
"""Hosts are classed in runs of ten consecutive numbers, so that shares are exact in each run."""


class Load(IntEnum):
    """How busy a host's CPU is, always: high and low are two hosts in ten each."""

    ANY = 0
    HIGH = 1
    LOW = 2


class Draws(Protocol):
    """What a law may draw from: all arrays have one entry a series of the block."""

    @property
    def hosts(self) -> npt.NDArray[np.int64]:
        """The number of the host of each series."""
        ...

    @property
    def loads(self) -> npt.NDArray[np.uint8]:
        """The :class:`Load` of that host."""
        ...

    @property
    def columns(self) -> Mapping[str, Column]:
        """The columns of this block that are drawn already, by measure name, rounded."""
        ...

    def uniform(self) -> Column:
        """The next uniform draws from [0, 1)."""
        ...

    def normal(self) -> Column:
        """The next standard normal draws."""
        ...

    def overlay(self, uniform: Column) -> Column | None:
        """The CPU signal with the given noise, or None when there is no signal."""
        ...


class Distribution(Protocol):
    """A law: it draws a column, and its text states it for people."""

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform between ``low`` and ``high``."""

    low: float
    high: float

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        return draws.uniform() * (self.high - self.low) + self.low

    def __str__(self) -> str:
        return f"uniform {self.low:g}–{self.high:g}"


@dataclass(frozen=True, slots=True)
class UniformInteger:
    """Every whole number from ``low`` to ``high``, both included, equally likely."""

    low: int
    high: int

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        return np.floor(draws.uniform() * (self.high - self.low + 1)) + self.low

    def __str__(self) -> str:
        return f"uniform whole number {self.low}–{self.high}"


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal with the given mean and standard deviation."""

    mean: float
    deviation: float

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        return draws.normal() * self.deviation + self.mean

    def __str__(self) -> str:
        return f"normal, mean {self.mean:g}, sd {self.deviation:g}"


@dataclass(frozen=True, slots=True)
class HostLoad:
    """CPU load by the host's :class:`Load`, or the signal where one overlays it; within 0–100."""

    high: Normal
    low: Normal
    otherwise: Uniform

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        # Both are always drawn, so that a signal leaves all other measures as they are.
        uniform, normal = draws.uniform(), draws.normal()
        signal = draws.overlay(uniform)
        if signal is not None:
            return signal
        means = np.array([0.0, self.high.mean, self.low.mean])
        deviations = np.array([0.0, self.high.deviation, self.low.deviation])
        bounded = self.otherwise.low + uniform * (self.otherwise.high - self.otherwise.low)
        loaded = means[draws.loads] + normal * deviations[draws.loads]
        column = np.where(draws.loads == Load.ANY, bounded, loaded)
        return np.clip(column, self.otherwise.low, self.otherwise.high)

    def __str__(self) -> str:
        return (
            f"2 hosts in 10: {self.high}; 2 in 10: {self.low}; others: {self.otherwise}; "
            f"clipped to {self.otherwise.low:g}–{self.otherwise.high:g}"
        )


@dataclass(frozen=True, slots=True)
class HostOffset:
    """A normal value on top of ``step`` times the host's number."""

    step: float
    around: Normal

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        return self.around.values(draws) + self.step * draws.hosts

    def __str__(self) -> str:
        return f"{self.step:g} × host number + ({self.around})"


@dataclass(frozen=True, slots=True)
class OppositeOffset:
    """``total`` minus the normal value that the measure ``of`` adds to its host's offset."""

    total: float
    of: str
    step: float

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        return self.total - (draws.columns[self.of] - self.step * draws.hosts)

    def __str__(self) -> str:
        return f"{self.total:g} − (`{self.of}` − {self.step:g} × host number)"


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left of ``total`` after the measures ``of``; never below zero."""

    total: float
    of: tuple[str, ...]

    def values(self, draws: Draws) -> Column:
        """One number a series."""
        used = sum((draws.columns[name] for name in self.of), start=np.float64(0.0))
        return np.maximum(self.total - used, 0.0)

    def __str__(self) -> str:
        listed = " − ".join(f"`{name}`" for name in self.of)
        return f"{self.total:g} − {listed}, at least 0"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``words``, with the given likelihoods; drawn as an index into ``words``."""

    words: tuple[str, ...]
    likelihoods: tuple[float, ...]

    def values(self, draws: Draws) -> Column:
        """One index a series."""
        bounds = np.cumsum(self.likelihoods)[:-1]
        return np.searchsorted(bounds, draws.uniform(), side="right").astype(np.float64)

    def __str__(self) -> str:
        shares = zip(self.words, self.likelihoods, strict=True)
        return ", ".join(f"{word} {likelihood:g}" for word, likelihood in shares)


def host_loads(hosts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The :class:`Load` of each host number: pseudo-random, but the same in every run.

    Among each ten consecutive hosts, the two with the smallest hash are high and the next two low.
    """
    tens = hosts // TENTHS
    first, last = (int(tens[0]), int(tens[-1])) if len(hosts) else (0, -1)
    numbers = np.arange(first * TENTHS, (last + 1) * TENTHS, dtype=np.uint64)
    ranks = _hash(numbers).reshape(-1, TENTHS).argsort(axis=1).argsort(axis=1).ravel()
    loads = np.select([ranks < 2, ranks < 4], [Load.HIGH, Load.LOW], Load.ANY).astype(np.uint8)
    chosen: npt.NDArray[np.uint8] = loads[hosts - first * TENTHS]
    return chosen


def _hash(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: a well-mixed 64-bit hash of each number."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
