"""A value does not depend on what else is in the model: not on other series, measures or order."""

import copy
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Disorder, Lateness, Shape
from fleetstream.generate.disorder import DisorderedBatches
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import from_datetime
from fleetstream.generate.schema import dimension_names, kind_of
from fleetstream.generate.signals import Signal
from tests.generate.models import Cell, cells, document, model_of
from tests.telemetry import SECOND, TIMESTAMP

Content = dict[str, Any]

OPTIONS: list[dict[str, Any]] = [
    {},
    {"missing_percent": 30},
    {"signal": Signal(Shape.SINE, 10, "h"), "missing_percent": 5},
]
STAMPS = [TIMESTAMP, TIMESTAMP + 61 * SECOND]
REGIONS = ["us-west-2", "eu-central-1"]
LAWS = st.sampled_from(
    [
        {"law": "uniform", "low": 0, "high": 9},
        {"law": "normal", "mean": 0, "sd": 2},
        {"law": "integer", "low": 1, "high": 6},
    ]
)
NAMES = st.text("abcdefgh_", min_size=1, max_size=6).map(lambda text: f"new_{text}")


@cache
def original(seed: int, option: int) -> dict[Cell, object]:
    return values(document(), seed, option, REGIONS)


def values(
    content: Content, seed: int, option: int, regions: list[str] | None = None
) -> dict[Cell, object]:
    include = {"region": regions} if regions else {}
    made = Generator(model_of(content), seed, include=include, **OPTIONS[option])
    return cells(made, STAMPS)


def level(content: Content, name: str) -> Content:
    found: Content = next(each for each in content["levels"] if each["name"] == name)
    return found


def change_measures(draw: st.DrawFn, content: Content) -> None:
    """Remove measures that no other refers to, add some, and put them in another order."""
    kind = content["kinds"][draw(st.sampled_from(sorted(content["kinds"])))]
    kind["measures"] = draw(st.permutations(kind["measures"]))
    texts = " ".join(each["value"] for each in kind["measures"] if isinstance(each["value"], str))
    free = [each for each in kind["measures"] if each["name"] not in texts]
    removable = [each for each in free if each["name"] not in content["overlay"]["missing"]]
    for gone in draw(st.lists(st.sampled_from(removable), max_size=3, unique_by=id)):
        kind["measures"].remove(gone)
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        place = draw(st.integers(0, len(kind["measures"])))
        new = {"name": name, "decimals": 3, "value": draw(LAWS)}
        kind["measures"].insert(place, new)


def change_variables(draw: st.DrawFn, content: Content) -> None:
    kind = content["kinds"]["metrics"]
    new = {"name": "new_variable", "fixed": draw(st.booleans()), "value": draw(LAWS)}
    kind["variables"] = draw(st.permutations([*kind["variables"], new]))


def change_regions(draw: st.DrawFn, content: Content) -> None:
    """Put regions in another order, remove some and add one; keep what is compared."""
    members = level(content, "region")["members"]
    others = [each for each in members if each["name"] not in REGIONS]
    kept = [each for each in members if each["name"] in REGIONS]
    kept += [each for each in others if draw(st.booleans())][:2]
    if draw(st.booleans()):
        kept.append({"name": "mars-1", "cells": 1, "silos_per_cell": 2})
    level(content, "region")["members"] = draw(st.permutations(kept))


def change_services(draw: st.DrawFn, content: Content) -> None:
    members = level(content, "microservice")["members"]
    for _ in range(draw(st.integers(0, 2))):
        members.pop(draw(st.integers(0, len(members) - 1)))
    if draw(st.booleans()):
        new = {"name": "hera", "processes": ["server", "agent"], "instances": 2}
        members.append(copy.deepcopy(members[0]) | new)
    level(content, "microservice")["members"] = draw(st.permutations(members))


def change_members(draw: st.DrawFn, content: Content) -> None:
    """Other numbers of cells, silos, instances and processes."""
    for region in level(content, "region")["members"]:
        if region["name"] in REGIONS:
            region["cells"] += draw(st.integers(0, 1))
            region["silos_per_cell"] += draw(st.integers(0, 1))
    for service in level(content, "microservice")["members"]:
        service["instances"] = max(service["instances"] + draw(st.integers(-1, 2)), 0)
        names = {*service["processes"], *draw(st.sets(st.sampled_from(["agent", "proxy"])))}
        service["processes"] = draw(st.permutations(sorted(names)))


