"""The believable models behave as telemetry of real systems does, and as their files say.

All values are functions of the seed, so that these statistics are the same in every run.
"""

import tomllib
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from docs.building.statistics import Values, autocorrelation, hurst

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.drivers import weekly
from fleetstream.generate.generator import Generator
from fleetstream.model import DEFAULT_MODEL, Model, SeriesKind, builtin_models, load_model
from fleetstream.model.dynamics import Smooth
from fleetstream.model.kinds import AGE
from fleetstream.report.series import values_over_time
from tests.generate.models import model_of

BEGIN = 1_793_577_600_000_000
"""Monday, 2 November 2026, in microseconds."""

MINUTE = 60_000_000
WEEK = 7 * 1_440
SEED = 7
SERIES = 8
BELIEVABLE = [name for name in builtin_models() if name not in (DEFAULT_MODEL, "anomalies")]


@cache
def fleet(name: str) -> Generator:
    include = {"region": ["us-east-2"]} if name.startswith("aws") else {}
    return Generator(load_model(name), SEED, include=include, incidents=IncidentChoice.OFF)


@cache
def week(name: str, kind: str, measure: str, minutes: int = 5) -> Values:
    """A measure of the first series of a kind over a week."""
    step = max(minutes * MINUTE, fleet(name).model.kinds[kind].interval_us or 0)
    timestamps = range(BEGIN, BEGIN + WEEK * MINUTE, step)
    series = min(SERIES, len(fleet(name).tables[kind]))
    return values_over_time(fleet(name), kind, measure, series, timestamps)


def sources(kind: SeriesKind, measure: str) -> set[str]:
    """What a measure is calculated from: drivers, variables, measures, its own name."""
    expressions = {each.name: each.expression for each in kind.evaluation_order}
    found, left = {measure}, [measure]
    while left:
        expression = expressions.get(left.pop())
        new = (expression.names if expression else frozenset()) - found
        found |= new
        left += new
    return found


def load_driven(model: Model) -> Iterator[tuple[str, str]]:
    """Measures that follow a driver, and have neither sawteeth nor independent draws in them."""
    for key, kind in model.kinds.items():
        for measure in kind.measures:
            used = sources(kind, measure.name)
            laws = {
                each.name: each.value
                for each in kind.evaluation_order
                if each.name in used and not getattr(each, "fixed", False)
            }
            smooth = all(isinstance(law, str | Smooth) for law in laws.values())
            if used & model.drivers.keys() and smooth and AGE not in used:
                yield key, measure.name


@pytest.mark.parametrize("name", BELIEVABLE)
def test_load_driven_measures_hardly_change_within_five_minutes(name: str) -> None:
    """Lag 1 at five minutes, as monitoring systems store them; 15 minutes for meters."""
    driven = list(load_driven(fleet(name).model))
    assert len(driven) >= 3
    for kind, measure in driven:
        values = week(name, kind, measure)
        found = [_correlation(each[:-1], each[1:]) for each in values.T]
        assert np.nanmedian(found) > 0.9, (kind, measure, found)


def test_host_load_is_self_similar() -> None:
    """Dinda 1999 found Hurst parameters from 0.73 to 0.99 in week-long traces of host load."""
    load = week("aws-devops-realistic", "metrics", "cpu_user", 1)
    assert all(0.73 <= hurst(each) <= 0.99 for each in load.T)
    noise = week(DEFAULT_MODEL, "metrics", "cpu_user", 1)
    assert all(0.4 <= hurst(each) <= 0.6 for each in noise.T)


@pytest.mark.parametrize(
    ("name", "kind", "measure"),
    [
        ("aws-devops-realistic", "metrics", "cpu_user"),
        ("kubernetes", "node", "node_cpu_utilization"),
        ("web-shop", "service", "requests_per_second"),
        ("smart-meters", "transformer", "transformer_load"),
    ],
)
def test_a_day_resembles_the_next_and_not_its_night(name: str, kind: str, measure: str) -> None:
    for values in week(name, kind, measure).T:
        half_a_day, day = (autocorrelation(values, hours * 12) for hours in (12, 24))
        assert day > 0.7
        assert half_a_day < 0


