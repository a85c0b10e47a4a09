"""Noise that is smooth over time, interpolated between hashed values at multiples of a period.

Between the points i and i + 1 of the lattice, the weight w = f²(3 − 2f) of the later point goes
from 0 to 1 as the fraction f of the period does. Nothing is remembered: noise at any time is
computed from the two points around it.
"""

import math

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, Numbers, cell_offsets, cell_uniforms, name_key, uniform
from fleetstream.generate.keys import mix as mixed
from fleetstream.model.normal import normal_quantile

Times = npt.NDArray[np.int64]


def smooth_normal(keys: Bits, name: str, times: Times, period: int, octaves: int = 1) -> Numbers:
    """Standard normal noise of shape (times, keys), exactly normal at every time.

    ``times`` and ``period`` are in microseconds. Octave j has the period / 4ʲ and the standard
    deviation ∝ 2⁻ʲ, so the spectrum falls roughly with the square of the frequency.
    """
    scale = math.sqrt(sum(4.0**-octave for octave in range(octaves)))
    total: Numbers = np.zeros((len(times), len(keys)))
    for octave in range(octaves):
        points, first, weights = _lattice(times, period // 4**octave)
        offsets = cell_offsets(name_key("smooth", name, str(octave)), points)
        values = normal_quantile(cell_uniforms(keys, offsets))
        size = 2.0**-octave / scale / np.sqrt((1 - weights) ** 2 + weights**2)
        total += (size * (1 - weights))[:, np.newaxis] * values[first]
        total += (size * weights)[:, np.newaxis] * values[first + 1]
    return total


def smooth_uniform(keys: Bits, name: str, times: Times, period: int) -> Numbers:
    """Noise between −1 and 1 of shape (times, keys), whose slope is at most 3 / period."""
    points, first, weights = _lattice(times, period)
    values = 2 * cell_uniforms(keys, cell_offsets(name_key("bounded", name), points)) - 1
    result: Numbers = (1 - weights)[:, np.newaxis] * values[first]
    result += weights[:, np.newaxis] * values[first + 1]
    return result


def smooth_uniform_at(keys: Bits, name: str, times: Times, period: int) -> Numbers:
    """:func:`smooth_uniform` of each key at a time of its own: one value per key."""
    points, weights = _point(times, period)
    key = name_key("bounded", name)
    before = 2 * uniform(mixed(keys + cell_offsets(key, points))) - 1
    after = 2 * uniform(mixed(keys + cell_offsets(key, points + 1))) - 1
    return (1 - weights) * before + weights * after


def _lattice(times: Times, period: int) -> tuple[Times, Times, Numbers]:
    """The points around all times, the place of the earlier one of each, and the later's weight."""
    before, weights = _point(times, period)
    points = np.unique(np.concatenate([before, before + 1]))
    return points, np.searchsorted(points, before), weights


def _point(times: Times, period: int) -> tuple[Times, Numbers]:
    points = times // period
    fraction = (times - points * period) / period
    return points, fraction * fraction * (3 - 2 * fraction)
