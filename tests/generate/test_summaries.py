"""Summaries: their quantiles, count and sum agree with each other and with the law."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from fleetstream.generate.generator import Generator
from fleetstream.model.normal import normal_share
from tests.generate.models import model_of
from tests.telemetry import SECOND, TIMESTAMP

MINUTE = 60 * SECOND
QUANTILES = [0.5, 0.9, 0.99]
RATE, WINDOW = 20, 600

LAWS: dict[str, tuple[dict[str, Any], Any]] = {
    "lognormal": ({"median": 0.04, "sigma": 1}, stats.lognorm(1, scale=0.04)),
    "gamma": ({"shape": 2, "mean": 3}, stats.gamma(2, scale=1.5)),
    "exponential": ({"mean": 5}, stats.expon(scale=5)),
    "uniform": ({"low": 1, "high": 3}, stats.uniform(1, 2)),
    "normal": ({"mean": 10, "sd": 2}, stats.norm(10, 2)),
}


def document(law: str, /, **changes: Any) -> dict[str, Any]:
    summary = {
        "name": "size",
        "quantiles": QUANTILES,
        "rate": RATE,
        "window": f"{WINDOW}s",
        "decimals": 6,
        "law": {"law": law} | LAWS[law][0],
    }
    return {
        "name": "summaries",
        "shard_level": "server",
        "levels": [{"name": "server", "count": "50", "label": "server-{server.index}"}],
        "kinds": {
            "server": {
                "noun": "servers",
                "level": "server",
                "dimensions": {"server": "{server}"},
                "summaries": [summary | changes],
            }
        },
    }


def day(law: str, **changes: Any) -> dict[str, np.ndarray]:
    """A day, every five minutes: each measure with the shape (times, servers)."""
    times = range(TIMESTAMP, TIMESTAMP + 288 * 5 * MINUTE, 5 * MINUTE)
    made = Generator(model_of(document(law, **changes)), 4)
    table = pa.Table.from_batches(list(made.batches(times)))
    return {name: table[name].to_numpy().reshape(288, 50) for name in table.column_names[2:]}


def quantiles(found: dict[str, np.ndarray]) -> np.ndarray:
    return np.array([found[f"size_quantile_{str(each).replace('.', '_')}"] for each in QUANTILES])


@pytest.mark.parametrize("law", LAWS)
def test_quantiles_move_around_those_of_the_law(law: str) -> None:
    """Their medians are the law's quantiles; deviations are those of the median of a sample."""
    reference = LAWS[law][1]
    found = quantiles(day(law))
    # Values a window apart are independent; 50 servers over 144 windows.
    np.testing.assert_allclose(np.median(found, axis=(1, 2)), reference.ppf(QUANTILES), rtol=0.01)
    scores = stats.norm.ppf(reference.cdf(found[0]))
    assert scores.std() == pytest.approx(np.sqrt(np.pi / 2 / (RATE * WINDOW)), rel=0.05)


@pytest.mark.parametrize("rate", [0.001, 20, 10_000])
def test_quantiles_never_cross(rate: float) -> None:
    assert np.all(np.diff(quantiles(day("lognormal", rate=rate)), axis=0) > 0)


def test_quantiles_of_many_events_move_less() -> None:
    """And change slowly: values close in time are close."""
    few, many = (quantiles(day("gamma", rate=rate))[0] for rate in (1, 100))
    assert few.std() == pytest.approx(10 * many.std(), rel=0.1)
    slow = quantiles(day("gamma", window="10h"))[0]
    assert np.abs(np.diff(slow, axis=0)).std() < 0.1 * slow.std()


@pytest.mark.parametrize("law", LAWS)
def test_count_and_sum_agree_with_the_law(law: str) -> None:
    found, mean = day(law), LAWS[law][1].mean()
    count, total = found["size_count"], found["size_sum"]
    counted, sized = np.diff(count, axis=0), np.diff(total, axis=0)
    assert np.all(counted > 0)
    assert np.all(sized > 0)
    assert counted.mean() == pytest.approx(RATE * 300, rel=0.01)
    # In five minutes, the part of the sum with a counter of its own differs by a few per cent.
    np.testing.assert_allclose(sized / counted, mean, rtol=0.05)
    assert (total[-1] / count[-1]).mean() == pytest.approx(mean, rel=1e-3)
    assert (sized / counted).std() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantiles": []}, "a summary has from 1 to 100 quantiles"),
        ({"quantiles": [0.5, 0.5]}, "the summary 'size' has a quantile twice"),
        ({"quantiles": [1.0]}, "<= 0.9999"),
        ({"law": {"law": "normal", "mean": -1, "sd": 1}}, "the mean size of the summary 'size'"),
        ({"law": {"law": "lognormal", "median": 1e9, "sigma": 9}}, "must be from 0 to"),
        ({"window": "10"}, "regex"),
    ],
)
def test_mistakes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of(document("gamma", **changes))


def test_shares_below_scores() -> None:
    scores = np.linspace(-5.9, 5.9, 997)
    np.testing.assert_allclose(normal_share(scores), stats.norm.cdf(scores), atol=1e-6)
    assert 0 < normal_share(np.array([-99.0]))[0] < normal_share(np.array([99.0]))[0] < 1
