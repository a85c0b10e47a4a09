"""Counters, histograms and drivers against their integrals and laws."""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fleetstream.generate.drivers import DriverRows, weekly
from fleetstream.generate.generator import Generator
from fleetstream.generate.keys import seeded
from fleetstream.generate.lattice import SmoothNoise
from fleetstream.model import Model
from fleetstream.model.dynamics import Driver
from tests.generate.living import HOURS, LIFE, START, content, living
from tests.generate.test_lives import table
from tests.telemetry import SECOND

KEYS = seeded(np.arange(1, 2_001, dtype=np.uint64), 5)


@pytest.mark.parametrize("octaves", [1, 3])
def test_smooth_noise_is_normal_at_every_time_and_smooth(octaves: int) -> None:
    times = START + np.arange(0, 3_600, 7, dtype=np.int64) * SECOND
    noise = SmoothNoise(KEYS).normal("noise", times, 600 * SECOND, octaves)
    for row in noise[::50]:
        assert stats.kstest(row, "norm").pvalue > 0.001
    neighbours = np.corrcoef(noise[10], noise[11])[0, 1]
    assert neighbours > (0.99 if octaves == 1 else 0.9)
    assert abs(np.corrcoef(noise[0], noise[-1])[0, 1]) < 0.1
    assert abs(np.corrcoef(noise[0, ::2], noise[0, 1::2])[0, 1]) < 0.12


def test_bounded_noise_has_a_bounded_slope() -> None:
    times = START + np.arange(0, 1_000, dtype=np.int64) * SECOND
    bounded = SmoothNoise(KEYS[:50])
    noise = bounded.bounded("noise", times, 60 * SECOND)
    assert np.abs(noise).max() <= 1
    assert np.abs(np.diff(noise, axis=0)).max() <= 3 / 60
    at = bounded.bounded_at("noise", np.full(50, times[77]), 60 * SECOND)
    np.testing.assert_array_equal(at, noise[77])


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 5), min_size=24, max_size=24).filter(any),
    st.lists(st.floats(0, 2), min_size=7, max_size=7).filter(any),
    st.integers(-12, 14),
    st.integers(0, 3 * 7 * 86_400),
    st.integers(1, 2 * 7 * 86_400),
)
def test_the_integral_of_a_driver_is_that_of_its_values(
    hours: list[float], weekdays: list[float], offset: int, begin: int, seconds: int
) -> None:
    driver = Driver(hours=tuple(hours), weekdays=tuple(weekdays))
    if not weekly(driver).any():
        return
    rows = DriverRows("d", driver, KEYS[:1], np.array([offset]))
    times = START + np.linspace(begin, begin + seconds, 20_001).astype(np.int64) * SECOND
    values, moments = rows.values(times)[:, 0], times / SECOND
    wanted = np.trapezoid(values, moments)
    found = np.diff(rows.integral(times[[0, -1]])[:, 0])[0]
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-3 * seconds)
    at = rows.integral_at(times[:1], np.zeros(1, np.intp))
    assert at[0] == pytest.approx(rows.integral(times[:1])[0, 0])


def test_a_driver_follows_local_time() -> None:
    driver = Driver(hours=tuple(HOURS))
    rows = DriverRows("d", driver, KEYS[:2], np.array([-5, 8]))
    noon_utc = np.array([START + 12 * 3_600 * SECOND])
    # At noon UTC it is 7 in the east, and 20 in the west.
    assert rows.values(noon_utc)[0].tolist() == [1.0, 1.0]
    assert rows.values(noon_utc + 5 * 3_600 * SECOND)[0, 0] == 2.0
    assert rows.values(noon_utc - 8 * 3_600 * SECOND)[0, 1] == 2.0


def frame(step: int = 60, hours: int = 24, **life: Any) -> pd.DataFrame:
    model = msgspec.convert(content(**life), Model)
    made = Generator(model, 9, step=step * SECOND)
    rows = table(made, range(START, START + hours * 3_600 * SECOND, step * SECOND)).to_pandas()
    return rows.sort_values(["group", "name", "time"])


