"""Noise that is smooth over time, interpolated between hashed values at multiples of a period.

Between the points i and i + 1 of the lattice, the weight w = f²(3 − 2f) of the later point goes
from 0 to 1 as the fraction f of the period does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

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


class SmoothNoise:
    """The noise of some keys. Times and periods are in microseconds.

    The values at the points of a lattice that were used last are remembered, since times that
    follow each other lie between the same points: two values per key and octave where times come
    one by one, and never more than twice as many as there were times.
    """

    def __init__(self, keys: Bits) -> None:
        self._keys = keys
        self._known: dict[tuple[np.uint64, int], _Points] = {}

    def normal(self, name: str, times: Times, period: int, octaves: int = 1) -> Numbers:
        """Standard normal noise of shape (times, keys), exactly normal at every time.

        Octave j has the period / 4ʲ and the standard deviation ∝ 2⁻ʲ, so the spectrum falls roughly
        with the square of the frequency.
        """
        scale = math.sqrt(sum(4.0**-octave for octave in range(octaves)))
        total: Numbers = np.zeros((len(times), len(self._keys)))
        for octave in range(octaves):
            key, length = name_key("smooth", name, str(octave)), period // 4**octave
            places, weights = _place(times, length)
            earlier, later = self._around(key, places, length, normal_quantile)
            sizes = 2.0**-octave / scale / np.sqrt((1 - weights) ** 2 + weights**2)
            earlier *= (sizes * (1 - weights))[:, np.newaxis]
            total += earlier
            later *= (sizes * weights)[:, np.newaxis]
            total += later
        return total

    def bounded(self, name: str, times: Times, period: int) -> Numbers:
        """Noise between −1 and 1 of shape (times, keys), whose slope is at most 3 / period."""
        places, weights = _place(times, period)
        earlier, later = self._around(name_key("bounded", name), places, period, _between_ones)
        later -= earlier
        later *= weights[:, np.newaxis]
        later += earlier
        return later

    def bounded_at(self, name: str, times: Times, period: int) -> Numbers:
        """:meth:`bounded` of each key at a time of its own: one value per key."""
        places, weights = _place(times, period)
        key = name_key("bounded", name)
        earlier, later = (
            _between_ones(uniform(mix(self._keys + cell_offsets(key, each))))
            for each in (places, places + 1)
        )
        return earlier + weights * (later - earlier)

    def _around(
        self, key: np.uint64, places: Times, period: int, quantile: Callable[[Numbers], Numbers]
    ) -> tuple[Numbers, Numbers]:
        """The values at the points ``places`` and at those after them, each (times, keys)."""
        first, last = (int(places.min()), int(places.max())) if len(places) else (0, 0)
        known = self._known.get((key, period))
        if known is None or not known.first <= first <= last < known.last:
            if last - first > 2 * len(places):
                return self._values(key, places, quantile), self._values(key, places + 1, quantile)
            values = self._values(key, np.arange(first, last + 2), quantile)
            known = self._known[key, period] = _Points(first, last + 1, values)
        rows = places - known.first
        return known.values.take(rows, axis=0), known.values.take(rows + 1, axis=0)

    def _values(
        self, key: np.uint64, points: Times, quantile: Callable[[Numbers], Numbers]
    ) -> Numbers:
        return quantile(cell_uniforms(self._keys, cell_offsets(key, points)))


@dataclass(frozen=True, slots=True)
class _Points:
    """The values at the points from ``first`` to ``last``, of shape (points, keys)."""

    first: int
    last: int
    values: Numbers


def _place(times: Times, period: int) -> tuple[Times, Numbers]:
    """The last point of the lattice until each time, and the weight of the one after it."""
    places = times // period
    fraction = (times - places * period) / period
    return places, fraction * fraction * (3 - 2 * fraction)


def _between_ones(uniforms: Numbers) -> Numbers:
    uniforms *= 2
    uniforms -= 1
    return uniforms
