"""Incidents: labels are exactly where values differ from those without incidents."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Label
from fleetstream.model import Model, load_model
from tests.generate.living import LIFE, START, content
from tests.generate.models import Cell, cells
from tests.telemetry import SECOND

STEP = 60 * SECOND
DAY = 86_400 * SECOND

EFFECTS: dict[str, dict[str, Any]] = {
    "spike": {"kind": "task", "target": "level", "add": "50 * severity"},
    "multiply": {"kind": "task", "target": "level", "multiply": "2 + severity"},
    "trend": {"kind": "task", "target": "level", "add": "0.5 + elapsed * severity"},
    "flat line": {"kind": "task", "target": "level", "replace": "-123"},
    "wave": {"kind": "task", "target": "level", "add": "9 + 3 * sin(elapsed / 30)"},
    "stuck": {"kind": "task", "target": "level", "delay": "elapsed"},
    "other times": {"kind": "task", "target": "level", "delay": "-3600 * severity"},
    "stuck counter": {"kind": "task", "target": "done", "delay": "elapsed"},
    "wrong clock": {"kind": "task", "delay": "60 + 300 * severity"},
    "other load": {"driver": "load", "delay": "43200 - elapsed"},
    "gap": {"kind": "task", "target": "level", "drop": True},
    "silence": {"kind": "task", "drop": True},
    "driver": {"driver": "load", "multiply": "3 + severity"},
}

CHANGED = {
    "spike": {"level", "scaled"},
    "multiply": {"level", "scaled"},
    "trend": {"level", "scaled"},
    "flat line": {"level", "scaled"},
    "wave": {"level", "scaled"},
    "stuck": {"level", "scaled"},
    "other times": {"level", "scaled"},
    "stuck counter": {"done"},
    "other load": {"scaled", "load_now"},
    "gap": {"level"},
    "driver": {"scaled", "load_now"},
}
"""The measures that each effect changes; silence and a wrong clock change all."""


def document(effects: list[dict[str, Any]], level: str = "group", **other: Any) -> dict[str, Any]:
    model = content()
    model["kinds"]["task"]["measures"][3].pop("minimum")
    for kind in model["kinds"].values():
        kind.pop("interval", None)
    incident = {"level": level, "every": "8h", "shortest": "10m", "longest": "2h", **other}
    model["incidents"] = {"trouble": {**incident, "effects": effects}}
    return model


def pair(model: Model, seed: int = 3) -> tuple[Generator, Generator]:
    """The generator with and without incidents."""
    return (
        Generator(model, seed, step=STEP, parameters={"slots": 4}),
        Generator(model, seed, step=STEP, parameters={"slots": 4}, incidents=IncidentChoice.OFF),
    )


def covered(label: Label, cell: Cell, group_of: dict[str, str]) -> bool:
    _, dimensions, _, stamp = cell
    group = dict(dimensions)["group"]
    return label.place["group"] == group and label.start <= stamp < label.end


@pytest.mark.parametrize("name", EFFECTS)
def test_values_differ_exactly_where_a_label_says_so(name: str) -> None:
    model = msgspec.convert(document([EFFECTS[name]]), Model)
    end = START + DAY // 2
    stamps = range(START, end, STEP)
    with_, without = (cells(made, stamps) for made in pair(model))
    labels = pair(model)[0].labels(START, end)
    assert labels
    assert with_.keys() == without.keys()
    different = {cell for cell, value in with_.items() if value != without[cell]}
    measures = CHANGED.get(name, {cell[2] for cell in without if cell[0] == "task"})
    expected = {
        cell
        for cell, value in without.items()
        if cell[2] in measures
        and value is not None
        and any(covered(label, cell, {}) for label in labels)
    }
    same = expected - different
    assert different <= expected
    # Two moments may happen to have the same value.
    assert len(same) <= (len(expected) // 200 if "delay" in EFFECTS[name] else 0)


def test_a_delay_gives_the_values_of_another_time_without_incidents() -> None:
    delay = {"kind": "task", "delay": "600"}
    add = {"kind": "task", "target": "level", "add": "1000"}
    text = document([delay])
    # What another incident does at the other time is not seen, and what it does now comes on top.
    often = {"every": "4h", "shortest": "50m", "longest": "1h", "effects": [add]}
    text["incidents"]["more"] = text["incidents"]["trouble"] | often
    made, plain = pair(msgspec.convert(text, Model))
    stamps = range(START, START + DAY // 2, STEP)
    found, calm = cells(made, stamps), cells(plain, range(START - 10 * STEP, stamps.stop, STEP))
    labels = made.labels(stamps.start, stamps.stop)
    late = [label for label in labels if label.incident == "trouble"]
    more = [label for label in labels if label.incident == "more"]
    assert late
    seen = set()
    for cell, value in found.items():
        *name, measure, stamp = cell
        if cell[0] == "task" and any(covered(label, cell, {}) for label in late):
            earlier = calm[(*name, measure, stamp - 10 * STEP)]  # type: ignore[index]
            on_top = measure == "level" and any(covered(label, cell, {}) for label in more)
            if value is not None and earlier is not None:
                assert value == pytest.approx(earlier + 1000 * on_top, abs=1e-9)
                seen.add((measure, on_top))
    assert {("done", False), ("level", False), ("level", True), ("age_now", False)} <= seen


@settings(max_examples=15)
@given(st.integers(0, 5_000), st.integers(1, 600))
def test_labels_of_any_stretch_are_those_of_a_longer_one(first: int, length: int) -> None:
    made, _ = pair(msgspec.convert(document([EFFECTS["spike"]]), Model))
    begin, end = START + first * STEP, START + (first + length) * STEP
    wide = made.labels(begin - DAY, end + DAY)
    assert made.labels(begin, end) == [x for x in wide if x.start < end and x.end > begin]


def test_how_often_and_how_long() -> None:
    model = msgspec.convert(document([EFFECTS["spike"]], level="slot", mildest=0.4), Model)
    made = Generator(model, 3, parameters={"slots": 200})
    labels = made.labels(START, START + 20 * DAY)
    assert len(labels) == pytest.approx(400 * 20 * 3, rel=0.05)
    spans = np.array([label.end - label.start for label in labels]) / (60 * SECOND)
    assert spans.max() <= 120
    assert np.mean(spans >= 10) > 0.9  # others are cut short by the next
    severities = np.array([label.severity for label in labels])
    assert severities.min() >= 0.4
    assert severities.max() <= 1
    assert severities.mean() == pytest.approx(0.7, abs=0.01)
    assert len({label.id for label in labels}) == len(labels)


def test_incidents_that_overlap_combine_and_each_keeps_its_label() -> None:
    one, two = EFFECTS["spike"], {"kind": "task", "target": "level", "multiply": "2"}
    text = document([one])
    text["incidents"]["other"] = {**text["incidents"]["trouble"], "effects": [two]}
    made, plain = pair(msgspec.convert(text, Model))
    labels = made.labels(START, START + 5 * DAY)
    assert {label.incident for label in labels} == {"trouble", "other"}
    by_name = {name: [x for x in labels if x.incident == name] for name in ("trouble", "other")}
    both = next(
        (a, b)
        for a in by_name["trouble"]
        for b in by_name["other"]
        if a.place == b.place and max(a.start, b.start) + STEP < min(a.end, b.end)
    )
    stamp = (max(each.start for each in both) // STEP + 1) * STEP
    with_, without = (cells(each, [stamp]) for each in (made, plain))
    for cell, value in without.items():
        if cell[2] == "level" and covered(both[0], cell, {}):
            assert isinstance(value, float)
            found = with_[cell]
            assert found == pytest.approx((value + 50 * both[0].severity) * 2, abs=0.01)


def test_timestamps_alone_and_together_give_the_same_under_incidents() -> None:
    kinds = ("spike", "driver", "stuck", "stuck counter", "other load")
    text = document([EFFECTS[name] for name in kinds])
    text["levels"][1]["life"] = LIFE
    made, _ = pair(msgspec.convert(text, Model))
    stamps = range(START, START + DAY // 8, 5 * STEP)
    alone: dict[Cell, object] = {}
    for stamp in stamps:
        alone |= cells(made, [stamp])
    assert cells(made, stamps) == alone


def test_the_web_shop_has_all_its_incidents() -> None:
    model = load_model("web-shop")
    labels = Generator(model, 7).labels(START, START + 120 * DAY)
    assert {label.incident for label in labels} == set(model.incidents)
    surge = next(label for label in labels if label.incident == "traffic-surge")
    assert surge.place.keys() == {"region"}
    assert surge.effects == ("multiply load",)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "level": ({"level": "nowhere"}, "the level of the incident 'trouble' is 'nowhere'"),
    "too long": ({"longest": "3h"}, "must last at most a quarter of 8h"),
    "backwards": ({"mildest": 0.9, "worst": 0.1}, "mildest must not be above worst"),
    "no effect": ({"effects": []}, "an incident needs at least one effect"),
    "kind": ({"effects": [{"kind": "x", "drop": True}]}, "no such kind"),
    "target": ({"effects": [{"kind": "task", "target": "x", "add": "1"}]}, "no such value"),
    "driver": ({"effects": [{"driver": "x", "add": "1"}]}, "no such driver"),
    "counter": (
        {"effects": [{"kind": "task", "target": "done", "add": "1"}]},
        "dropped or delayed",
    ),
    "name": ({"effects": [{"driver": "load", "add": "load"}]}, "an effect refers to 'load'"),
    "two": ({"effects": [{"driver": "load", "add": "1", "multiply": "2"}]}, "exactly one of"),
    "neither": ({"effects": [{"add": "1"}]}, "either a driver or a kind"),
    "above": (
        {"level": "slot", "effects": [{"kind": "group", "drop": True}]},
        "not above the kind 'group'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_incident(case: str) -> None:
    change, sentence = BAD[case]
    text = document([EFFECTS["spike"]])
    text["incidents"]["trouble"].update(change)
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(text, Model)


@pytest.mark.parametrize("life", [{}, LIFE], ids=["forever", "with lives"])
def test_delays_are_the_same_however_many_series_are_computed_together(
    life: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sweep by sweep with what is remembered between sweeps, each alone, and all in one batch."""
    names = ("stuck", "other times", "stuck counter", "wrong clock", "other load")
    text = document([EFFECTS[name] for name in names], level="slot", every="3h", longest="40m")
    text["incidents"]["more"] = {**text["incidents"]["trouble"], "effects": [EFFECTS["stuck"]]}
    text["levels"][1]["life"] = life
    model = msgspec.convert(text, Model)
    stamps = range(START, START + 90 * STEP, STEP)

    def made() -> Generator:
        return Generator(model, 3, step=STEP, parameters={"slots": 12})

    labels = made().labels(stamps.start, stamps.stop)
    assert len({label.severity for label in labels}) > 10
    together = cells(made(), stamps)
    live = made()
    assert {cell: value for one in stamps for cell, value in cells(live, [one]).items()} == together
    for size in (1, 100):
        monkeypatch.setattr("fleetstream.generate.incidents.TOGETHER", size)
        assert cells(made(), stamps) == together
    assert cells(made(), stamps[::-1]) == together
