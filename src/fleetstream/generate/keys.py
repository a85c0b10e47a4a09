"""Keys: 64-bit hashes that select the random number of each cell.

A *cell* is one measure of one series at one timestamp. Its random bits are

    mix(series key + mix(measure key + mix(timestamp)))

where the series key is a hash of the seed and of the series' own dimensions, and the measure key a
hash of the measure's name. So each cell can be computed alone, and does not change when other
series, measures or timestamps are added or removed.

The mixing function is the finaliser of SplitMix64 with its constants (Stafford's "Mix13"): Steele,
Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Names are hashed with
BLAKE2b (RFC 7693).
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

GENERATOR_VERSION = 4
"""Raised with every change that changes values; stored in manifests."""

Bits = npt.NDArray[np.uint64]
Booleans = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_EXPONENT = np.uint64(0x3FF0000000000000)
_LARGEST_BELOW_ONE = 1.0 - 2.0**-53


@lru_cache(4_096)
def name_key(*parts: str) -> np.uint64:
    """A hash of a name; of several parts, which may contain any characters."""
    text = b"".join(len(part.encode()).to_bytes(4, "little") + part.encode() for part in parts)
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def word_keys(dimension: str, words: Iterable[str]) -> Bits:
    """A hash per word of a dimension; the keys of a series' words add up to its identity."""
    return np.array([name_key(dimension, word) for word in words], np.uint64)


def seeded(identities: Bits, seed: int) -> Bits:
    """The series keys of one seed (0 to 2⁶⁴ − 1), from the identities of the series."""
    return mix(identities + mix(np.array([seed], np.uint64) + _GAMMA))


def cell_offsets(name: np.uint64, timestamps: npt.NDArray[np.int64]) -> Bits:
    """The second summand of each cell's key, one per timestamp (microseconds)."""
    return mix(mix(timestamps.astype(np.uint64) + _GAMMA) + name)


def cell_bits(series: Bits, offsets: Bits) -> Bits:
    """The random bits of cells, of shape (timestamps, series)."""
    return mix(series[np.newaxis, :] + offsets[:, np.newaxis])


def cell_uniforms(series: Bits, offsets: Bits) -> Numbers:
    """Uniform numbers of shape (timestamps, series), strictly between 0 and 1."""
    return uniform(cell_bits(series, offsets))


def mix(bits: Bits) -> Bits:
    """Replaces each element by its hash, in place: SplitMix64's finaliser, a bijection."""
    scratch = bits >> np.uint64(30)
    bits ^= scratch
    bits *= _FIRST
    np.right_shift(bits, np.uint64(27), out=scratch)
    bits ^= scratch
    bits *= _SECOND
    np.right_shift(bits, np.uint64(31), out=scratch)
    bits ^= scratch
    return bits


def uniform(bits: Bits) -> Numbers:
    """Numbers strictly between 0 and 1 from the upper 52 bits of each element, in place.

    The bits become the fraction of a double in [1, 2); what is subtracted from it leaves odd
    multiples of 2⁻⁵³ without rounding.
    """
    bits >>= np.uint64(12)
    bits |= _EXPONENT
    numbers: Numbers = bits.view(np.float64)
    numbers -= _LARGEST_BELOW_ONE
    return numbers
