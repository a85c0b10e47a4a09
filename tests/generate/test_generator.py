"""The workload is a pure function of seed, host scale, series and time, bit for bit."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fleetstream.fleet import MICROSERVICES, REGIONS, Fleet, Kind
from fleetstream.workload import BLOCK, MAX_SEED, Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.schema import TIME
from fleetstream.generate.signals import Signal
from tests.telemetry import TIMESTAMP, sweep_of

ROOT = Path(__file__).parents[1]

GOLDEN = {
    Kind.METRICS: "ab33404bb73ef4156c7fa60f081843586dd20ed5db5a0c8a8958530151ad2bfd",
    Kind.EVENTS: "e0363158af58aa8419a3a18bd78da8521f9d199a1ca41d88793d632d5283d1ab",
}
"""What a sweep of one region under seed 42 hashes to."""

SEEDS = st.integers(0, MAX_SEED)
TIMESTAMPS = st.integers(0, 2**33).map(lambda second: second * 1_000_000)
SOME_REGIONS = st.sets(st.sampled_from([region.name for region in REGIONS]), min_size=1, max_size=3)
SOME_SERVICES = st.sets(st.sampled_from([service.name for service in MICROSERVICES]), min_size=1)
SIGNALS = st.none() | st.builds(
    Signal, st.sampled_from(Shape), st.floats(0.5, 100), st.sampled_from(list(PERIODS))
)
MISSING = st.sampled_from([0.0, 20.0])


def digest(batches: Iterable[pa.RecordBatch]) -> str:
    """A hash of the names, the types and every value; the same on every machine."""
    content = [
        [field.name, str(field.type), column.to_pylist()]
        for batch in batches
        for field, column in zip(batch.schema, _plain(batch), strict=True)
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _plain(batch: pa.RecordBatch) -> list[pa.Array]:
    """The columns, with times as numbers."""
    return [
        column.cast(pa.int64()) if name == TIME else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]


def kept(whole: pa.RecordBatch, regions: set[str], services: set[str]) -> pa.RecordBatch:
    """The rows of a sweep of the whole fleet that filters keep."""
    wanted = pc.and_(
        pc.is_in(whole["region"].cast(pa.string()), pa.array(sorted(regions))),
        pc.is_in(whole["microservice_name"].cast(pa.string()), pa.array(sorted(services))),
    )
    return whole.filter(wanted)


@pytest.mark.parametrize("kind", Kind)
def test_values_do_not_change_from_version_to_version(kind: Kind) -> None:
    """A changed value breaks promises to people who kept a seed: it needs an entry in CHANGELOG."""
    workload = Workload(Fleet(1, ["us-west-2"]), seed=42, missing_cpu=5)
    assert digest([sweep_of(workload, kind)]) == GOLDEN[kind]


@settings(max_examples=30)
@given(SEEDS, TIMESTAMPS, SOME_REGIONS, SOME_SERVICES, SIGNALS, MISSING, st.integers(1, 12))
def test_filters_change_no_value(
    seed: int,
    timestamp: int,
    regions: set[str],
    services: set[str],
    signal: Signal | None,
    missing: float,
    host_scale: int,
) -> None:
    whole = Workload(Fleet(host_scale), seed, signal, missing)
    part = Workload(Fleet(host_scale, [*regions], [*services]), seed, signal, missing)
    for kind in Kind:
        expected = kept(sweep_of(whole, kind, timestamp), regions, services)
        assert sweep_of(part, kind, timestamp).equals(expected)


@settings(max_examples=20)
@given(SEEDS, TIMESTAMPS, SIGNALS, st.randoms())
def test_order_of_blocks_and_timestamps_changes_no_value(
    seed: int, timestamp: int, signal: Signal | None, order: random.Random
) -> None:
    fleet = Fleet(7)
    workload = Workload(fleet, seed, signal)
    jobs = [(block, timestamp + second) for second in (0, 10**6) for block in workload.blocks]
    expected = [workload.batch(*job) for job in jobs]
    places = list(range(len(jobs)))
    order.shuffle(places)
    other = Workload(fleet, seed, signal)
    for place in places:
        assert other.batch(*jobs[place]).equals(expected[place])


@settings(max_examples=10)
@given(SEEDS, TIMESTAMPS, SIGNALS)
def test_concurrency_changes_no_value(seed: int, timestamp: int, signal: Signal | None) -> None:
    workload = Workload(Fleet(12), seed, signal, missing_cpu=10)
    expected = list(workload.sweep(timestamp))
    with ThreadPoolExecutor(8) as pool:
        batches = pool.map(lambda block: workload.batch(block, timestamp), workload.blocks * 3)
        assert all(batch.equals(expected[i % len(expected)]) for i, batch in enumerate(batches))


def test_another_process_gives_the_same_values() -> None:
    """Whatever it hashes words with, and whatever it has generated before."""
    code = (
        "from fleetstream.fleet import Fleet\n"
        "from fleetstream.workload import Workload\n"
        "from tests.test_workload import TIMESTAMP, digest\n"
        "workload = Workload(Fleet(2), 99)\n"
        "list(workload.sweep(5))\n"
        "print(digest(workload.sweep(TIMESTAMP)))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert there == digest(Workload(Fleet(2), 99).sweep(TIMESTAMP))


@given(SEEDS, TIMESTAMPS, SEEDS, TIMESTAMPS)
def test_another_seed_or_time_gives_other_values(
    seed: int, timestamp: int, other_seed: int, other_timestamp: int
) -> None:
    fleet = Fleet(1, ["eu-central-1"])

    def values(seed: int, timestamp: int) -> list[float]:
        column: list[float] = sweep_of(Workload(fleet, seed), Kind.METRICS, timestamp)[
            "memory_used"
        ].to_pylist()
        return column

    same = (seed, timestamp) == (other_seed, other_timestamp)
    assert (values(seed, timestamp) == values(other_seed, other_timestamp)) == same


@given(st.integers(1, 12), SOME_REGIONS, SOME_SERVICES)
def test_blocks_cover_every_series_once(
    host_scale: int, regions: set[str], services: set[str]
) -> None:
    workload = Workload(Fleet(host_scale, [*regions], [*services]), 1)
    for kind, table in workload.fleet.tables.items():
        blocks = [block for block in workload.blocks if block.kind is kind]
        rows = [row for block in blocks for row in range(block.start, block.stop)]
        assert rows == list(range(len(table)))
        for block in blocks:
            numbers = table.numbers[block.start : block.stop]
            assert set(numbers // BLOCK) == {block.number}
            assert len(block) == len(numbers)


def test_counts() -> None:
    workload = Workload(Fleet(), 1)
    assert workload.series == 2_222
    assert workload.values_per_sweep == 26_260
    values = sum(batch.num_rows * (batch.num_columns - 9) for batch in workload.sweep(TIMESTAMP))
    assert values == 26_260


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match=f"The seed is {seed}, but must be a whole number from 0"):
        Workload(Fleet(1, ["eu-central-1"]), seed)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_missing_cpu_out_of_range(percent: float) -> None:
    with pytest.raises(ValueError, match="must be from 0 to 100"):
        Workload(Fleet(1, ["eu-central-1"]), 1, missing_cpu=percent)