@pytest.mark.parametrize("step", [1, 60])
@pytest.mark.parametrize("life", [{}, LIFE], ids=["without life", "with life"])
def test_counters_grow_and_start_from_zero(step: int, life: dict[str, Any]) -> None:
    """Also buckets, whose totals agree: each bucket has the one before, and the count all."""
    rows = frame(step, 1 if step == 1 else 24, **life)
    counters = ["done", "took_bucket_le_0_01", "took_bucket_le_0_1", "took_bucket_le_1"]
    counters += ["took_count", "took_sum"]
    for counter in counters:
        assert (rows.groupby("name")[counter].diff().dropna() >= 0).all()
    for low, high in pairwise(counters[1:5]):
        assert (rows[low] <= rows[high]).all()
    if life:
        young = rows[rows["age_now"] < 60]
        assert len(young) > 10
        assert (young["done"] <= young["age_now"] * 40 * 6 + 1).all()


def test_the_rate_of_a_counter_is_that_of_its_driver() -> None:
    """Between two times: 40 per second times the driver, but for the noise within 30 s."""
    rows = frame(3_600, 25)
    made = living()
    driver = made.model.drivers["load"]
    for _, task in rows.groupby("name"):
        grown = task["done"].diff().dropna().to_numpy()
        offset = -5 if task["group"].iloc[0] == "east" else 8
        plain = DriverRows("load", driver, KEYS[:1], np.array([offset]))
        shape = np.diff(plain.integral(START + np.arange(25) * 3_600 * SECOND)[:, 0])
        ratios = grown / shape
        assert ratios.std() / ratios.mean() < 0.005


def test_a_histogram_agrees_with_its_law() -> None:
    rows = frame(3_600, 24 * 7)
    last, first = (rows.groupby("name").nth(place) for place in (-1, 0))
    names = ["took_bucket_le_0_01", "took_bucket_le_0_1", "took_bucket_le_1", "took_count"]
    counts = last[names].to_numpy() - first[names].to_numpy()
    law = stats.lognorm(1.0, scale=0.1)
    wanted = [*law.cdf([0.01, 0.1, 1.0]), 1.0]
    np.testing.assert_allclose(counts.sum(axis=0) / counts[:, -1].sum(), wanted, atol=2e-4)
    middles = np.array([0.005, 0.055, 0.55, 1.5])
    each = np.diff(counts, axis=1, prepend=0)
    sums = last["took_sum"].to_numpy() - first["took_sum"].to_numpy()
    np.testing.assert_allclose(sums, each @ middles, rtol=1e-9)


def test_limits_and_missing_values() -> None:
    rows = frame(600)
    assert rows["scaled"].min() == 4
    assert rows["rare"].isna().mean() == pytest.approx(0.9, abs=0.01)
    assert not rows["level"].isna().any()


def test_a_histogram_may_have_a_hundred_buckets_and_a_long_name() -> None:
    text = content()
    (histogram,) = text["kinds"]["task"]["histograms"]
    histogram["name"] = "http_server_request_duration_seconds_of_a_task"
    histogram["buckets"] = [0.01 * number for number in range(1, 101)]
    made = Generator(msgspec.convert(text, Model), 9, parameters={"slots": 2})
    (row, *_) = table(made, [START]).to_pylist()
    totals = [value for name, value in row.items() if "_bucket_le_" in name]
    count, size = row[f"{histogram['name']}_count"], row[f"{histogram['name']}_sum"]
    assert len(totals) == 100
    assert totals == sorted(totals)
    assert count >= totals[-1] > 0
    middles = 0.01 * (np.arange(100) + 0.5)
    wanted = np.diff(totals, prepend=0) @ middles + (count - totals[-1]) * 1.5
    assert size == pytest.approx(wanted, rel=1e-9)
