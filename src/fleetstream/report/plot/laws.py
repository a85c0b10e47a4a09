"""Laws as cumulative distribution functions, to draw them beside the values that follow them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from fleetstream.distributions import (
    Distribution,
    HostLoad,
    HostOffset,
    Load,
    Normal,
    OppositeOffset,
    Remainder,
    Uniform,
    UniformInteger,
    host_loads,
)
from fleetstream.fleet import Kind
from fleetstream.measures import measures_of
from fleetstream.generate.signals import FULL_SCALE, MICROSECONDS, Signal
from fleetstream.workload import Workload

Numbers = npt.NDArray[np.float64]

CELLS = 5_000
"""Cells that laws are cut into to add them up."""

TAIL = 6.0
"""Standard deviations beyond which a normal law has nothing worth drawing."""


@dataclass(frozen=True, slots=True)
class Law:
    """``share`` gives the share of values up to each number; practically all are in the bounds."""

    low: float
    high: float
    share: Callable[[Numbers], Numbers]


def law_of(distribution: Distribution, workload: Workload, timestamps: Sequence[int]) -> Law:
    """The law of a measure over all hosts at ``timestamps`` (microseconds of Unix time).

    Offsets by the host's number are left out. Raises :class:`TypeError` for a choice of words,
    whose likelihoods are its law.
    """
    match distribution:
        case Uniform(low, high):
            return Law(low, high, lambda x: np.clip((x - low) / (high - low), 0, 1))
        case UniformInteger(low, high):
            count = high - low + 1
            return Law(low, high, lambda x: np.clip((np.floor(x) - low + 1) / count, 0, 1))
        case Normal(mean, deviation):
            return _normal(mean, deviation)
        case HostLoad():
            return _load(distribution, workload, timestamps)
        case HostOffset(_, around):
            return law_of(around, workload, timestamps)
        case OppositeOffset(total, of, _):
            return _remainder(total, _named(of, workload, timestamps))
        case Remainder(total, of):
            parts = [_named(name, workload, timestamps) for name in of]
            return _remainder(total, _sum(parts), least=0.0)
    raise TypeError(f"{distribution} is no law of numbers.")


def _named(name: str, workload: Workload, timestamps: Sequence[int]) -> Law:
    """The law of another measure of a host."""
    measures = {measure.name: measure for measure in measures_of(Kind.METRICS)}
    return law_of(measures[name].distribution, workload, timestamps)


def _normal(mean: float, deviation: float) -> Law:
    law = NormalDist(mean, deviation)
    share = np.vectorize(law.cdf, otypes=[np.float64])
    return Law(mean - TAIL * deviation, mean + TAIL * deviation, share)


def _load(load: HostLoad, workload: Workload, timestamps: Sequence[int]) -> Law:
    """The mixture of the fleet's hosts, or the signal where there is one."""
    signal = workload.signal
    if signal is not None:
        seconds = [timestamp / MICROSECONDS for timestamp in timestamps]
        return _clipped(0, FULL_SCALE, lambda x: _signal(signal, seconds, x))
    loads = host_loads(workload.fleet.hosts.hosts)
    weights = np.bincount(loads, minlength=len(Load)) / len(loads)
    laws: dict[Load, Distribution] = {
        Load.ANY: load.otherwise,
        Load.HIGH: load.high,
        Load.LOW: load.low,
    }
    parts = [(weights[each], law_of(law, workload, timestamps)) for each, law in laws.items()]

    def mixture(x: Numbers) -> Numbers:
        return sum((weight * law.share(x) for weight, law in parts), start=np.zeros(len(x)))

    return _clipped(load.otherwise.low, load.otherwise.high, mixture)


def _signal(signal: Signal, seconds: Sequence[float], x: Numbers) -> Numbers:
    """The share of values up to ``x`` over all the times, with the noise around each level."""
    offsets = x[:, np.newaxis] - np.array([signal.level(time) for time in seconds])
    if signal.noise:
        shares = np.clip((offsets / signal.noise + 1) / 2, 0, 1)
    else:
        shares = (offsets >= 0).astype(np.float64)
    mean: Numbers = shares.mean(axis=1)
    return mean


def _clipped(low: float, high: float, share: Callable[[Numbers], Numbers]) -> Law:
    return Law(low, high, lambda x: np.where(x < low, 0.0, np.where(x >= high, 1.0, share(x))))


def _remainder(total: float, law: Law, least: float = -np.inf) -> Law:
    """The law of what is left of ``total``, but not less than ``least``."""
    return Law(
        max(total - law.high, least),
        total - law.low,
        lambda x: np.where(x < least, 0.0, 1 - law.share(total - x)),
    )


def _sum(laws: Sequence[Law]) -> Law:
    """The law of the sum of independent values."""
    low, high = sum(law.low for law in laws), sum(law.high for law in laws)
    step = (high - low) / CELLS
    masses = reduce(_convolved, [_cut(law, step) for law in laws])
    numbers = low + step * (np.arange(len(masses)) + 0.5)
    shares = np.cumsum(masses)
    return Law(low, high, lambda x: np.interp(x, numbers, shares, left=0.0, right=1.0))


def _convolved(one: Numbers, other: Numbers) -> Numbers:
    masses: Numbers = np.convolve(one, other)
    return masses


def _cut(law: Law, step: float) -> Numbers:
    """The shares of values in cells around the law's lower bound and each step above it."""
    cells = np.arange(ceil((law.high - law.low) / step) + 2, dtype=np.float64)
    edges = law.low + step * (cells - 0.5)
    masses: Numbers = np.diff(law.share(edges))
    return masses
