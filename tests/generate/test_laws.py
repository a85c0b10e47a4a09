"""Every measure of the sample fleet against its stated law, on 100,000 values and more.

A value is rounded to the decimals of its measure, so that laws are tested as rounded: between two
points that lie halfway between possible values, the share of values is that of the law. The seed
is fixed, and a sample this large tells a mean or a deviation that is one or two per cent off.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fleetstream.generate.generator import Generator
from tests.telemetry import (
    EVENTS,
    KINDS,
    METRICS,
    MODEL,
    SECOND,
    TIMESTAMP,
    generator,
    measure,
    sample,
    units,
)

LEAST = 0.001
"""The probability of a worse fit by chance, below which a law is not believed."""

BINS = 80

SMALL_CPU = ["cpu_system", "cpu_iowait", "cpu_steal", "cpu_nice", "cpu_si", "cpu_hi"]

UNIFORM = {
    **{(METRICS, name): (0, 1) for name in SMALL_CPU},
    (METRICS, "memory_used"): (0, 8_000),
    (METRICS, "memory_cached"): (0, 4_000),
    (METRICS, "disk_io_read"): (0, 25_000),
    (METRICS, "disk_io_write"): (0, 25_000),
    (METRICS, "network_bytes_in"): (0, 1_000),
    (METRICS, "network_bytes_out"): (0, 5_000),
    (EVENTS, "gc_reclaimed"): (0, 100),
    (EVENTS, "gc_pause"): (0, 100),
    (EVENTS, "memory_free"): (0, 100),
}
"""Uniform between two bounds."""

NORMAL = {
    (METRICS, "file_descriptors_in_use"): (2_200, 500),
    (METRICS, "latency_per_read"): (8, 4),
    (METRICS, "latency_per_write"): (12, 8),
}
"""Normal with mean and standard deviation."""

HIGH, LOW, ANY = range(3)

CLASSES = [stats.norm(85, 10), stats.norm(15, 10), stats.uniform(0, 100)]
"""What `cpu_user` of each class of hosts follows before it is limited to 0–100."""

SHARES = [0.2, 0.2, 0.6]
"""The probability of each class."""

OTHERS = {
    *((METRICS, name) for name in ("cpu_user", "cpu_idle", "memory_free")),
    *((METRICS, name) for name in ("disk_used", "disk_free")),
    *((EVENTS, name) for name in ("task_completed", "task_end_state")),
}
"""Measures with laws of their own, below and in `test_values.py`."""

Probability = Callable[[np.ndarray], np.ndarray]


def fit(values: np.ndarray, law: Probability, bounds: tuple[float, float], step: float) -> float:
    """How probable a worse fit of rounded ``values`` to a cumulative ``law`` is by chance.

    ``values`` and ``bounds`` are in units of ``step``; outside of the bounds nothing is expected
    but what clipping puts at them.
    """
    low, high = bounds
    inner = np.unique(np.rint(np.linspace(low, high, BINS + 1)[1:-1])) + 0.5
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    shares = np.diff(np.concatenate([[0.0], law(inner * step), [1.0]]))
    counts = np.histogram(values, edges)[0]
    expected = shares * len(values)
    # Chi-square needs some values in each bin: rare ones at both ends share one.
    ends = [np.searchsorted(np.cumsum(expected), 20), np.searchsorted(np.cumsum(shares), 1 - 2e-4)]
    merged = [
        np.add.reduceat(each, [0, *range(ends[0] + 1, ends[1])]) for each in (counts, expected)
    ]
    return float(stats.chisquare(*merged).pvalue)


def test_every_measure_has_a_test() -> None:
    tested = {*UNIFORM, *NORMAL, *OTHERS}
    assert tested == {(kind, each.name) for kind in KINDS for each in MODEL.kinds[kind].measures}
    assert [len(MODEL.kinds[kind].measures) for kind in (METRICS, EVENTS)] == [20, 5]


@pytest.mark.parametrize(("kind", "name"), UNIFORM)
def test_uniform(kind: str, name: str) -> None:
    values, scale = units(sample(kind), kind, name), 10 ** measure(kind, name).decimals
    low, high = (bound * scale for bound in UNIFORM[kind, name])
    assert len(values) > 100_000
    assert fit(values, stats.uniform(low, high - low).cdf, (low, high), 1) > LEAST
    assert low <= values.min() < low + (high - low) / 5_000 + 1
    assert high - (high - low) / 5_000 - 1 < values.max() <= high


@pytest.mark.parametrize(("kind", "name"), NORMAL)
def test_normal(kind: str, name: str) -> None:
    values, scale = units(sample(kind), kind, name), 10 ** measure(kind, name).decimals
    mean, deviation = (figure * scale for figure in NORMAL[kind, name])
    assert len(values) > 100_000
    bounds = mean - 4 * deviation, mean + 4 * deviation
    assert fit(values, stats.norm(mean, deviation).cdf, bounds, 1) > LEAST


def classes(made: Generator) -> np.ndarray:
    """The class of each host."""
    found = [made.instances(chunk, []).grid.fixed for chunk in made.chunks if chunk.kind == METRICS]
    return np.concatenate([fixed["cpu_user"] for fixed in found])


@pytest.mark.parametrize("number", [HIGH, LOW, ANY])
def test_cpu_load(number: int) -> None:
    """Several sweeps, since only some of the hosts are of each class."""
    chosen = classes(generator(100)) == number
    values = np.concatenate(
        [
            units(sample(METRICS, timestamp=TIMESTAMP + lag * SECOND), METRICS, "cpu_user")[chosen]
            for lag in range(6)
        ]
    )
    assert len(values) > 100_000
    assert fit(values, CLASSES[number].cdf, (0, 10_000), 0.01) > LEAST
    assert 0 <= values.min() <= values.max() <= 10_000
    assert (values.min() == 0) == (number != HIGH)
    assert (values.max() == 10_000) == (number != LOW)


def test_disk_used() -> None:
    change = 1_500 - units(sample(METRICS), METRICS, "disk_free")
    assert fit(change, stats.norm(5, 5).cdf, (-1_500, 2_500), 0.01) > LEAST
    assert np.all((units(sample(METRICS), METRICS, "disk_used") - change) % 3_000 == 0)


def test_task_completed() -> None:
    values = sample(EVENTS)["task_completed"].to_numpy()
    assert (values.min(), values.max()) == (0, 500)
    assert stats.chisquare(np.bincount(values, minlength=501)).pvalue > LEAST


def test_task_end_state() -> None:
    likelihoods = {
        "SUCCESS_WITH_NO_RESULT": 0.2,
        "SUCCESS_WITH_RESULT": 0.7,
        "INTERNAL_ERROR": 0.01,
        "USER_ERROR": 0.07,
        "UNKNOWN": 0.01,
        "THROTTLED": 0.01,
    }
    column = sample(EVENTS)["task_end_state"]
    counts = {entry["values"]: entry["counts"] for entry in column.value_counts().to_pylist()}
    assert set(counts) == set(likelihoods)
    expected = [likelihood * len(column) for likelihood in likelihoods.values()]
    assert stats.chisquare([counts[word] for word in likelihoods], expected).pvalue > LEAST


@pytest.mark.parametrize(("mean", "deviation"), [(8.1, 4), (8, 4.08), (8, 3.92)])
def test_a_law_that_is_slightly_off_is_told(mean: float, deviation: float) -> None:
    """The yardstick itself: it would notice one or two per cent."""
    values = units(sample(METRICS), METRICS, "latency_per_read")
    assert fit(values, stats.norm(mean, deviation).cdf, (-800, 2_400), 0.01) < LEAST


def test_shares_of_the_classes() -> None:
    """Each host is of a class with the stated probability, also among those of one service."""
    made = generator(100)
    services = made.tables[METRICS].dimensions["microservice_name"].to_numpy(zero_copy_only=False)
    found = classes(made)
    for service in (None, *MODEL.levels[3].members):
        chosen = found if service is None else found[services == service["name"]]
        counts = np.bincount(chosen, minlength=3)
        for count, share in zip(counts, SHARES, strict=True):
            assert stats.binomtest(int(count), len(chosen), share).pvalue > LEAST


def test_classes_of_neighbours_are_independent() -> None:
    found = classes(generator(100))
    for lag in range(1, 7):
        pairs = np.bincount(found[lag:] * 3 + found[:-lag], minlength=9)
        expected = np.outer(SHARES, SHARES).reshape(-1) * pairs.sum()
        assert stats.chisquare(pairs, expected).pvalue > LEAST


def test_classes_do_not_change_with_seed_or_time() -> None:
    """A host's mean over many sweeps shows its class; the same hosts are high under every seed."""
    found = []
    for seed in (1, 2):
        made = generator(1, seed)
        start = TIMESTAMP + seed * 10**12
        chunk = made.chunks[0]
        batch = made.batch(chunk, range(start, start + 400 * SECOND, SECOND))
        means = batch["cpu_user"].to_numpy().reshape(400, len(chunk)).mean(axis=0)
        found.append(np.digitize(means, [32, 67]))
        assert np.array_equal(np.array([LOW, ANY, HIGH])[found[-1]], classes(made))
    assert np.array_equal(*found)


def test_laws_are_described_for_people() -> None:
    described = {each.name: str(each.value) for each in MODEL.kinds[METRICS].measures}
    assert described["disk_used"] == "30 * disk_base + disk_change"
    assert described["disk_free"] == "15 - disk_change"
    assert described["memory_used"] == "uniform 0–8000"
    assert described["cpu_user"] == (
        "20% of series: normal, mean 85, sd 10; 20% of series: normal, mean 15, sd 10; "
        "60% of series: uniform 0–100; limited to 0–100"
    )
