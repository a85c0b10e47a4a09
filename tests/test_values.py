"""What holds between the values of a host: sums, remainders, missing values, types, decimals."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fleetstream.fleet import DIMENSIONS, Fleet, Kind
from fleetstream.measures import CATALOGUE, DataType, Measure, measures_of
from fleetstream.workload import Workload
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.signals import Signal
from tests.telemetry import HOST_SCALE, TIMESTAMP, sample, sweep_of, units

METRICS, EVENTS = Kind.METRICS, Kind.EVENTS
CPU = [
    *("cpu_user", "cpu_system", "cpu_iowait", "cpu_steal", "cpu_nice", "cpu_si", "cpu_hi"),
    "cpu_idle",
]
NUMBERS = [each for each in CATALOGUE if each.type is not DataType.VARCHAR]
SIGNALS = [None, Signal(Shape.SINE, 20, "m"), Signal(Shape.SAWTOOTH, 100, "h")]


@pytest.mark.parametrize("signal", SIGNALS, ids=["no signal", "sine", "sawtooth"])
@pytest.mark.parametrize("second", [0, 15, 30])
def test_cpu_adds_up_to_100_wherever_it_can(signal: Signal | None, second: int) -> None:
    workload = Workload(Fleet(10), 3, signal)
    batch = sweep_of(workload, METRICS, (TIMESTAMP // 60_000_000 * 60 + second) * 1_000_000)
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
    batch = sample(METRICS)
    used, free = (units(batch, METRICS, name) for name in ("disk_used", "disk_free"))
    around = used - 3_000 * np.arange(len(batch))
    assert np.all(free == 1_500 - around)


def test_disk_used_goes_by_the_number_in_the_whole_fleet() -> None:
    fleet = Fleet(1, ["eu-central-1"])
    batch = sweep_of(Workload(fleet, 3), METRICS)
    assert np.all(np.abs(batch["disk_used"].to_numpy() - 30 * np.arange(1_000, 1_010)) < 40)


def test_other_values_of_a_host_are_independent() -> None:
    """No two measures that are drawn apart go together, nor with themselves a second later."""
    derived = {"cpu_idle", "memory_free", "disk_free", "disk_used"}
    names = [each.name for each in measures_of(METRICS) if each.name not in derived]
    now, later = sample(METRICS), sample(METRICS, timestamp=TIMESTAMP + 1_000_000)
    columns = [now[name].to_numpy() for name in names]
    # A host's load makes its CPU today like its CPU tomorrow, and nothing else.
    columns += [later[name].to_numpy() for name in names if name != "cpu_user"]
    matrix = np.corrcoef(columns)
    np.fill_diagonal(matrix, 0)
    assert np.abs(matrix).max() < 5 / np.sqrt(len(now))


def test_neighbours_are_independent() -> None:
    for name in ("cpu_system", "latency_per_read", "network_bytes_in"):
        column = sample(METRICS)[name].to_numpy()
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 5 / np.sqrt(len(column))


def test_seeds_give_other_values() -> None:
    ours, theirs = sample(METRICS), sample(METRICS, seed=1)
    for name in ("cpu_user", "disk_io_read", "latency_per_write"):
        same = np.mean(ours[name].to_numpy() == theirs[name].to_numpy())
        assert same < 0.1
    column = "memory_used"
    pairs = np.corrcoef(ours[column].to_numpy(), theirs[column].to_numpy())
    assert abs(pairs[0, 1]) < 5 / np.sqrt(len(ours))


@pytest.mark.parametrize("kind", Kind)
def test_types(kind: Kind) -> None:
    batch = sample(kind)
    word = pa.dictionary(pa.int32(), pa.string())
    types = {"task_completed": pa.int64(), "task_end_state": word}
    assert batch.schema.names == [
        *DIMENSIONS[kind],
        "time",
        *(each.name for each in CATALOGUE if each.kind is kind),
    ]
    for name in DIMENSIONS[kind]:
        assert batch.schema.field(name).type == word
    assert batch.schema.field("time").type == pa.timestamp("us")
    assert pc.unique(batch["time"]).cast(pa.int64()).to_pylist() == [TIMESTAMP]
    for each in measures_of(kind):
        assert batch.schema.field(each.name).type == types.get(each.name, pa.float64())


@pytest.mark.parametrize("each", NUMBERS, ids=lambda each: f"{each.kind}-{each.name}")
def test_values_have_the_decimals_of_their_measure(each: Measure) -> None:
    """Each is the very double that its decimal text reads as, and none is a negative zero."""
    values = sample(each.kind)[each.name].to_numpy()
    texts = [f"{value:.{each.decimals}f}" for value in values[:20_000]]
    assert [float(text) for text in texts] == values[:20_000].tolist()
    assert not np.any(np.signbit(values) & (values == 0))
    assert np.all(np.isfinite(values))


@pytest.mark.parametrize("percent", [0.5, 10, 60])
def test_missing_cpu_rate(percent: float) -> None:
    batch = sweep_of(Workload(Fleet(HOST_SCALE), 4, missing_cpu=percent), METRICS)
    missing = batch["cpu_user"].null_count
    assert stats.binomtest(missing, len(batch), percent / 100).pvalue > 0.001


@given(percent=st.floats(0, 100), seed=st.integers(0, 2**64 - 1), signal=st.sampled_from(SIGNALS))
def test_cpu_values_are_missing_together_and_nothing_else_changes(
    percent: float, seed: int, signal: Signal | None
) -> None:
    fleet = Fleet(1, ["us-west-1"])
    for kind in Kind:
        whole = sweep_of(Workload(fleet, seed, signal), kind)
        holed = sweep_of(Workload(fleet, seed, signal, percent), kind)
        gone = holed[CPU[0]].is_null() if kind is METRICS else None
        for name in whole.schema.names:
            if name in CPU:
                null = pa.scalar(None, whole[name].type)
                assert holed[name].equals(pc.if_else(gone, null, whole[name]))
            else:
                assert holed[name].equals(whole[name])


@pytest.mark.parametrize(("percent", "missing"), [(0, 0), (100, 1_010)])
def test_no_cpu_value_or_all_missing(percent: float, missing: int) -> None:
    batch = sweep_of(Workload(Fleet(), 4, missing_cpu=percent), METRICS)
    assert [batch[name].null_count for name in CPU] == [missing] * 8


def test_missing_cpu_changes_from_sweep_to_sweep() -> None:
    workload = Workload(Fleet(), 4, missing_cpu=50)
    masks = [
        sweep_of(workload, METRICS, TIMESTAMP + second)["cpu_idle"].is_null().to_numpy(False)
        for second in (0, 1_000_000)
    ]
    assert 0.4 < np.mean(masks[0] != masks[1]) < 0.6


@pytest.mark.parametrize("frequency", PERIODS)
@pytest.mark.parametrize("shape", Shape)
def test_a_signal_without_noise_is_the_cpu_load_of_all_hosts(shape: Shape, frequency: str) -> None:
    signal = Signal(shape, 100, frequency)
    batch = sweep_of(Workload(Fleet(1, ["eu-west-1"]), 8, signal), METRICS)
    level = round(signal.level(TIMESTAMP / 1e6), 2)
    assert pc.unique(batch["cpu_user"]).to_pylist() == [level]


def test_a_signal_with_noise_differs_from_host_to_host() -> None:
    signal = Signal(Shape.SAWTOOTH, 20, "m")
    batch = sweep_of(Workload(Fleet(), 8, signal), METRICS)
    around = batch["cpu_user"].to_numpy() - signal.level(TIMESTAMP / 1e6)
    assert stats.kstest(around, stats.uniform(-2.5, 5).cdf).pvalue > 0.001


def test_a_signal_changes_no_other_measure() -> None:
    plain, signalled = (
        sweep_of(Workload(Fleet(), 8, signal), METRICS) for signal in (None, SIGNALS[1])
    )
    unchanged = [name for name in plain.schema.names if plain[name].equals(signalled[name])]
    assert set(plain.schema.names) - set(unchanged) == {"cpu_user", "cpu_idle"}
