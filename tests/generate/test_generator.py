"""Every value is a pure function of seed, series, measure and timestamp, bit for bit."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import PERIODS, Shape, Shard
from fleetstream.generate.generator import HISTORY_VALUES, ROWS, Chunk, Generator
from fleetstream.generate.schema import TIME
from fleetstream.generate.signals import Signal
from fleetstream.run.spec import MAX_SEED
from tests.generate.models import Cell, cells
from tests.telemetry import (
    EVENTS,
    KINDS,
    METRICS,
    MODEL,
    SECOND,
    TIMESTAMP,
    generator,
    sweep_of,
)

ROOT = Path(__file__).parents[2]

GOLDEN = {
    METRICS: "106e6a9cf6dc3ef5b6ad796f4b6a7659c3575f2a60e409234d02e882e90c8edd",
    EVENTS: "0d076a511adf2580fb35397baeb524ce2d6415d40921bb9264b4bb5f502df233",
}
"""Hashes of a sweep of one region under seed 42."""

REGIONS = [str(member["name"]) for member in MODEL.levels[0].members]
SERVICES = [str(member["name"]) for member in MODEL.levels[3].members]

SEEDS = st.integers(0, MAX_SEED)
TIMESTAMPS = st.integers(0, 2**33).map(lambda second: second * SECOND)
SOME_REGIONS = st.sets(st.sampled_from(REGIONS), min_size=1, max_size=3).map(sorted)
SOME_SERVICES = st.sets(st.sampled_from(SERVICES), min_size=1).map(sorted)
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


def decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with words as strings, whatever words its dictionaries have besides."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields))


def kept(whole: pa.RecordBatch, regions: list[str], services: list[str]) -> pa.RecordBatch:
    """The rows of a sweep of the whole fleet that filters keep."""
    wanted = pc.and_(
        pc.is_in(whole["region"].cast(pa.string()), pa.array(regions)),
        pc.is_in(whole["microservice_name"].cast(pa.string()), pa.array(services)),
    )
    return whole.filter(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_values_do_not_change_from_version_to_version(kind: str) -> None:
    """A changed value breaks promises to users: it needs another version of the generator."""
    made = generator(1, 42, ["us-west-2"], missing_percent=5)
    assert digest([sweep_of(made, kind)]) == GOLDEN[kind]


@settings(max_examples=30)
@given(SEEDS, TIMESTAMPS, SOME_REGIONS, SOME_SERVICES, SIGNALS, MISSING, st.integers(1, 12))
def test_filters_change_no_value(
    seed: int,
    timestamp: int,
    regions: list[str],
    services: list[str],
    signal: Signal | None,
    missing: float,
    host_scale: int,
) -> None:
    options = {"signal": signal, "missing_percent": missing}
    whole = generator(host_scale, seed, **options)
    part = generator(host_scale, seed, regions, services, **options)
    for kind in KINDS:
        wanted = decoded(kept(sweep_of(whole, kind, timestamp), regions, services))
        assert wanted.num_rows
        assert decoded(sweep_of(part, kind, timestamp)).equals(wanted)


@settings(max_examples=15)
@given(SEEDS, TIMESTAMPS, SIGNALS, MISSING, st.integers(2, 5))
def test_host_scale_changes_no_value(
    seed: int, timestamp: int, signal: Signal | None, missing: float, host_scale: int
) -> None:
    def values(scale: int) -> dict[Cell, object]:
        options = {"signal": signal, "missing_percent": missing}
        return cells(generator(scale, seed, ["us-west-2"], **options), [timestamp])

    small, large = values(1), values(host_scale)
    assert len(large) == host_scale * len(small)
    assert small.items() <= large.items()


@settings(max_examples=30)
@given(SEEDS, TIMESTAMPS, SIGNALS, MISSING, st.integers(1, 40), st.data())
def test_shapes_of_batches_change_no_value(
    seed: int,
    timestamp: int,
    signal: Signal | None,
    missing: float,
    times: int,
    data: st.DataObject,
) -> None:
    """Nor do chunk boundaries: shares and any rows of a table."""
    made = generator(1, seed, ["us-west-1"], signal=signal, missing_percent=missing)
    stamps = [timestamp + number * 777 * SECOND for number in range(times)]
    count = data.draw(st.integers(1, 5))
    for kind, table in made.tables.items():
        alone = [made.batch(Chunk(kind, 0, len(table)), [stamp]) for stamp in stamps]
        together = made.batch(Chunk(kind, 0, len(table)), stamps)
        assert together.equals(pa.concat_batches(alone))
        start = data.draw(st.integers(0, len(table)))
        stop = data.draw(st.integers(start, len(table)))
        some = made.batch(Chunk(kind, start, stop), stamps)
        assert some.equals(pa.concat_batches([each.slice(start, stop - start) for each in alone]))
        shares = [chunk for n in range(count) for chunk in made.share(n, count)]
        parts = [made.batch(chunk, stamps[:1]) for chunk in shares if chunk.kind == kind]
        assert pa.concat_batches(parts).equals(alone[0])


@settings(max_examples=30)
@given(SEEDS, TIMESTAMPS, SIGNALS, MISSING, st.data())
def test_a_cell_alone_equals_that_of_a_sweep(
    seed: int, timestamp: int, signal: Signal | None, missing: float, data: st.DataObject
) -> None:
    options = {"signal": signal, "missing_percent": missing}
    made = generator(3, seed, **options)
    kind = data.draw(st.sampled_from(KINDS))
    row = data.draw(st.integers(0, len(made.tables[kind]) - 1))
    sweep = sweep_of(made, kind, timestamp).slice(row, 1)
    region, service = (sweep[name][0].as_py() for name in ("region", "microservice_name"))
    alone = generator(3, seed, [region], [service], **options)
    rows = alone.tables[kind].identities.tolist()
    place = rows.index(int(made.tables[kind].identities[row]))
    cell = alone.batch(Chunk(kind, place, place + 1), [timestamp])
    assert decoded(cell).equals(decoded(sweep))


@settings(max_examples=20)
@given(SEEDS, TIMESTAMPS, SIGNALS, st.randoms(use_true_random=False))
def test_order_of_evaluation_changes_no_value(
    seed: int, timestamp: int, signal: Signal | None, order: random.Random
) -> None:
    made = generator(7, seed, signal=signal)
    shares = [chunk for number in range(3) for chunk in made.share(number, 3)]
    jobs = [(chunk, [timestamp + second]) for second in (0, SECOND) for chunk in shares]
    wanted = [made.batch(*job) for job in jobs]
    places = list(range(len(jobs)))
    order.shuffle(places)
    other = generator(7, seed, signal=signal)
    for place in places:
        assert other.batch(*jobs[place]).equals(wanted[place])


@settings(max_examples=10)
@given(SEEDS, TIMESTAMPS, SIGNALS)
def test_threads_change_no_value(seed: int, timestamp: int, signal: Signal | None) -> None:
    made = generator(12, seed, signal=signal, missing_percent=10)
    shares = [chunk for number in range(4) for chunk in made.share(number, 4)]
    stamps = [timestamp, timestamp + SECOND, timestamp + 3 * SECOND]
    wanted = list(made.batches(stamps, shares))
    fresh = generator(12, seed, signal=signal, missing_percent=10)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda chunk: fresh.batch(chunk, stamps), shares * 3)
        assert all(batch.equals(wanted[i % len(wanted)]) for i, batch in enumerate(found))


PROGRAM = """
from tests.generate.test_generator import digest
from tests.telemetry import TIMESTAMP, generator
made = generator(2, 99, missing_percent=5)
list(made.batches([5]))
print(digest(made.batches([TIMESTAMP])))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "4294967295", "random"])
def test_another_process_generates_the_same_values(hash_seed: str) -> None:
    """Whatever it hashes words with, and whatever it has generated before."""
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert there == digest(generator(2, 99, missing_percent=5).batches([TIMESTAMP]))


