"""Noise that is smooth over time, interpolated between hashed values at multiples of a period.

Between two points of a lattice, the weight w = f²(3 − 2f) of the later one goes from 0 to 1 as the
fraction f of their distance does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import (
    Bits,
    Numbers,
    cell_offsets,
    cell_uniforms,
    mix,
    name_key,
    uniform,
)
from fleetstream.model.normal import normal_quantile

Times = npt.NDArray[np.int64]

FINER = 4
"""How many points of an octave's lattice there are for each of the octave before."""

POINTS, VALUES = 8, 16_384
"""Points that are made at once at least, so that live sweeps make some rarely, unless that were
more values than these."""


class SmoothNoise:
    """The noise of some keys. Times and periods are in microseconds.

    The values at the points of a lattice that were used last are remembered, since times that
    follow each other lie between the same points: no more than a few for each of the times, or
    :data:`POINTS`, however far apart the times are.
    """

    def __init__(self, keys: Bits) -> None:
        self._keys = keys
        self._known: dict[tuple[np.uint64, int], _Points] = {}

    def normal(self, name: str, times: Times, period: int, octaves: int = 1) -> Numbers:
        """Standard normal noise of shape (times, keys), exactly normal at every time.

        The values at the points of the finest lattice are a sum over the octaves: each has a
        quarter of the period and half the standard deviation of the one before, so the spectrum
        falls roughly with the square of the frequency.
        """
        return self._normal(name, times, period // FINER ** (octaves - 1), octaves)

    def _normal(self, name: str, times: Times, distance: int, octaves: int) -> Numbers:
        """Noise of some octaves, the last of which has points at this distance."""
        key, share = name_key("smooth", name, str(octaves)), _share(octaves)

        def values(points: Times) -> Numbers:
            own = normal_quantile(cell_uniforms(self._keys, cell_offsets(key, points)))
            if octaves > 1:
                own *= np.sqrt(share)
                slower = self._normal(name, points * distance, FINER * distance, octaves - 1)
                slower *= np.sqrt(1 - share)
                own += slower
            return own

        places, weights = _place(times, distance)
        alike = _likeness(octaves)
        factors = _balanced(weights, alike[places % len(alike)])
        return self._between(key, distance, places, factors, values)

    def bounded(
        self, name: str, times: Times, period: int, scaled: "Scaled | None" = None
    ) -> Numbers:
        """Noise between −1 and 1 of shape (times, keys), whose slope is at most 3 / period.

        Or what ``scaled`` makes of it, a linear function, which must be the same for each name.
        """
        key = name_key("bounded", name)

        def values(points: Times) -> Numbers:
            own = _between_ones(cell_uniforms(self._keys, cell_offsets(key, points)))
            return own if scaled is None else scaled(own)

        places, weights = _place(times, period)
        return self._between(key, period, places, (1 - weights, weights), values)

    def bounded_at(self, name: str, times: Times, period: int) -> Numbers:
        """:meth:`bounded` of each key at a time of its own: one value per key."""
        places, weights = _place(times, period)
        key = name_key("bounded", name)
        earlier, later = (
            _between_ones(uniform(mix(self._keys + cell_offsets(key, each))))
            for each in (places, places + 1)
        )
        return (1 - weights) * earlier + weights * later

    def _between(
        self,
        key: np.uint64,
        distance: int,
        places: Times,
        factors: tuple[Numbers, Numbers],
        values: Callable[[Times], Numbers],
    ) -> Numbers:
        """The sum of the values at the points ``places`` and after them, each with its factor.

        The shape is (times, keys); ``values`` makes those at points, (points, keys).
        """
        first, last = (int(places.min()), int(places.max())) if len(places) else (0, 0)
        known = self._known.get((key, distance))
        if known is None or not known.first <= first <= last < known.last:
            if last - first > 2 * len(places):
                points, rows = np.unique(np.append(places, places + 1), return_inverse=True)
                earlier, later = np.split(rows, 2)
                return _weighted(values(points), earlier, later, *factors)
            count = max(last + 2 - first, min(POINTS, VALUES // max(len(self._keys), 1)))
            made = values(np.arange(first, first + count))
            known = self._known[key, distance] = _Points(first, first + count - 1, made)
        rows = places - known.first
        return _weighted(known.values, rows, rows + 1, *factors)


Scaled = Callable[[Numbers], Numbers]
"""Changes values of shape (points, keys)."""


@dataclass(frozen=True, slots=True)
class _Points:
    """The values at the points from ``first`` to ``last``, of shape (points, keys)."""

    first: int
    last: int
    values: Numbers


def _place(times: Times, distance: int) -> tuple[Times, Numbers]:
    """The last point of the lattice until each time, and the weight of the one after it."""
    places = times // distance
    return places, _weight((times - places * distance) / distance)


def _weight(fraction: Numbers) -> Numbers:
    """The weight of the later point at a fraction of the distance between two points."""
    weight: Numbers = fraction * fraction * (3 - 2 * fraction)
    return weight


def _weighted(
    values: Numbers, earlier: Times, later: Times, factor: Numbers, factor_later: Numbers
) -> Numbers:
    """The sum of rows and others, each with its factor."""
    total: Numbers = values.take(earlier, axis=0)
    total *= factor[:, np.newaxis]
    second = values.take(later, axis=0)
    second *= factor_later[:, np.newaxis]
    total += second
    return total


def _balanced(weight: Numbers, alike: Numbers) -> tuple[Numbers, Numbers]:
    """The factors of two standard normal values whose sum is to be standard normal.

    They are proportional to 1 − ``weight`` and ``weight``; ``alike`` is the correlation of the two.
    """
    other = 1 - weight
    size = np.sqrt(other * other + weight * weight + 2 * alike * other * weight)
    return other / size, weight / size


def _share(octaves: int) -> float:
    """The share of the last of some octaves in the variance."""
    share: float = (FINER - 1) / (FINER**octaves - 1)
    return share


@cache
def _likeness(octaves: int) -> Numbers:
    """The correlation between the noise at a point of the finest lattice and at the next.

    One for each of the points from one of the coarsest lattice until before the next.
    """
    if octaves == 1:
        return np.zeros(1)
    slower = _likeness(octaves - 1)[:, np.newaxis]
    earlier, later = _balanced(_weight(np.arange(FINER + 1) / FINER), slower)
    one, other = np.s_[:, :-1], np.s_[:, 1:]
    alike = earlier[one] * earlier[other] + later[one] * later[other]
    alike += slower * (earlier[one] * later[other] + later[one] * earlier[other])
    return (alike * (1 - _share(octaves))).reshape(-1)


def _between_ones(uniforms: Numbers) -> Numbers:
    uniforms *= 2
    uniforms -= 1
    return uniforms
