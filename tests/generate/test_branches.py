"""Rows that are in two branches: hosts of services, which are in zones too."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fleetstream
from fleetstream.generate.choices import IncidentChoice, ScheduledIncident, Shard
from fleetstream.generate.generator import Generator
from fleetstream.model import Model
from fleetstream.model.loader import ModelFault
from tests.generate.models import Cell, cells
from tests.telemetry import SECOND

START = 1_793_577_600 * SECOND
MINUTE = 60 * SECOND
STAMPS = range(START, START + 60 * MINUTE, MINUTE)
NOISE = {"law": "smooth", "mean": 50.0, "sd": 5.0, "period": "5m"}
HOST = {"region": "{region}", "zone": "{zone}", "host": "{host}"}
LEVELS = [
    {"name": "region", "members": [{"name": "east"}, {"name": "west"}]},
    {"name": "zone", "count": "3", "label": "{region}-{zone.number}"},
    {"name": "service", "under": "region", "members": [{"name": "cart"}, {"name": "pay"}]},
    {
        "name": "host",
        "count": "5",
        "label": "{service}-{host.index}",
        "also_under": {"zone": "(host.index + service.index) % 3"},
    },
    {"name": "process", "count": "2", "label": "{host}-{process.index}"},
]


def kind(level: str, **dimensions: str) -> dict[str, Any]:
    measures = [{"name": "cpu", "decimals": 3, "value": NOISE}]
    return {"noun": level, "level": level, "dimensions": dimensions, "measures": measures}


def document(positions: str = "(host.index + service.index) % 3") -> dict[str, Any]:
    levels = [dict(each) for each in LEVELS]
    levels[3]["also_under"] = {"zone": positions}
    halved = [{"kind": name, "target": "cpu", "multiply": "0.5"} for name in ("host", "process")]
    spread = {"to": "siblings", "delay": "1m", "effects": [{**halved[0], "multiply": "1.5"}]}
    return {
        "name": "zones",
        "shard_level": "host",
        "levels": levels,
        "incidents": {
            "zone-outage": {"level": "zone", "effects": halved, "spreads": [spread]},
            "host-outage": {"level": "host", "effects": halved},
        },
        "kinds": {
            "host": kind("host", **HOST),
            "process": kind("process", **HOST, process="{process}"),
            "service": kind("service", region="{region}", service="{service}"),
        },
    }


def made(**options: Any) -> Generator:
    return Generator(msgspec.convert(document(), Model), 5, step=MINUTE, **options)


def outage(name: str = "zone-outage", **place: str) -> ScheduledIncident:
    return ScheduledIncident(name, place, START + 10 * MINUTE, 20 * MINUTE, 1.0)


def changed(incident: ScheduledIncident) -> dict[Cell, float]:
    """By how much the values differ from those without incidents, as a factor."""
    calm = cells(made(incidents=IncidentChoice.OFF), STAMPS)
    real = cells(made(scheduled=[incident]), STAMPS)
    return {
        cell: float(value) / float(calm[cell])  # type: ignore[arg-type]
        for cell, value in real.items()
        if value != calm[cell]
    }


def test_an_outage_is_felt_by_the_hosts_of_the_zone_and_taken_over_by_the_others() -> None:
    found = changed(outage(zone="east-2"))
    (root, *others) = made(scheduled=[outage(zone="east-2")]).labels(STAMPS.start, STAMPS.stop)
    assert root.place == {"region": "east", "zone": "east-2"}
    assert {label.place["zone"] for label in others} == {"east-1", "east-3"}
    assert {label.root for label in others} == {root.id}
    hosts = [dict(where) for name, where, _, _ in cells(made()) if name == "host"]
    zones = {each["zone"]: sum(one["zone"] == each["zone"] for one in hosts) for each in hosts}
    assert sum(zones.values()) == 20
    assert zones["east-2"] > 0
    down = {cell for cell, factor in found.items() if factor < 1}
    up = found.keys() - down
    assert {dict(where)["zone"] for _, where, _, _ in down} == {"east-2"}
    assert {dict(where)["zone"] for _, where, _, _ in up} == {"east-1", "east-3"}
    assert len(down) == zones["east-2"] * 3 * 20  # hosts and their two processes
    assert len(up) == (zones["east-1"] + zones["east-3"]) * 20
    assert {(stamp - START) // MINUTE for *_, stamp in down} == set(range(10, 30))
    assert {(stamp - START) // MINUTE for *_, stamp in up} == set(range(11, 31))


def test_incidents_of_hosts_can_be_placed_by_zone() -> None:
    found = changed(outage("host-outage", zone="west-1", service="pay"))
    assert {(dict(where)["zone"], dict(where)["host"][:3]) for _, where, _, _ in found} == {
        ("west-1", "pay")
    }


@given(
    st.sampled_from(
        [{}, {"zone": ["east-1", "west-3"]}, {"region": ["east"]}, {"host": ["pay-1"]}]
    ),
    st.sampled_from([{}, {"zone": ["east-1"]}]),
    st.integers(1, 3),
)
def test_filters_and_shards_keep_values_and_leave_out_what_is_in_a_zone_that_is_left_out(
    include: dict[str, list[str]], exclude: dict[str, list[str]], shards: int
) -> None:
    scheduled = [outage(zone="east-2"), outage(zone="west-3")]
    stamps = STAMPS[20:21]

    def kept(cell: Cell) -> bool:
        where = dict(cell[1])
        return all(where[name] in values for name, values in include.items() if name in where) and (
            all(where[name] not in values for name, values in exclude.items() if name in where)
        )

    whole = cells(made(scheduled=scheduled), stamps)
    wanted = {cell: value for cell, value in whole.items() if kept(cell)}
    hosts = sum(cell[0] == "host" for cell in wanted)
    if hosts < shards:
        return
    found: dict[Cell, object] = {}
    for number in range(1, shards + 1):
        part = made(
            include=include,
            exclude=exclude,
            shard=Shard(number, shards) if shards > 1 else None,
            scheduled=scheduled,
        )
        cells_of_part = cells(part, stamps)
        assert not found.keys() & cells_of_part.keys()
        found |= cells_of_part
    assert found == wanted


@pytest.mark.parametrize("positions", ["host.index", "host.index % 3 - 1"])
def test_a_position_that_no_row_has_is_refused(positions: str) -> None:
    model = msgspec.convert(document(positions), Model)
    with pytest.raises(ModelFault, match="there are 3 rows of the level 'zone'") as raised:
        Generator(model, 5)
    assert raised.value.path == ("levels", 3, "also_under", "zone")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"rack": "0"}, "is also under 'rack', but no level of that name is listed before it"),
        ({"region": "0"}, "is also under 'region', which it is below already"),
        ({"zone": "zones"}, "'zones' refers to 'zones', which is not an integer of the model"),
    ],
)
def test_what_a_level_cannot_be_under_is_said(others: dict[str, str], message: str) -> None:
    content = document()
    content["levels"][3]["also_under"] = others
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(content, Model)


def test_the_level_above_the_other_must_be_above_too() -> None:
    content = document()
    content["levels"].append(
        {"name": "rack", "under": "region", "count": "1", "label": "r", "also_under": {"host": "0"}}
    )
    with pytest.raises(msgspec.ValidationError, match="whose level above, 'service', is not above"):
        msgspec.convert(content, Model)


def test_pods_follow_their_nodes_and_these_their_zones() -> None:
    """In ``kubernetes``, a pod is below the zone that its node is in."""
    cluster = {"model": "kubernetes", "start": "2026-11-02"}
    nodes = fleetstream.series("node", **cluster).to_pylist()
    zone_of = {row["node"]: row["zone"] for row in nodes}
    pods = fleetstream.series("pod", **cluster).to_pylist()
    assert all(row["zone"] == zone_of[row["node"]] for row in pods)
    some = fleetstream.series("pod", include={"zone": ["zone-b"]}, **cluster).to_pylist()
    assert some == [row for row in pods if row["zone"] == "zone-b"]
    one = fleetstream.series("pod", include={"node": [nodes[3]["node"]]}, **cluster).to_pylist()
    assert one == [row for row in pods if row["node"] == nodes[3]["node"]]