def change_kinds(draw: st.DrawFn, content: Content) -> None:
    """Put kinds in another order, remove one or add one."""
    kinds = dict(draw(st.permutations(list(content["kinds"].items()))))
    if draw(st.booleans()):
        kinds["extra"] = copy.deepcopy(kinds["events"]) | {"noun": "others"}
    if draw(st.booleans()):
        del kinds["events"]
    content["kinds"] = kinds


def change_dimensions(draw: st.DrawFn, content: Content) -> None:
    for kind in content["kinds"].values():
        kind["dimensions"] = dict(draw(st.permutations(list(kind["dimensions"].items()))))


CHANGES = [
    change_measures,
    change_variables,
    change_regions,
    change_services,
    change_members,
    change_kinds,
    change_dimensions,
]


@st.composite
def changed_models(draw: st.DrawFn) -> Content:
    """The content of the sample fleet's file with one or more changes."""
    content = document()
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True)):
        change(draw, content)
    return content


@settings(max_examples=50)
@given(changed_models(), st.integers(0, 3), st.integers(0, len(OPTIONS) - 1))
def test_changes_of_a_model_change_no_other_value(content: Content, seed: int, option: int) -> None:
    found, wanted = values(content, seed, option, REGIONS), original(seed, option)
    common = found.keys() & wanted.keys()
    assert common
    assert {cell: found[cell] for cell in common} == {cell: wanted[cell] for cell in common}


def test_the_changes_keep_cells_to_compare() -> None:
    """Each change alone leaves cells that are in both models, and changes which there are."""
    content = document()
    content["kinds"]["metrics"]["measures"].reverse()
    content["kinds"]["metrics"]["measures"].append(
        {"name": "new", "value": {"law": "uniform", "low": 0, "high": 1}}
    )
    found, wanted = values(content, 1, 0, REGIONS), original(1, 0)
    assert wanted.keys() < found.keys()
    assert wanted.items() <= found.items()


def test_a_dimension_of_another_name_or_value_makes_another_series() -> None:
    """The identity includes names, so that exchanged values are not the same series."""
    content = document()
    dimensions = content["kinds"]["metrics"]["dimensions"]
    dimensions["os_version"], dimensions["instance_type"] = (
        dimensions["instance_type"],
        dimensions["os_version"],
    )
    found, wanted = (
        Generator(model_of(each), 1, include={"region": REGIONS}) for each in (content, document())
    )
    assert not {*found.tables["metrics"].identities} & {*wanted.tables["metrics"].identities}


Sent = tuple[int, str, frozenset[tuple[str, str]], int]
"""The sweep in which a measurement was sent, its kind, its dimensions and its timestamp."""


def sent(content: Content, seed: int, share_count: int = 1, **options: Any) -> set[Sent]:
    """When each measurement is sent; one that is sent twice has two entries."""
    model = model_of(content)
    made = Generator(model, seed, include={"region": REGIONS}, **options)
    disorder = Disorder(late=Lateness(20, 4 * SECOND), out_of_order=10, duplicate=15)
    found: dict[tuple[Any, ...], int] = {}
    result: set[Sent] = set()
    for number in range(share_count):
        source = DisorderedBatches(
            made, disorder, held=_ignore, released=_ignore, counted=lambda *_: None
        )
        chunks = made.share(number, share_count)
        for sweep in range(6):
            for batch in source.batches([TIMESTAMP + sweep * SECOND], chunks):
                kind, names = kind_of(batch.schema), dimension_names(batch.schema)
                for row in batch.to_pylist():
                    series = frozenset((name, row[name]) for name in names)
                    cell = (sweep, kind, series, from_datetime(row["time"]))
                    found[cell] = found.get(cell, 0) + 1
                    result.add((sweep, f"{kind} {found[cell]}", series, cell[3]))
    return result


def _ignore(_batch: object) -> None:
    pass


@cache
def originally_sent(seed: int) -> set[Sent]:
    return sent(document(), seed)


@settings(max_examples=25)
@given(changed_models(), st.integers(0, 2), st.integers(1, 4))
def test_disorder_depends_on_the_cell_alone(content: Content, seed: int, shares: int) -> None:
    """Other series, measures, shares and options change no fate, delay or duplicate."""
    found = sent(content, seed, shares, missing_percent=50)
    wanted = originally_sent(seed)
    kinds = {"metrics", "events"} & content["kinds"].keys()
    series = {each[2] for each in found} & {each[2] for each in wanted}

    def common(measurements: set[Sent]) -> set[Sent]:
        return {each for each in measurements if each[2] in series and each[1].split()[0] in kinds}

    assert common(found) == common(wanted)
    assert common(found)


def test_disorder_changes_with_the_seed() -> None:
    assert originally_sent(1) != originally_sent(2)
