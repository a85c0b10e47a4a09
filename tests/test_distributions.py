"""Every distribution of the catalogue against its stated law, on 100,000 values and more.

A value is rounded to the decimals of its measure, so that laws are tested as rounded: between two
points that lie halfway between possible values, the share of values is that of the law. The seed
is fixed, and a sample this large tells a mean or a deviation that is one or two per cent off.
"""

from collections.abc import Callable

import numpy as np
import pytest
from fleetstream.distributions import Load, host_loads
from fleetstream.fleet import Fleet, Kind
from fleetstream.measures import CATALOGUE
from fleetstream.workload import Workload
from scipy import stats

from tests.telemetry import TIMESTAMP, measure, sample, sweep_of, units

LEAST = 0.001
"""The probability of a worse fit by chance, below which a law is not believed."""

BINS = 80

METRICS, EVENTS = Kind.METRICS, Kind.EVENTS
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

BY_LOAD = {
    Load.HIGH: stats.norm(85, 10),
    Load.LOW: stats.norm(15, 10),
    Load.ANY: stats.uniform(0, 100),
}
"""What `cpu_user` follows before it is clipped to 0–100."""

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
    assert tested == {(each.kind, each.name) for each in CATALOGUE}
    assert [each.kind for each in CATALOGUE].count(METRICS) == 20
    assert [each.kind for each in CATALOGUE].count(EVENTS) == 5


@pytest.mark.parametrize(("kind", "name"), UNIFORM)
def test_uniform(kind: Kind, name: str) -> None:
    values, scale = units(sample(kind), kind, name), 10 ** measure(kind, name).decimals
    low, high = (bound * scale for bound in UNIFORM[kind, name])
    assert len(values) > 100_000
    assert fit(values, stats.uniform(low, high - low).cdf, (low, high), 1) > LEAST
    assert low <= values.min() < low + (high - low) / 5_000 + 1
    assert high - (high - low) / 5_000 - 1 < values.max() <= high


@pytest.mark.parametrize(("kind", "name"), NORMAL)
def test_normal(kind: Kind, name: str) -> None:
    values, scale = units(sample(kind), kind, name), 10 ** measure(kind, name).decimals
    mean, deviation = (figure * scale for figure in NORMAL[kind, name])
    assert len(values) > 100_000
    bounds = mean - 4 * deviation, mean + 4 * deviation
    assert fit(values, stats.norm(mean, deviation).cdf, bounds, 1) > LEAST


@pytest.mark.parametrize("load", Load)
def test_cpu_load(load: Load) -> None:
    """Several sweeps, since only some of the hosts have each load."""
    loads = host_loads(np.arange(len(sample(METRICS))))
    values = np.concatenate(
        [
            units(sample(METRICS, timestamp=TIMESTAMP + second), METRICS, "cpu_user")[loads == load]
            for second in range(0, 5_000_000, 1_000_000)
        ]
    )
    assert len(values) > 100_000
    assert fit(values, BY_LOAD[load].cdf, (0, 10_000), 0.01) > LEAST
    assert 0 <= values.min() <= values.max() <= 10_000
    assert (values.min() == 0) == (load is not Load.HIGH)
    assert (values.max() == 10_000) == (load is not Load.LOW)


def test_disk_used() -> None:
    batch = sample(METRICS)
    around = units(batch, METRICS, "disk_used") - 3_000 * np.arange(len(batch))
    assert fit(around, stats.norm(5, 5).cdf, (-1_500, 2_500), 0.01) > LEAST


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


@pytest.mark.parametrize("hosts", [10, 1_010, 101_000])
def test_two_hosts_in_ten_are_high_and_two_are_low(hosts: int) -> None:
    loads = host_loads(np.arange(hosts))
    counts = np.bincount(loads, minlength=3)
    assert counts.tolist() == [hosts * 6 // 10, hosts * 2 // 10, hosts * 2 // 10]


def test_loads_do_not_change_with_seed_or_time() -> None:
    """A host's mean over many sweeps tells its load; the same hosts are high under every seed."""
    classes = []
    for seed in (1, 2):
        workload = Workload(Fleet(), seed)
        sweeps = [
            sweep_of(workload, METRICS, TIMESTAMP + seed * 10**12 + second * 10**6)
            for second in range(150)
        ]
        means = np.mean([sweep["cpu_user"].to_numpy() for sweep in sweeps], axis=0)
        classes.append(np.digitize(means, [32, 67]))
        assert np.bincount(classes[-1]).tolist() == [202, 606, 202]
    assert np.array_equal(*classes)


def test_loads_are_scattered_over_the_fleet() -> None:
    """No microservice is all high or all low, and neighbours tell nothing of each other."""
    loads = host_loads(np.arange(101_000))
    places = loads.reshape(-1, 10)
    for load in (Load.HIGH, Load.LOW):
        by_place = (places == load).sum(axis=0)
        assert stats.chisquare(by_place).pvalue > LEAST


def test_laws_are_stated_for_people() -> None:
    said = {each.name: str(each.distribution) for each in CATALOGUE if each.kind is METRICS}
    assert said["disk_used"] == "30 × host number + (normal, mean 5, sd 5)"
    assert said["disk_free"] == "15 − (`disk_used` − 30 × host number)"
    assert said["memory_used"] == "uniform 0–8000"
    assert said["cpu_user"] == (
        "2 hosts in 10: normal, mean 85, sd 10; 2 in 10: normal, mean 15, sd 10; "
        "others: uniform 0–100; clipped to 0–100"
    )
