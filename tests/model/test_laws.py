"""The laws of model files against SciPy's."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from fleetstream.model.laws import (
    Bernoulli,
    Constant,
    Continuous,
    Exponential,
    Gamma,
    LogNormal,
    Normal,
    Poisson,
    Uniform,
    Zipf,
)

SHARES = np.array([1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1e-4, 1 - 1e-9])

CONTINUOUS: list[tuple[Continuous, Any]] = [
    (Uniform(low=-2, high=5), stats.uniform(-2, 7)),
    (Normal(mean=3, sd=2), stats.norm(3, 2)),
    (LogNormal(median=0.035, sigma=0.9), stats.lognorm(0.9, scale=0.035)),
    (Exponential(mean=4), stats.expon(scale=4)),
    *((Gamma(shape=k, mean=3), stats.gamma(k, scale=3 / k)) for k in (0.1, 0.5, 1, 3, 900)),
]


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS, ids=[str(law) for law, _ in CONTINUOUS])
def test_continuous_laws(law: Continuous, reference: Any) -> None:
    wanted = reference.ppf(SHARES)
    np.testing.assert_allclose(law.quantile(SHARES.copy()), wanted, rtol=1e-4, atol=3e-6)
    for share, value in zip(SHARES, wanted, strict=True):
        assert law.cdf(float(value)) == pytest.approx(share, abs=2e-6)
    assert law.cdf(-1e14) == 0
    assert law.cdf(1e14) == pytest.approx(1)


@pytest.mark.parametrize("mean", [0.01, 1, 7.5, 300, 10_000])
def test_poisson(mean: float) -> None:
    found = Poisson(mean=mean).quantile(SHARES.copy())
    np.testing.assert_allclose(
        found, stats.poisson.ppf(SHARES, mean), atol=1 if mean > 1_000 else 0
    )


@pytest.mark.parametrize(("count", "exponent"), [(1, 1), (5, 1.2), (100, 0), (1_000, 2)])
def test_zipf(count: int, exponent: float) -> None:
    found = Zipf(count=count, exponent=exponent).quantile(SHARES.copy())
    np.testing.assert_array_equal(found, stats.zipfian.ppf(SHARES, exponent, count))


@pytest.mark.parametrize("probability", [0, 0.3, 1])
def test_bernoulli(probability: float) -> None:
    found = Bernoulli(probability=probability).quantile(SHARES.copy())
    np.testing.assert_array_equal(found, stats.bernoulli.ppf(SHARES, probability))


def test_a_constant() -> None:
    assert Constant(value=3).quantile(SHARES).tolist() == [3.0] * len(SHARES)
    assert str(Constant(value=3)) == "constant 3"
