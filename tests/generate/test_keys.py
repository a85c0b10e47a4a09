"""Keys: the mixing function against its reference, and uniform numbers made of bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.keys import (
    cell_bits,
    cell_offsets,
    cell_uniforms,
    mix,
    name_key,
    seeded,
    uniform,
    word_keys,
)

GAMMA = 0x9E3779B97F4A7C15
WORD = st.integers(0, 2**64 - 1)


def mixed(number: int) -> int:
    """SplitMix64's finaliser on Python's integers."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
    return number ^ (number >> 31)


def test_splitmix64() -> None:
    """The first numbers of the published generator with the seed 1234567."""
    states = np.array([(1_234_567 + step * GAMMA) % 2**64 for step in range(1, 6)], np.uint64)
    assert mix(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(st.lists(WORD, min_size=1, max_size=20))
def test_mix(numbers: list[int]) -> None:
    assert mix(np.array(numbers, np.uint64)).tolist() == [mixed(number) for number in numbers]


@given(st.lists(WORD, min_size=1, max_size=4), st.lists(st.integers(-(2**63), 2**63 - 1)), WORD)
def test_the_documented_formula(identities: list[int], timestamps: list[int], seed: int) -> None:
    name = name_key("value", "measure")
    series = seeded(np.array(identities, np.uint64), seed)
    assert series.tolist() == [
        mixed((each + mixed((seed + GAMMA) % 2**64)) % 2**64) for each in identities
    ]
    offsets = cell_offsets(name, np.array(timestamps, np.int64))
    bits = cell_bits(series, offsets)
    assert bits.tolist() == [
        [
            mixed((key + mixed((mixed((timestamp + GAMMA) % 2**64) + int(name)) % 2**64)) % 2**64)
            for key in series.tolist()
        ]
        for timestamp in timestamps
    ]
    assert np.array_equal(cell_uniforms(series, offsets), uniform(bits))


@pytest.mark.parametrize(
    ("bits", "number"), [(0, 2.0**-53), (2**64 - 1, 1 - 2.0**-53), (2**63, 0.5 + 2.0**-53)]
)
def test_extreme_uniform_numbers(bits: int, number: float) -> None:
    assert uniform(np.array([bits], np.uint64)).tolist() == [number]


@given(WORD)
def test_uniform_numbers_are_exact(bits: int) -> None:
    (number,) = uniform(np.array([bits], np.uint64)).tolist()
    assert number * 2**53 == 2 * (bits >> 12) + 1


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_names_of_several_parts_differ(one: list[str], other: list[str]) -> None:
    """Wherever one part ends and the next begins."""
    assert (name_key(*one) == name_key(*other)) == (one == other)
    assert word_keys("dimension", one).tolist() == [name_key("dimension", word) for word in one]