@given(SEEDS, TIMESTAMPS, SEEDS, TIMESTAMPS)
def test_another_seed_or_time_makes_other_values(
    seed: int, timestamp: int, other_seed: int, other_timestamp: int
) -> None:
    def values(seed: int, timestamp: int) -> list[float]:
        made = generator(1, seed, ["eu-central-1"])
        column: list[float] = sweep_of(made, METRICS, timestamp)["memory_used"].to_pylist()
        return column

    same = (seed, timestamp) == (other_seed, other_timestamp)
    assert (values(seed, timestamp) == values(other_seed, other_timestamp)) == same


@given(SEEDS, SEEDS)
def test_what_is_fixed_does_not_depend_on_the_seed(seed: int, other: int) -> None:
    """The values of fixed variables, and the classes of mixtures."""
    one, two = generator(1, seed, ["us-west-2"]), generator(1, other, ["us-west-2"])
    for chunk in one.chunks:
        fixed, same = (made.instances(chunk, []).grid.fixed for made in (one, two))
        assert fixed.keys() == same.keys()
        assert all(np.array_equal(fixed[name], same[name]) for name in fixed)
        assert set(fixed) == ({"disk_base", "cpu_user"} if chunk.kind == METRICS else set())


@given(st.integers(1, 40), st.integers(1, 9), st.none() | st.integers(1, 7))
def test_chunks_and_shares_cover_every_series_once(
    host_scale: int, count: int, shard: int | None
) -> None:
    made = generator(host_scale, shard=None if shard is None else Shard(shard, 7))
    shares = [chunk for number in range(count) for chunk in made.share(number, count)]
    for chunks in (made.chunks, shares):
        for kind, table in made.tables.items():
            rows = [row for chunk in chunks if chunk.kind == kind for row in _rows(chunk)]
            assert rows == list(range(len(table)))
        assert all(0 < len(chunk) <= ROWS for chunk in chunks)


def _rows(chunk: Chunk) -> range:
    return range(chunk.start, chunk.stop)


def test_counts() -> None:
    made = generator()
    assert made.series == 2_222
    assert made.values_per_sweep == 26_260
    assert sum(batch.num_rows * (batch.num_columns - 9) for batch in made.batches([0])) == 26_260
    assert made.timestamps_per_batch() == HISTORY_VALUES // 26_260
    assert generator(1_000).timestamps_per_batch() == 1


def test_memory_does_not_grow_with_the_shapes_of_batches() -> None:
    """Repeated dimensions are kept, since targets remember them, but few of them."""
    made = generator(1, 1, ["eu-central-1"])
    before = pa.total_allocated_bytes()
    for times in range(1, 1_025):
        made.batch(made.chunks[0], range(times))
    assert pa.total_allocated_bytes() - before < 3 * 1_024 * 10 * 8 * 4


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match=f"The seed is {seed}, but must be an integer from 0"):
        generator(1, seed)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_missing_percent_out_of_range(percent: float) -> None:
    with pytest.raises(ValueError, match="must be from 0 to 100"):
        generator(1, missing_percent=percent)


def test_the_generator_needs_the_default_parameters_alone() -> None:
    assert cells(Generator(MODEL, 20_261_124)) == cells(generator())