def test_values_compress_as_real_telemetry_does() -> None:
    """Prometheus's documentation plans with 1 to 2 bytes per sample; white noise needs more."""
    sizes = {}
    for name in ("aws-devops-realistic", DEFAULT_MODEL):
        generator = Generator(load_model(name), SEED, include={"region": ["eu-central-1"]})
        size = count = 0
        for measure in generator.model.kinds["metrics"].measures:
            timestamps = range(BEGIN, BEGIN + 180 * MINUTE, MINUTE // 6)
            values = values_over_time(generator, "metrics", measure.name, 10, timestamps)
            scaled = np.rint(values * 10**measure.decimals).astype(np.int64)
            steps = np.diff(scaled, axis=0, prepend=0)
            size += len(pa.compress(np.ascontiguousarray(steps.T), codec="zstd", asbytes=True))
            count += values.size
        sizes[name] = size / count
    assert sizes["aws-devops-realistic"] < 2
    assert sizes[DEFAULT_MODEL] > 1.5 * sizes["aws-devops-realistic"]


def test_white_noise_is_not_like_that() -> None:
    noise = Generator(load_model(), SEED, include={"region": ["us-east-2"]})
    timestamps = range(BEGIN, BEGIN + WEEK * MINUTE, 5 * MINUTE)
    values = values_over_time(noise, "metrics", "memory_used", SERIES, timestamps)
    found = [_correlation(each[:-1], each[1:]) for each in values.T]
    assert abs(np.median(found)) < 0.05


COPULA = """
name = "copula"
shard_level = "host"
[[levels]]
name = "host"
count = "4000"
label = "host-{host.index}"

[kinds.host]
noun = "hosts"
level = "host"
dimensions = { host = "{host}" }
variables = [
    { name = "shared", value = { law = "smooth", mean = 0, sd = 1, period = "1h", octaves = 3 } },
    { name = "own_a", value = { law = "smooth", mean = 0, sd = 1, period = "20m", octaves = 2 } },
    { name = "own_b", value = { law = "smooth", mean = 0, sd = 1, period = "10m" } },
]
measures = [
    { name = "a", decimals = 6, value = "50 + 10 * (0.8 * shared + 0.6 * own_a)" },
    { name = "b", decimals = 6, value = "20 - 5 * (0.6 * shared + 0.8 * own_b)" },
    { name = "c", decimals = 6, value = "exp(0.5 * (0.8 * shared + 0.6 * own_b))" },
]
"""


@pytest.mark.parametrize("minutes", [0, 17, 30])
def test_measures_of_a_host_correlate_as_the_model_says(minutes: int) -> None:
    """Shared noise with the weights ρ and σ gives the correlation ρσ at every moment.

    Of a normal variable and the exponential of another one with the standard deviation s, it is
    ρσ·s/√(exp(s²) − 1).
    """
    generator = Generator(model_of(tomllib.loads(COPULA)), SEED)
    moment = [BEGIN + minutes * MINUTE]
    a, b, c = (values_over_time(generator, "host", name, 4_000, moment)[0] for name in "abc")
    margin = 4 / np.sqrt(4_000)
    assert _correlation(a, b) == pytest.approx(-0.48, abs=margin)
    both = 0.8 * 0.8
    shrunk = 0.5 / np.sqrt(np.exp(0.25) - 1)
    assert _correlation(a, c) == pytest.approx(both * shrunk, abs=margin)
    assert _correlation(b, c) == pytest.approx(-(0.6 * 0.8 + 0.8 * 0.6) * shrunk, abs=margin)
    assert a.mean() == pytest.approx(50, abs=10 * margin)
    assert a.std() == pytest.approx(10, rel=margin)


def test_measures_of_a_shipped_host_correlate_as_its_load_says() -> None:
    """Reads are load·exp(0.1·x) and writes load·exp(0.15·y) with independent normal x and y."""
    name, kind = "aws-devops-realistic", "metrics"
    measures = fleet(name).model.kinds[kind]
    for measure, noise in (("disk_io_read", "0.1 * jitter"), ("disk_io_write", "0.15 * wander")):
        expression = measures.measure(measure).expression  # type: ignore[union-attr]
        assert f"load * exp({noise})" in str(expression)
    driver = fleet(name).model.drivers["load"]
    curve = np.interp(np.arange(0, 168, 1 / 12), np.arange(169), weekly(driver))
    load = np.log(curve).var() + driver.noise**2
    expected = load / np.sqrt((load + 0.1**2) * (load + 0.15**2))
    reads, writes = (np.log(week(name, kind, each)) for each in ("disk_io_read", "disk_io_write"))
    found = [_correlation(*each) for each in zip(reads.T, writes.T, strict=True)]
    assert np.mean(found) == pytest.approx(expected, abs=0.02)


def test_latency_grows_with_utilization_as_in_a_queue() -> None:
    """Medians at each utilization follow Sakasegawa's formula for four servers."""
    name, kind = "aws-devops-realistic", "metrics"
    busy = week(name, kind, "cpu_user").ravel() / 100
    latency = week(name, kind, "latency_per_write").ravel()
    for low in np.arange(0.1, 0.7, 0.1):
        inside = (busy >= low) & (busy < low + 0.1)
        assert inside.sum() > 100
        at = busy[inside]
        formula = 8 * (1 + at ** (np.sqrt(10) - 1) / (4 * (1.02 - at)))
        assert np.median(latency[inside] / formula) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("name", "kind", "measure", "dimension", "offsets"),
    [
        (
            "aws-devops-realistic",
            "metrics",
            "cpu_user",
            "region",
            {"us-west-1": -8, "us-east-2": -5, "eu-west-1": 0, "ap-northeast-1": 9},
        ),
        (
            "web-shop",
            "service",
            "requests_per_second",
            "region",
            {"us-east-1": -5, "eu-central-1": 1, "ap-northeast-1": 9},
        ),
    ],
)
def test_regions_follow_the_sun(
    name: str, kind: str, measure: str, dimension: str, offsets: dict[str, int]
) -> None:
    """The daily wave of each region comes as many hours earlier as its time is ahead of UTC."""
    waves = {}
    for value in offsets:
        generator = Generator(
            load_model(name), SEED, include={dimension: [value]}, incidents=IncidentChoice.OFF
        )
        timestamps = range(BEGIN, BEGIN + WEEK * MINUTE, 15 * MINUTE)
        values = values_over_time(generator, kind, measure, 10, timestamps).mean(axis=1)
        days = np.arange(len(values)) / 96
        waves[value] = np.angle(np.sum(values * np.exp(-2j * np.pi * days)))
    first, *others = offsets
    for value in others:
        hours = (waves[value] - waves[first]) / (2 * np.pi) * 24
        ahead = offsets[value] - offsets[first]
        assert (hours - ahead + 12) % 24 - 12 == pytest.approx(0, abs=0.5), value


def _correlation(one: Values, other: Values) -> float:
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < 300 or not one[known].std() or not other[known].std():
        return np.nan
    return float(np.corrcoef(one[known], other[known])[0, 1])
