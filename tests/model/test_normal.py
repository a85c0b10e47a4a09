"""The quantile function of the normal law against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from fleetstream.model.normal import CELLS, normal_quantile

SMALLEST = 2.0**-53
"""The smallest and, subtracted from 1, the largest number that the generator draws."""


def error(uniform: np.ndarray) -> np.ndarray:
    return np.abs(normal_quantile(uniform) - special.ndtri(uniform))


def test_the_table_has_the_stated_error() -> None:
    """Also in the middle of each cell, where linear interpolation is worst."""
    within = 1 + (np.arange(CELLS)[:, np.newaxis] + np.linspace(0, 1, 9)[:-1]) / CELLS
    lower = np.outer(2.0 ** np.arange(-53, -1), within).reshape(-1)
    for numbers in (lower, 1 - lower):
        assert 1e-8 < error(numbers).max() < 5e-7


def test_the_ends_and_the_middle() -> None:
    found = normal_quantile(np.array([SMALLEST, 0.5, 1 - SMALLEST]))
    np.testing.assert_allclose(found, [-8.2095, 0.0, 8.2095], atol=1e-4)


@given(st.lists(st.floats(SMALLEST, 1 - SMALLEST), min_size=1, max_size=30))
def test_any_number(uniform: list[float]) -> None:
    numbers = np.array(uniform)
    assert np.all(error(numbers) < 5e-7)
    assert np.all(np.diff(normal_quantile(np.sort(numbers))) >= -1e-14)


def test_shapes_are_kept_and_the_argument_is_not_changed() -> None:
    uniform = np.array([[0.001, 0.5, 0.7], [0.999, 0.2, 0.3]])
    before = uniform.copy()
    assert normal_quantile(uniform).tolist() == [normal_quantile(row).tolist() for row in uniform]
    assert np.array_equal(uniform, before)
