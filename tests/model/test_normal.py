"""The quantile function of the normal law against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from fleetstream.model.normal import CELLS, TAIL, normal_quantile

EDGE = TAIL / CELLS
SMALLEST = 2.0**-53
"""The smallest and, subtracted from 1, the largest number that the generator draws."""


def error(uniform: np.ndarray) -> np.ndarray:
    return np.abs(normal_quantile(uniform) - special.ndtri(uniform))


def test_the_table_has_the_stated_error() -> None:
    """Also in the middle of each cell, where linear interpolation is worst."""
    inner = (np.arange(TAIL, CELLS - TAIL)[:, np.newaxis] + np.linspace(0, 1, 9)[:-1]) / CELLS
    assert 1e-8 < error(inner).max() < 1e-6


def test_the_tails_have_the_stated_error() -> None:
    low = np.concatenate([np.geomspace(SMALLEST, EDGE, 100_001)[:-1], [1e-300]])
    high = 1 - np.geomspace(SMALLEST, EDGE, 100_001)[:-1]
    for tail in (low, high):
        exact = special.ndtri(tail)
        assert np.max(np.abs(normal_quantile(tail) / exact - 1)) < 5e-15
    assert normal_quantile(np.array([SMALLEST]))[0] < -8.2


@given(st.lists(st.floats(SMALLEST, 1 - SMALLEST), min_size=1, max_size=30))
def test_any_number(uniform: list[float]) -> None:
    numbers = np.array(uniform)
    assert np.all(error(numbers) < 1e-6)
    assert np.all(np.diff(normal_quantile(np.sort(numbers))) >= 0)


def test_shapes_are_kept_and_the_argument_is_not_changed() -> None:
    uniform = np.array([[0.001, 0.5, 0.7], [0.999, 0.2, 0.3]])
    before = uniform.copy()
    assert normal_quantile(uniform).tolist() == [normal_quantile(row).tolist() for row in uniform]
    assert np.array_equal(uniform, before)
