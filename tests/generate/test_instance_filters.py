"""Filters by dimensions that change over time: they keep instances, and change nothing else."""

from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel, Shard
from fleetstream.generate.ends import BatchesWithEnds
from fleetstream.generate.generator import Generator
from fleetstream.generate.points import PointLabels
from fleetstream.generate.records import Records
from fleetstream.model import Model
from tests.generate.living import LIFE, START, content
from tests.generate.models import Cell, cells
from tests.telemetry import SECOND

MINUTE = 60 * SECOND
TIMES = [START + place * 7 * MINUTE for place in range(30)]
SEED = 7


@cache
def model() -> Model:
    """Slots with all that a life cycle can have, and incidents of slots and of groups."""
    described = content(**LIFE)
    often = {"every": "3h", "shortest": "5m", "longest": "40m"}
    effects = [{"kind": "task", "target": "level", "add": "100 * severity"}]
    loaded = [{"driver": "load", "multiply": "2"}]
    described["incidents"] = {
        "stuck": {"level": "slot", **often, "effects": effects},
        "shared": {"level": "group", **often, "effects": effects},
        "loaded": {"level": "group", **often, "effects": loaded},
    }
    return msgspec.convert(described, Model)


def made(**options: Any) -> Generator:
    return Generator(model(), SEED, step=MINUTE, parameters={"slots": 6}, **options)


@cache
def whole() -> dict[Cell, object]:
    return cells(made(), TIMES)


@cache
def words(dimension: str) -> list[str]:
    found = {dict(cell[1]).get(dimension) for cell in whole()}
    return sorted(each for each in found if each is not None)


@st.composite
def filters(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from(["name", "version"]), max_size=2, unique=True))
    return {
        name: draw(st.lists(st.sampled_from(words(name)), min_size=1, max_size=20))
        for name in names
    }


def kept(cell: Cell, include: dict[str, list[str]], exclude: dict[str, list[str]]) -> bool:
    series = dict(cell[1])
    if cell[0] == "group":
        return True
    return all(series[name] in values for name, values in include.items()) and not any(
        series[name] in values for name, values in exclude.items()
    )


@settings(max_examples=12)
@given(filters(), filters(), st.sets(st.integers(1, 29), max_size=6))
def test_what_is_left_is_what_has_the_values(
    include: dict[str, list[str]], exclude: dict[str, list[str]], cuts: set[int]
) -> None:
    """However timestamps are grouped; and the other kind keeps all of its series."""
    part = made(include=include, exclude=exclude)
    found: dict[Cell, object] = {}
    for first, last in pairwise([0, *sorted(cuts), len(TIMES)]):
        found |= cells(part, TIMES[first:last])
    assert found == {cell: each for cell, each in whole().items() if kept(cell, include, exclude)}


@settings(max_examples=5)
@given(filters(), st.integers(2, 5))
def test_shards_divide_what_is_left(include: dict[str, list[str]], count: int) -> None:
    found: dict[Cell, object] = {}
    for number in range(1, count + 1):
        part = cells(made(include=include, shard=Shard(number, count)), TIMES)
        assert not {cell for cell in part if cell[0] == "task"} & found.keys()
        found |= part
    assert found == {cell: each for cell, each in whole().items() if kept(cell, include, {})}


@settings(max_examples=5)
@given(filters(), filters())
def test_the_series_that_are_left_end_as_they_would(
    include: dict[str, list[str]], exclude: dict[str, list[str]]
) -> None:
    def ends(generator: Generator) -> set[tuple[Any, ...]]:
        found = set()
        for batch in BatchesWithEnds(generator).batches(TIMES, generator.chunks):
            present = Records(batch, RecordModel.MULTI).present.any(axis=1).tolist()
            for row, there in zip(batch.to_pylist(), present, strict=True):
                if not there:
                    found.add((row["time"], row["name"], row["version"]))
        return found

    def wanted(name: str, version: str) -> bool:
        series = frozenset({"name": name, "version": version}.items())
        return kept(("task", series, "", 0), include, exclude)

    every = ends(made())
    assert every
    assert ends(made(include=include, exclude=exclude)) == {
        each for each in every if wanted(each[1], each[2])
    }


@pytest.mark.parametrize("place", range(0, 60, 13))
def test_labels_are_those_of_what_is_left(place: int) -> None:
    """Those of slots that hold a chosen instance meanwhile, and those of what is above them."""
    name = words("name")[place % len(words("name"))]
    part = made(include={"name": [name]})
    begin, end = TIMES[0], TIMES[-1] + 1
    left = part.labels(begin, end)
    every = made().labels(begin, end)
    assert all(label in every for label in left)
    assert [label for label in left if label.incident == "loaded"] == [
        label for label in every if label.incident == "loaded"
    ]
    mine = [label for label in left if label.incident == "stuck"]
    assert len({label.row for label in mine}) <= 1
    assert len(mine) < len([label for label in every if label.incident == "stuck"])
    ids = {label.id for label in left}
    calm = cells(made(incidents="off"), TIMES)
    affected = 0
    points = PointLabels(part, made(include={"name": [name]}, incidents="off"), "task", ["level"])
    for batch in points.batches(TIMES):
        for row in batch.to_pylist():
            assert row["name"] == name
            assert set(row["incidents"]) <= ids
            affected += row["affected"]
    chosen = {cell: each for cell, each in whole().items() if cell[2] == "level"}
    changed = [
        cell
        for cell, each in chosen.items()
        if dict(cell[1]).get("name") == name and each != calm[cell]
    ]
    assert affected == len(changed)


def test_an_instance_that_never_is_leaves_nothing_of_its_kind() -> None:
    part = made(include={"name": ["east-00000000"]})
    assert {cell[0] for cell in cells(part, TIMES)} == {"group"}
    assert part.dimensions("task", TIMES[0]).num_rows == 0
    ends = BatchesWithEnds(part).batches(TIMES, part.chunks)
    assert {batch.schema.metadata[b"kind"] for batch in ends} == {b"group"}


def test_a_value_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no version '2\.1'; its values are of the form 1\.{slot"):
        made(include={"version": ["2.1"]})
    with pytest.raises(ValueError, match=r"no name 'x'; its values are of the form {group}-{slot"):
        made(exclude={"name": ["x"]})


def test_a_dimension_that_changes_in_one_kind_only() -> None:
    """The other kind is filtered by its own values, which are known."""
    described = content(**LIFE)
    described["kinds"]["group"]["dimensions"]["name"] = "{group}-all"
    mixed = msgspec.convert(described, Model)
    names = ["east-all", words("name")[0]]
    part = Generator(mixed, SEED, step=MINUTE, parameters={"slots": 6}, include={"name": names})
    found = {dict(cell[1])["name"] for cell in cells(part, TIMES)}
    assert found == {"east-all", words("name")[0]}
