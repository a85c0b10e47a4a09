"""Ends of series: where they are, and that they change nothing else."""

from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.ends import BatchesWithEnds
from fleetstream.generate.generator import Generator
from fleetstream.generate.records import Records, timestamps_of
from fleetstream.generate.schema import dimension_names
from fleetstream.model import Model, load_model
from tests.generate.living import LIFE, START, content
from tests.telemetry import SECOND

MINUTE = 60 * SECOND

LIVES: dict[str, dict[str, Any]] = {
    "replaced": {"lifetime": "20m"},
    "released": {"releases": LIFE["releases"]},
    "scaled": {"scale": "load", "full_at": 2.0},
    "out of reach": {"presence": 0.7, "presence_period": "3m"},
    "all of it": LIFE,
}

Series = tuple[str | None, ...]


def living(seed: int, life: dict[str, Any], *, named: bool = True) -> Generator:
    """A generator of slots with a life cycle; ``named`` says that instances have names."""
    described = content(**life)
    if not named:
        described["kinds"]["task"]["dimensions"] = {"group": "{group}", "name": "{slot}"}
    return Generator(msgspec.convert(described, Model), seed, step=MINUTE)


def rows(batch: pa.RecordBatch) -> list[tuple[int, Series, bool]]:
    """Time, dimensions, and whether there is any value, of each row."""
    dimensions = [batch.column(name).to_pylist() for name in dimension_names(batch.schema)]
    present = Records(batch, RecordModel.MULTI).present.any(axis=1).tolist()
    times = timestamps_of(batch).tolist()
    return list(zip(times, zip(*dimensions, strict=True), present, strict=True))


def expected_ends(generator: Generator, times: list[int]) -> set[tuple[int, Series]]:
    """Series that are at a timestamp and not at the next, found by comparing all of both."""
    alive = {
        time: {series for batch in generator.batches([time]) for _, series, _ in rows(batch)}
        for time in times
    }
    return {
        (later, series)
        for earlier, later in pairwise(times)
        for series in alive[earlier] - alive[later]
    }


@settings(max_examples=15)
@given(
    life=st.sampled_from(sorted(LIVES)),
    seed=st.integers(0, 2**32),
    step=st.integers(1, 20),
    cuts=st.sets(st.integers(1, 29)),
)
def test_series_end_where_they_are_not_there_any_more(
    life: str, seed: int, step: int, cuts: set[int]
) -> None:
    """However the timestamps are grouped."""
    generator = living(seed, LIVES[life])
    times = [START + place * step * MINUTE for place in range(30)]
    with_ends = BatchesWithEnds(generator)
    edges = [0, *sorted(cuts), len(times)]
    found: list[tuple[int, Series, bool]] = []
    latest: dict[Series, int] = {}
    for first, last in pairwise(edges):
        for batch in with_ends.batches(times[first:last], generator.chunks):
            stamps = timestamps_of(batch)
            assert (stamps[1:] >= stamps[:-1]).all()
            for row in rows(batch):
                found.append(row)
                assert latest.get(row[1], -1) < row[0], "samples of a series must be in order"
                latest[row[1]] = row[0]
    ends = [(time, series) for time, series, present in found if not present]
    assert len(ends) == len(set(ends))
    assert set(ends) == expected_ends(generator, times)
    values = {(time, series) for time, series, present in found if present}
    plain = [row for batch in generator.batches(times) for row in rows(batch)]
    assert values == {(time, series) for time, series, _ in plain}


def test_ends_make_no_records() -> None:
    generator = living(7, LIVES["replaced"])
    times = [START + place * MINUTE for place in range(30)]
    plain = sum(len(Records(each, RecordModel.SINGLE)) for each in generator.batches(times))
    batches = list(BatchesWithEnds(generator).batches(times, generator.chunks))
    assert sum(each.num_rows for each in batches) > sum(
        each.num_rows for each in generator.batches(times)
    )
    for model in RecordModel:
        counted = sum(len(Records(each, model)) for each in batches)
        assert counted == sum(len(Records(each, model)) for each in generator.batches(times))
    assert plain > 0


def test_series_without_a_life_cycle_never_end() -> None:
    generator = Generator(load_model("aws-devops"), 7, include={"region": ["eu-central-1"]})
    times = [START, START + MINUTE]
    batches = BatchesWithEnds(generator).batches(times, generator.chunks)
    assert list(batches) == list(generator.batches(times))


def test_a_replaced_instance_without_dimensions_of_its_own_continues_its_series() -> None:
    generator = living(7, {"lifetime": "10m"}, named=False)
    times = [START + place * MINUTE for place in range(60)]
    batches = list(BatchesWithEnds(generator).batches(times, generator.chunks))
    assert all(present for batch in batches for _, _, present in rows(batch))


@pytest.mark.parametrize("name", ["kubernetes", "web-shop", "iot-trucks"])
def test_series_of_shipped_models_end(name: str) -> None:
    generator = Generator(load_model(name), 7, step=5 * MINUTE)
    times = [START + place * 5 * MINUTE for place in range(60)]
    batches = BatchesWithEnds(generator).batches(times, generator.chunks)
    ends = {(time, series) for batch in batches for time, series, there in rows(batch) if not there}
    assert ends
    assert ends == expected_ends(generator, times)
