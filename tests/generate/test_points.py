"""Labels of points: exactly the values that differ without incidents, and why they do."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import from_datetime
from fleetstream.generate.points import PointLabels, reached_measures
from fleetstream.generate.schema import TIME
from fleetstream.model import Model
from tests.generate.living import LIFE, START
from tests.generate.models import cells
from tests.generate.test_incidents import CHANGED, EFFECTS, STEP, document, pair
from tests.telemetry import SECOND

MEASURES = ["done", "level", "age_now", "scaled", "rare"]


def model_of(effects: list[dict[str, Any]], **life: Any) -> Model:
    text = document(effects)
    text["levels"][1]["life"] = life
    return msgspec.convert(text, Model)


def points_of(
    model: Model, stamps: range, kind: str = "task", measures: list[str] = MEASURES
) -> list[dict[str, Any]]:
    made = PointLabels(*pair(model), kind, measures)
    return pa.Table.from_batches(made.batches(stamps), made.schema).to_pylist()


@pytest.mark.parametrize("life", [{}, LIFE], ids=["forever", "with lives"])
@settings(max_examples=12, deadline=None)
@given(
    names=st.lists(st.sampled_from([*EFFECTS]), min_size=1, max_size=3, unique=True),
    first=st.integers(0, 2_000),
    count=st.integers(1, 90),
)
def test_points_are_affected_where_values_differ(
    life: dict[str, Any], names: list[str], first: int, count: int
) -> None:
    model = model_of([EFFECTS[name] for name in names], **life)
    stamps = range(START + first * STEP, START + (first + count) * STEP, STEP)
    with_, without = (cells(made, stamps) for made in pair(model))
    found: dict[Any, dict[str, Any]] = {}
    for point in points_of(model, stamps):
        series = frozenset((name, point[name]) for name in model.kinds["task"].dimensions)
        found["task", series, point["measure"], from_datetime(point[TIME])] = point
    wanted = {cell for cell in with_ if cell[0] == "task" and cell[2] in MEASURES}
    assert found.keys() == wanted
    for cell, point in found.items():
        assert point["value"] == with_[cell]
        assert point["without_incidents"] == without[cell]
        assert point["affected"] == (with_[cell] != without[cell])


@pytest.mark.parametrize("name", EFFECTS)
def test_the_incidents_of_a_point_are_those_that_happen_to_it(name: str) -> None:
    model = msgspec.convert(document([EFFECTS[name]]), Model)
    stamps = range(START, START + 400 * STEP, STEP)
    labels = pair(model)[0].labels(stamps[0], stamps[-1] + 1)
    affected = 0
    for point in points_of(model, stamps):
        at = from_datetime(point[TIME])
        ids = [
            label.id
            for label in labels
            if label.place["group"] == point["group"] and label.start <= at < label.end
        ]
        assert point["incidents"] == (ids if point["affected"] else [])
        if point["affected"]:
            affected += 1
            assert ids
            assert point["measure"] in CHANGED.get(name, MEASURES)
    assert affected


def test_incidents_that_overlap_are_all_named_and_others_are_not() -> None:
    text = document([EFFECTS["spike"]])
    trouble = text["incidents"]["trouble"]
    text["incidents"]["double"] = {**trouble, "effects": [EFFECTS["multiply"]]}
    text["incidents"]["elsewhere"] = {
        **trouble,
        "effects": [{"kind": "task", "target": "rare", "add": "1"}],
    }
    model = msgspec.convert(text, Model)
    points = points_of(model, range(START, START + 2_000 * STEP, STEP), measures=["level"])
    kinds = {tuple(each.rpartition("-")[0] for each in point["incidents"]) for point in points}
    assert {(), ("trouble",), ("double",)} < kinds
    assert any(set(each) == {"trouble", "double"} for each in kinds)
    assert not any("elsewhere" in each for each in kinds)


def test_rows_are_those_of_the_telemetry() -> None:
    model = model_of([EFFECTS["driver"]], **LIFE)
    stamps = range(START, START + 200 * STEP, STEP)
    rows = points_of(model, stamps, measures=["level", "scaled"])
    batches = [b for b in pair(model)[0].batches(stamps) if b.schema.names[-1] != "load_now"]
    telemetry = pa.Table.from_batches(batches).to_pylist()
    assert [(p["name"], p[TIME], p["value"]) for p in rows[::2]] == [
        (row["name"], row[TIME], row["level"]) for row in telemetry
    ]
    assert [p["measure"] for p in rows[:4]] == ["level", "scaled"] * 2


def test_a_kind_with_an_interval_is_labelled_when_it_is_measured() -> None:
    text = document([EFFECTS["driver"]])
    text["kinds"]["group"]["interval"] = "5m"
    model = msgspec.convert(text, Model)
    stamps = range(START, START + 20 * STEP, STEP)
    points = points_of(model, stamps, "group", ["load_now"])
    assert len(points) == 2 * 4
    assert {from_datetime(point[TIME]) % (5 * STEP) for point in points} == {0}


def test_words_are_labelled_as_words() -> None:
    text = document([{"kind": "task", "target": "state", "drop": True}])
    state = {"law": "choice", "shares": {"GOOD": 0.5, "BAD": 0.5}}
    text["kinds"]["task"]["measures"].append({"name": "state", "type": "VARCHAR", "value": state})
    model = msgspec.convert(text, Model)
    points = points_of(model, range(START, START + 400 * STEP, STEP), measures=["state"])
    assert {point["value"] for point in points if point["affected"]} == {None}
    assert {point["without_incidents"] for point in points} == {"GOOD", "BAD"}
    with pytest.raises(ValueError, match="Numbers and words cannot be in one column"):
        points_of(model, range(START, START + STEP, STEP), measures=["state", "level"])
    with pytest.raises(ValueError, match="no measure 'x' of these series; choose from done, level"):
        points_of(model, range(START, START + STEP, STEP), measures=["x"])


@pytest.mark.parametrize(
    ("kind", "value", "convert"),
    [
        ("BOOLEAN", "level > 30", float),
        ("TIMESTAMP", "level", lambda moment: from_datetime(moment) / SECOND),
    ],
)
def test_truth_and_times_are_labelled_as_numbers(
    kind: str, value: str, convert: Callable[[Any], float]
) -> None:
    text = document([EFFECTS["spike"]])
    text["kinds"]["task"]["measures"].append({"name": "other", "type": kind, "value": value})
    model = msgspec.convert(text, Model)
    stamps = range(START, START + 400 * STEP, STEP)
    found = points_of(model, stamps, measures=["other"])
    with_, without = (cells(made, stamps) for made in pair(model))
    for name, values in (("value", with_), ("without_incidents", without)):
        expected = [convert(each) for cell, each in values.items() if cell[2] == "other"]
        assert [point[name] for point in found] == expected
    assert 0 < sum(point["affected"] for point in found) < len(found)


def test_an_effect_reaches_what_is_calculated_from_its_target() -> None:
    model = msgspec.convert(document([EFFECTS["spike"], EFFECTS["driver"]]), Model)
    effects = model.incidents["trouble"].effects
    assert reached_measures("task", model.kinds["task"], effects) == {"level", "scaled"}
    assert reached_measures("group", model.kinds["group"], effects) == {"load_now"}


def test_without_incidents_nothing_is_affected() -> None:
    model = msgspec.convert(document([EFFECTS["spike"]]), Model)
    calm = Generator(model, 3, step=STEP, parameters={"slots": 4}, incidents=IncidentChoice.OFF)
    made = PointLabels(calm, calm, "task", ["level"])
    found = pa.Table.from_batches(made.batches(range(START, START + 400 * STEP, STEP)), made.schema)
    assert found.num_rows == 8 * 400
    assert not any(found["affected"].to_pylist())
