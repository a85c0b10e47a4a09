"""Series that appear and disappear: how many there are, how long they live, and what stays same."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Shard
from fleetstream.generate.generator import Generator
from fleetstream.model import Model
from tests.generate.living import LIFE, START, content, living
from tests.generate.models import cells
from tests.telemetry import SECOND

STEP = 10 * SECOND
MADE = living()


def table(made: Generator, timestamps: Any, kind: str = "task") -> pa.Table:
    chunks = [chunk for chunk in made.chunks if chunk.kind == kind]
    return pa.Table.from_batches(list(made.batches(timestamps, chunks)), made.schemas[kind])


@settings(max_examples=15)
@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=12, unique=True).map(sorted))
def test_timestamps_alone_and_together_give_the_same(steps: list[int]) -> None:
    stamps = [START + step * STEP for step in steps]
    together = cells(MADE, stamps)
    alone = {}
    for stamp in stamps:
        alone |= cells(MADE, [stamp])
    assert together == alone


@settings(max_examples=10)
@given(st.integers(1, 5), st.integers(0, 5_000))
def test_parts_make_the_whole(count: int, step: int) -> None:
    stamps = [START + step * STEP, START + (step + 90) * STEP]
    parts: dict[Any, Any] = {}
    for number in range(1, count + 1):
        part = cells(living(shard=Shard(number, count)), stamps)
        assert not part.keys() & parts.keys()
        parts |= part
    assert parts == cells(MADE, stamps)


@settings(max_examples=10)
@given(st.integers(0, 5_000))
def test_more_slots_change_no_value_of_the_others(step: int) -> None:
    """The share of slots in use changes with their number, so nothing is scaled here."""
    life = {name: value for name, value in LIFE.items() if name != "scale"}
    model = msgspec.convert(content(**life), Model)
    few, many = (Generator(model, 3, step=STEP, parameters={"slots": n}) for n in (5, 9))
    stamp = START + step * STEP
    found = cells(many, [stamp])
    assert cells(few, [stamp]).items() <= found.items()


def test_no_series_at_all() -> None:
    model = msgspec.convert(content(presence=0.0), Model)
    chunks = [chunk for chunk in Generator(model, 1).chunks if chunk.kind == "task"]
    assert not list(Generator(model, 1).batches([START], chunks))


def test_lifetimes_and_churn() -> None:
    """A slot's instances live half an hour on average; each has its own name."""
    model = msgspec.convert(content(lifetime="30m"), Model)
    made = Generator(model, 5, parameters={"slots": 200})
    hours = 24
    rows = table(made, range(START, START + hours * 3_600 * SECOND, 60 * SECOND))
    births = len(set(rows["name"].to_pylist())) - 400
    assert births == pytest.approx(400 * hours * 2, rel=0.05)
    assert len(rows) == 400 * hours * 60
    assert np.max(rows["age_now"].to_numpy()) > 3_600


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_presence(share: float) -> None:
    model = msgspec.convert(content(presence=share), Model)
    made = Generator(model, 5, parameters={"slots": 500})
    rows = table(made, range(START, START + 86_400 * SECOND, 600 * SECOND))
    assert len(rows) / (1_000 * 144) == pytest.approx(share, abs=0.01)


def test_the_driver_decides_how_many_slots_are_in_use() -> None:
    model = msgspec.convert(content(scale="load", full_at=4.0, hold="1m"), Model)
    made = Generator(model, 5, step=60 * SECOND, parameters={"slots": 1_000})
    stamps = range(START, START + 86_400 * SECOND, 1_800 * SECOND)
    tasks, groups = table(made, stamps), table(made, stamps, "group")
    counts = tasks.group_by(["group", "time"]).aggregate([("name", "count")])
    found = {(g, t): n for g, t, n in zip(*(c.to_pylist() for c in counts.columns), strict=True)}
    for row in groups.to_pylist():
        wanted = min(row["load_now"] / 4.0, 1) * 1_000
        assert found[row["group"], row["time"]] == pytest.approx(wanted, abs=1)


def test_a_release_reaches_every_slot_within_its_rollout() -> None:
    releases = {"level": "group", "every": "4h", "rollout": "10m"}
    model = msgspec.convert(content(releases=releases), Model)
    made = Generator(model, 5)
    rows = table(made, range(START, START + 2 * 86_400 * SECOND, 60 * SECOND)).to_pandas()
    per_minute = rows.groupby(["group", "time"])["version"].nunique()
    assert per_minute.max() == 2
    shares = per_minute.groupby("group").apply(lambda counts: (counts == 2).mean())
    assert (shares < 0.1).all()
    for _, versions in rows.groupby("group")["version"]:
        # 12 releases in two days on average; versions only grow.
        assert 4 <= versions.nunique() <= 24
    first = rows.groupby(["group", "version"])["time"].min().reset_index()
    for _, ordered in first.groupby("group"):
        numbers = ordered.sort_values("time")["version"].str.removeprefix("1.").astype(int)
        assert numbers.is_monotonic_increasing


def test_a_kind_is_measured_once_per_interval() -> None:
    stamps = range(START + 7 * SECOND, START + 3_600 * SECOND, 13 * SECOND)
    made = living(step=13 * SECOND)
    times = sorted(set(table(made, stamps, "group")["time"].cast(pa.int64()).to_pylist()))
    assert len(times) == 60
    assert len({time // (60 * SECOND) for time in times}) == 60
    assert all(time % (60 * SECOND) < 13 * SECOND for time in times)


def test_the_dimensions_of_what_is_alive() -> None:
    found = pa.Table.from_batches([MADE.dimensions("task", START)])
    rows = table(MADE, [START])
    assert found.to_pylist() == rows.select(["group", "name", "version"]).to_pylist()
    assert 0 < found.num_rows < 40


def test_widths_in_dimensions_that_change() -> None:
    """As in Python's format strings: numbers to the right, texts to the left."""
    text = content(lifetime="1h")
    text["kinds"]["task"]["dimensions"] = {
        "number": "{slot.index:3}|{slot.index:03}|{slot.id}",
        "text": "{slot.id:10}|{group:6}|",
    }
    made = Generator(msgspec.convert(text, Model), 1, parameters={"slots": 2})
    for row in made.dimensions("task", START).to_pylist():
        right, zeros, name = row["number"].split("|")
        assert (right, zeros) in {("  0", "000"), ("  1", "001")}
        assert row["text"].split("|")[:2] in ([f"{name:10}", f"{g:6}"] for g in ("east", "west"))
