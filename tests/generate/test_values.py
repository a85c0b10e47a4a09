"""What holds between the values of a host: sums, remainders, missing values, types, decimals."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.generator import Generator
from fleetstream.generate.signals import Signal
from fleetstream.model import DataType, Measure
from tests.telemetry import (
    HOST_SCALE,
    KINDS,
    METRICS,
    MODEL,
    SECOND,
    TIMESTAMP,
    generator,
    sample,
    sweep_of,
    units,
)

CPU = [
    *("cpu_user", "cpu_system", "cpu_iowait", "cpu_steal", "cpu_nice", "cpu_si", "cpu_hi"),
    "cpu_idle",
]
NUMBERS = [
    (kind, each)
    for kind in KINDS
    for each in MODEL.kinds[kind].measures
    if each.type is not DataType.VARCHAR
]
LAGS = range(1, 7)
SIGNALS = [None, Signal(Shape.SINE, 20, "m"), Signal(Shape.SAWTOOTH, 100, "h")]


@pytest.mark.parametrize("signal", SIGNALS, ids=["no signal", "sine", "sawtooth"])
@pytest.mark.parametrize("second", [0, 15, 30])
def test_cpu_adds_up_to_100_wherever_it_can(signal: Signal | None, second: int) -> None:
    made = generator(10, 3, signal=signal)
    batch = sweep_of(made, METRICS, (TIMESTAMP // 60_000_000 * 60 + second) * 1_000_000)
    cpu = np.array([units(batch, METRICS, name) for name in CPU])
    busy, idle = cpu[:-1].sum(axis=0), cpu[-1]
    assert np.all(idle[busy <= 10_000] == 10_000 - busy[busy <= 10_000])
    assert np.all(idle[busy > 10_000] == 0)
    assert np.all((cpu >= 0) & (cpu <= 10_000))


def test_cpu_cannot_always_add_up_to_100() -> None:
    """A full user share leaves no room: some hosts are there, and their idle share is none."""
    batch = sample(METRICS)
    busy = sum(units(batch, METRICS, name) for name in CPU[:-1])
    assert 0 < np.count_nonzero(busy > 10_000) < len(batch) / 10


def test_memory_adds_up() -> None:
    batch = sample(METRICS)
    used, free = (units(batch, METRICS, name) for name in ("memory_used", "memory_free"))
    assert np.all(used + free == 80_000)


def test_disk_free_moves_against_disk_used() -> None:
    """A host uses 30 GB times a number from 1 to 100, and a change that the rest lacks."""
    batch = sample(METRICS)
    used, free = (units(batch, METRICS, name) for name in ("disk_used", "disk_free"))
    base, remainder = np.divmod(used + free - 1_500, 3_000)
    assert np.all(remainder == 0)
    assert stats.chisquare(np.bincount(base, minlength=101)[1:]).pvalue > 0.001
    assert (base.min(), base.max()) == (1, 100)


def bases(made: Generator, timestamp: int = TIMESTAMP) -> list[int]:
    batch = sweep_of(made, METRICS, timestamp)
    used, free = (units(batch, METRICS, name) for name in ("disk_used", "disk_free"))
    return ((used + free - 1_500) // 3_000).tolist()


def test_disk_used_depends_on_the_host_and_not_on_seed_or_time() -> None:
    found = bases(generator(1, 3))
    assert found == bases(generator(1, 4)) == bases(generator(1, 3), TIMESTAMP + 10**15)
    assert found[-10:] == bases(generator(1, 5, ["eu-central-1"]))


def drawn(kind: str) -> list[str]:
    """The measures of numbers that are drawn, rather than computed from others."""
    measures = MODEL.kinds[kind].measures
    return [
        each.name
        for each in measures
        if each.expression is None and each.type is not DataType.VARCHAR
    ]


def largest_correlation(columns: list[np.ndarray]) -> float:
    """The largest correlation of two columns, in standard deviations of chance."""
    matrix = np.corrcoef(columns)
    np.fill_diagonal(matrix, 0)
    return float(np.abs(matrix).max() * np.sqrt(len(columns[0])))


@pytest.mark.parametrize("kind", KINDS)
def test_measures_are_independent_at_all_lags(kind: str) -> None:
    """No two measures go together, at the same time or later, nor one with itself later."""
    columns = [sample(kind)[name].to_numpy() for name in drawn(kind)]
    for lag in LAGS:
        later = sample(kind, timestamp=TIMESTAMP + lag * SECOND)
        # Which law the CPU load of a host follows does not change with time.
        columns += [later[name].to_numpy() for name in drawn(kind) if name != "cpu_user"]
    assert largest_correlation(columns) < 5.5


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_independent(kind: str) -> None:
    for name in drawn(kind):
        column = sample(kind)[name].to_numpy()
        for lag in LAGS:
            assert largest_correlation([column[lag:], column[:-lag]]) < 5


def test_series_are_independent() -> None:
    """Over time, no two of 50 series go together, in the same measure or in different ones."""
    made = generator(1, 6, ["eu-central-1", "us-west-2"])
    chunk = next(chunk for chunk in made.chunks if chunk.kind == METRICS)
    times = range(TIMESTAMP, TIMESTAMP + 20_000 * SECOND, SECOND)
    batch = made.batch(chunk, times)
    columns: list[np.ndarray] = []
    for name in ("cpu_user", "memory_used", "latency_per_read"):
        columns += list(batch[name].to_numpy().reshape(len(times), len(chunk)).T)
    assert len(columns) == 150
    assert largest_correlation(columns) < 5
    for lag in LAGS:
        for column in columns:
            assert largest_correlation([column[lag:], column[:-lag]]) < 5


def test_seeds_give_other_values() -> None:
    ours, theirs = sample(METRICS), sample(METRICS, seed=1)
    for name in ("cpu_user", "disk_io_read", "latency_per_write"):
        same = np.mean(ours[name].to_numpy() == theirs[name].to_numpy())
        assert same < 0.1
    column = "memory_used"
    pairs = np.corrcoef(ours[column].to_numpy(), theirs[column].to_numpy())
    assert abs(pairs[0, 1]) < 5 / np.sqrt(len(ours))


@pytest.mark.parametrize("kind", KINDS)
def test_types(kind: str) -> None:
    batch, model = sample(kind), MODEL.kinds[kind]
    word = pa.dictionary(pa.int32(), pa.string())
    types = {"task_completed": pa.int64(), "task_end_state": word}
    measures = [each.name for each in model.measures]
    assert batch.schema.names == [*model.dimensions, "time", *measures]
    for name in model.dimensions:
        assert batch.schema.field(name).type == word
    assert batch.schema.field("time").type == pa.timestamp("us")
    assert pc.unique(batch["time"]).cast(pa.int64()).to_pylist() == [TIMESTAMP]
    for name in measures:
        assert batch.schema.field(name).type == types.get(name, pa.float64())


@pytest.mark.parametrize(("kind", "each"), NUMBERS, ids=lambda part: getattr(part, "name", part))
def test_values_have_the_decimals_of_their_measure(kind: str, each: Measure) -> None:
    """Each is the very double that its decimal text reads as, and none is a negative zero."""
    values = sample(kind)[each.name].to_numpy()
    texts = [f"{value:.{each.decimals}f}" for value in values[:20_000]]
    assert [float(text) for text in texts] == values[:20_000].tolist()
    assert not np.any(np.signbit(values) & (values == 0))
    assert np.all(np.isfinite(values))


@pytest.mark.parametrize("percent", [0.5, 10, 60])
def test_missing_cpu_rate(percent: float) -> None:
    batch = sweep_of(generator(HOST_SCALE, 4, missing_percent=percent), METRICS)
    missing = batch["cpu_user"].null_count
    assert stats.binomtest(missing, len(batch), percent / 100).pvalue > 0.001


@given(percent=st.floats(0, 100), seed=st.integers(0, 2**64 - 1), signal=st.sampled_from(SIGNALS))
def test_cpu_values_are_missing_together_and_nothing_else_changes(
    percent: float, seed: int, signal: Signal | None
) -> None:
    options = {"regions": ["us-west-1"], "signal": signal}
    for kind in KINDS:
        whole = sweep_of(generator(1, seed, **options), kind)
        holed = sweep_of(generator(1, seed, **options, missing_percent=percent), kind)
        gone = holed[CPU[0]].is_null() if kind == METRICS else None
        for name in whole.schema.names:
            if name in CPU:
                null = pa.scalar(None, whole[name].type)
                assert holed[name].equals(pc.if_else(gone, null, whole[name]))
            else:
                assert holed[name].equals(whole[name])


@pytest.mark.parametrize(("percent", "missing"), [(0, 0), (100, 1_010)])
def test_no_cpu_value_or_all_missing(percent: float, missing: int) -> None:
    batch = sweep_of(generator(1, 4, missing_percent=percent), METRICS)
    assert [batch[name].null_count for name in CPU] == [missing] * 8


def test_missing_cpu_changes_from_sweep_to_sweep() -> None:
    made = generator(1, 4, missing_percent=50)
    masks = [
        sweep_of(made, METRICS, TIMESTAMP + second)["cpu_idle"].is_null().to_numpy(False)
        for second in (0, 1_000_000)
    ]
    assert 0.4 < np.mean(masks[0] != masks[1]) < 0.6


@pytest.mark.parametrize("frequency", PERIODS)
@pytest.mark.parametrize("shape", Shape)
def test_a_signal_without_noise_is_the_cpu_load_of_all_hosts(shape: Shape, frequency: str) -> None:
    signal = Signal(shape, 100, frequency)
    batch = sweep_of(generator(1, 8, ["eu-west-1"], signal=signal), METRICS)
    level = round(float(signal.level(np.array([TIMESTAMP]))[0]), 2)
    assert pc.unique(batch["cpu_user"]).to_pylist() == [level]


def test_a_signal_with_noise_differs_from_host_to_host() -> None:
    signal = Signal(Shape.SAWTOOTH, 20, "m")
    batch = sweep_of(generator(1, 8, signal=signal), METRICS)
    around = batch["cpu_user"].to_numpy() - signal.level(np.array([TIMESTAMP]))
    assert stats.kstest(around, stats.uniform(-2.5, 5).cdf).pvalue > 0.001


def test_a_signal_changes_no_other_measure() -> None:
    plain, signalled = (
        sweep_of(generator(1, 8, signal=signal), METRICS) for signal in (None, SIGNALS[1])
    )
    unchanged = [name for name in plain.schema.names if plain[name].equals(signalled[name])]
    assert set(plain.schema.names) - set(unchanged) == {"cpu_user", "cpu_idle"}
