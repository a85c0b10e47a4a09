"""Scheduled incidents, and incidents that spread: labels are exactly where values differ."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import IncidentChoice, ScheduledIncident, Shard
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Direction, Label
from fleetstream.generate.moments import to_datetime
from fleetstream.model import Model
from tests.generate.models import Cell, cells
from tests.telemetry import SECOND

START = 1_793_577_600 * SECOND
"""2026-11-02, a Monday."""

MINUTE = 60 * SECOND
EARLIER = START - 24 * 60 * MINUTE
STAMPS = range(START, START + 120 * MINUTE, MINUTE)
SERVICES = ["front", "search", "cart", "pay", "bank"]


def document(**incident: Any) -> dict[str, Any]:
    """Services in two regions: front needs search and cart, cart needs pay, pay needs bank."""
    noise = {"law": "smooth", "mean": 50.0, "sd": 5.0, "period": "5m"}
    slow = {
        "level": "service",
        "effects": [{"kind": "service", "target": "latency", "add": "100 * severity"}],
        **incident,
    }
    return {
        "name": "services",
        "shard_level": "instance",
        "levels": [
            {"name": "region", "members": [{"name": "east"}, {"name": "west"}]},
            {"name": "service", "members": [{"name": name} for name in SERVICES]},
            {"name": "instance", "count": "3", "label": "{service}-{instance.index}"},
        ],
        "dependencies": {
            "service": {"front": ["search", "cart"], "cart": ["pay"], "pay": ["bank"]}
        },
        "incidents": {"slow": slow},
        "kinds": {
            "service": {
                "noun": "services",
                "level": "service",
                "dimensions": {"region": "{region}", "service": "{service}"},
                "measures": [
                    {"name": "latency", "decimals": 3, "value": noise},
                    {"name": "calm", "decimals": 3, "value": noise},
                ],
            },
            "instance": {
                "noun": "instances",
                "level": "instance",
                "dimensions": {"region": "{region}", "instance": "{instance}"},
                "measures": [{"name": "cpu", "decimals": 3, "value": noise}],
            },
        },
    }


DRAWN = {"every": "4h", "shortest": "10m", "longest": "1h"}
TO_DEPENDENTS = {"to": "dependents", "delay": "90s", "attenuation": 0.5, "hops": 3}
ON_INSTANCES = {"kind": "instance", "target": "cpu", "multiply": "1 - 0.5 * severity"}
TO_SIBLINGS = {"to": "siblings", "delay": "1m", "attenuation": 0.25, "effects": [ON_INSTANCES]}


def made(text: dict[str, Any], seed: int = 5, **options: Any) -> Generator:
    return Generator(msgspec.convert(text, Model), seed, step=MINUTE, **options)


def at(minutes: int, long: int, severity: float | None = 0.8, **place: str) -> ScheduledIncident:
    return ScheduledIncident("slow", place, START + minutes * MINUTE, long * MINUTE, severity)


def different(text: dict[str, Any], **options: Any) -> set[Cell]:
    """The cells whose values differ from those without incidents."""
    options.pop("incidents", None)
    calm = cells(made(text, incidents=IncidentChoice.OFF, **options), STAMPS)
    real = cells(made(text, **options), STAMPS)
    assert calm.keys() == real.keys()
    return {cell for cell, value in real.items() if value != calm[cell]}


def labelled(text: dict[str, Any], labels: list[Label]) -> set[Cell]:
    """The cells that labels say are affected."""
    found = set()
    for kind, dimensions, measure, stamp in cells(made(text), STAMPS):
        where = dict(dimensions)
        service = where.get("service") or where["instance"].partition("-")[0]
        for label in labels:
            place = {"region": where["region"], "service": service}
            touched = [each.partition(" ")[2] for each in label.effects]
            if (
                label.start <= stamp < label.end
                and label.place == place
                and f"{kind}.{measure}" in touched
            ):
                found.add((kind, dimensions, measure, stamp))
    return found


def test_a_scheduled_incident_is_at_its_place_and_time_only() -> None:
    text = document()
    scheduled = (at(10, 30, region="east", service="cart"), at(60, 5, 0.25, service="bank"))
    generator = made(text, scheduled=scheduled)
    labels = generator.labels(STAMPS.start, STAMPS.stop)
    assert [(dict(x.place), x.start, x.end, x.severity) for x in labels] == [
        ({"region": "east", "service": "cart"}, START + 10 * MINUTE, START + 40 * MINUTE, 0.8),
        *(
            ({"region": region, "service": "bank"}, START + 60 * MINUTE, START + 65 * MINUTE, 0.25)
            for region in sorted(["east", "west"], key=lambda name: order(labels, name))
        ),
    ]
    assert len({label.id for label in labels}) == 3
    assert all(label.root == label.id and label.parent is None for label in labels)
    assert all(label.cause == label.place for label in labels)
    found = different(text, scheduled=scheduled)
    assert len(found) == 30 + 2 * 5
    assert found == labelled(text, labels)


def order(labels: list[Label], region: str) -> int:
    return [label.place["region"] for label in labels[1:]].index(region)


def test_a_model_file_can_schedule_too_and_the_same_twice_is_one() -> None:
    start = to_datetime(START + 10 * MINUTE)
    schedule = {"start": start, "for": "20m", "place": {"service": "pay"}, "severity": 0.5}
    text = document(scheduled=[schedule, schedule], **DRAWN)
    only = made(text, incidents=IncidentChoice.SCHEDULED)
    labels = only.labels(STAMPS.start, STAMPS.stop)
    assert len(labels) == 2
    assert {x.place["service"] for x in labels} == {"pay"}
    again = made(
        text, incidents=IncidentChoice.SCHEDULED, scheduled=[at(10, 20, 0.5, service="pay")]
    )
    assert again.labels(STAMPS.start, STAMPS.stop) == labels
    everything = made(text).labels(STAMPS.start, STAMPS.stop)
    assert {x.id for x in labels} < {x.id for x in everything}
    naive = {**schedule, "start": datetime(2026, 11, 2, 0, 10)}  # noqa: DTZ001 - as TOML has it
    assert made(document(scheduled=[naive])).labels(STAMPS.start, STAMPS.stop) == labels
    assert start.tzinfo is UTC


def test_an_incident_may_be_limited_to_some_rows() -> None:
    only = {"service": ["cart", "pay"], "region": ["east"]}
    limited = made(document(only=only, **DRAWN)).labels(EARLIER, STAMPS.stop)
    free = made(document(**DRAWN)).labels(EARLIER, STAMPS.stop)
    assert limited
    assert limited == [
        x for x in free if x.place["region"] == "east" and x.place["service"] in ("cart", "pay")
    ]


def test_a_cascade_reaches_all_that_depend_on_the_cause() -> None:
    text = document(spreads=[TO_DEPENDENTS])
    scheduled = [at(10, 30, region="east", service="bank")]
    labels = made(text, scheduled=scheduled).labels(STAMPS.start, STAMPS.stop)
    root, pay, cart, front = labels
    assert [x.place["service"] for x in labels] == ["bank", "pay", "cart", "front"]
    assert [(x.start - root.start, x.end - root.end) for x in labels] == [
        (hop * 90 * SECOND, hop * 90 * SECOND) for hop in range(4)
    ]
    assert [x.severity for x in labels] == [0.8, 0.4, 0.2, 0.1]
    assert [x.parent for x in labels] == [None, root.id, pay.id, cart.id]
    assert {x.root for x in labels} == {root.id}
    assert all(x.cause == root.place for x in labels)
    assert len({x.id for x in (root, pay, cart, front)}) == 4
    assert different(text, scheduled=scheduled) == labelled(text, labels)


def test_an_incident_spreads_to_siblings_with_effects_of_their_own() -> None:
    text = document(spreads=[TO_SIBLINGS])
    scheduled = [at(10, 30, region="west", service="cart")]
    root, *others = made(text, scheduled=scheduled).labels(STAMPS.start, STAMPS.stop)
    assert root.directions == (Direction.UP,)
    assert {x.place["service"] for x in others} == set(SERVICES) - {"cart"}
    assert {x.place["region"] for x in others} == {"west"}
    assert {x.effects for x in others} == {("multiply instance.cpu",)}
    assert {x.directions for x in others} == {(Direction.DOWN,)}
    assert {(x.parent, x.severity) for x in others} == {(root.id, 0.2)}
    assert different(text, scheduled=scheduled) == labelled(text, [root, *others])


BOTH = document(spreads=[TO_DEPENDENTS, TO_SIBLINGS, {"to": "dependencies"}], **DRAWN)
OVERLAPPING = (
    at(10, 30, service="cart"),
    at(20, 30, 0.3, service="cart"),
    at(15, 45, 0.7, region="east"),
    at(15, 45, 0.7, region="west"),
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_overlaps_and_spreads_is_labelled_exactly(seed: int) -> None:
    labels = made(BOTH, seed, scheduled=OVERLAPPING).labels(STAMPS.start, STAMPS.stop)
    found = different(BOTH, seed=seed, scheduled=OVERLAPPING)
    assert found == labelled(BOTH, labels)
    ids = [label.id for label in labels]
    assert len(set(ids)) == len(ids)
    wide = {x.id for x in made(BOTH, seed, scheduled=OVERLAPPING).labels(EARLIER, STAMPS.stop)}
    assert {x.parent for x in labels} - {None} <= wide
    assert {x.root for x in labels} <= wide


@settings(max_examples=20)
@given(st.data())
def test_every_part_of_a_fleet_and_of_time_has_the_same_values(data: st.DataObject) -> None:
    whole = _whole()
    include = data.draw(st.sampled_from([{}, {"region": ["west"]}, {"service": ["front", "cart"]}]))
    shard = data.draw(st.none() | st.builds(Shard, st.integers(1, 2), st.just(2)))
    first = data.draw(st.integers(0, len(STAMPS) - 1))
    stamps = STAMPS[first : first + data.draw(st.integers(1, 20))]
    part = made(BOTH, include=include, shard=shard, scheduled=OVERLAPPING)
    found = cells(part, stamps)
    assert found
    assert found.items() <= whole.items()
    labels = part.labels(stamps[0], stamps[-1] + 1)
    everything = made(BOTH, scheduled=OVERLAPPING).labels(stamps[0], stamps[-1] + 1)
    known = {x.id: (x.place, x.start, x.end, x.parent, x.cause) for x in everything}
    assert all(known[x.id] == (x.place, x.start, x.end, x.parent, x.cause) for x in labels)
    if not include:
        assert labels == everything


_WHOLE: dict[Cell, object] = {}


def _whole() -> dict[Cell, object]:
    if not _WHOLE:
        _WHOLE.update(cells(made(BOTH, scheduled=OVERLAPPING), STAMPS))
    return _WHOLE


@pytest.mark.parametrize(
    ("scheduled", "sentence"),
    [
        (ScheduledIncident("slo", {}, START, 1), "has no incident 'slo'; did you mean 'slow'?"),
        (at(1, 1, servce="cart"), "has no place by 'servce'; did you mean 'service'?"),
        (at(1, 1, instance="cart-0"), "has no place by 'instance'"),
        (at(1, 1, service="card"), "There is no service 'card'; did you mean 'cart'?"),
        (at(1, 1, region="north"), "There is no region 'north'"),
    ],
)
def test_what_cannot_be_scheduled(scheduled: ScheduledIncident, sentence: str) -> None:
    for text in (document(), document(spreads=[TO_DEPENDENTS])):
        with pytest.raises(ValueError) as caught:
            made(text, scheduled=[scheduled])
        assert sentence in str(caught.value)


TOP = datetime(2026, 11, 2, tzinfo=UTC)

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "some times": ({"every": "1d"}, "every, shortest and longest, or none"),
    "place": (
        {"scheduled": [{"start": TOP, "for": "1m", "place": {"x": "y"}}]},
        "scheduled for a place with 'x', but a place of this incident has region, service",
    ),
    "only": ({"only": {"x": ["y"]}}, "limited to a place with 'x', but a place of this incident"),
    "only whom": ({"only": {"service": ["card"]}}, "limited to 'card', which is not a member"),
    "hops": ({"spreads": [{"to": "siblings", "hops": 2}]}, "all siblings are one hop away"),
    "shards": (
        {
            "level": "instance",
            "effects": [ON_INSTANCES],
            "spreads": [{"to": "siblings"}],
        },
        "must happen at a level above 'instance'",
    ),
    "no dependencies": (
        {"level": "region", "spreads": [{"to": "dependents"}]},
        "along the dependencies of 'region', but the level has none",
    ),
    "effect": (
        {"spreads": [{"to": "siblings", "effects": [{"kind": "x", "drop": True}]}]},
        "no such kind",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_schedule_or_spread(case: str) -> None:
    change, sentence = BAD[case]
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(document(**change), Model)


@pytest.mark.parametrize(
    ("dependencies", "sentence"),
    [
        ({"servise": {}}, "dependencies has 'servise', but there is no such level"),
        ({"instance": {}}, "only levels whose members are listed"),
        ({"service": {"front": ["card"]}}, "dependencies.service has 'card'"),
        ({"service": {"frond": ["cart"]}}, "dependencies.service has 'frond'"),
    ],
)
def test_bad_dependencies(dependencies: dict[str, Any], sentence: str) -> None:
    text = document() | {"dependencies": dependencies}
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(text, Model)


def test_a_place_in_a_model_file_that_does_not_exist() -> None:
    text = document(scheduled=[{"start": TOP, "for": "1m", "place": {"service": "card"}}])
    with pytest.raises(ValueError, match="There is no service 'card'"):
        made(text)
    assert made(text, include={"region": ["east"]}).labels(0, STAMPS.stop) == []
