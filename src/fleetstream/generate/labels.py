"""Labels: what happened where and when, exactly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fleetstream.generate.incidents import IncidentRows
from fleetstream.generate.keys import mix, name_key
from fleetstream.generate.topology import Topology


@dataclass(frozen=True, slots=True)
class Label:
    """An incident: its ``incident`` is the name of its kind in the model.

    ``row`` is the row of the incident's level that it happened to; ``place`` has the text of that
    row and of those above it, by level. ``start`` and ``end`` are in microseconds; ``end`` is the
    first moment that is not affected. ``effects`` are what it did to which values, such as
    ``multiply service.latency_p50``.
    """

    id: str
    incident: str
    row: int
    place: Mapping[str, str]
    start: int
    end: int
    severity: float
    effects: tuple[str, ...]
    description: str


def labels_of(rows: IncidentRows, topology: Topology, begin: int, end: int) -> Iterator[Label]:
    """The labels of one kind of incident that affect a stretch of time, in microseconds."""
    incident = rows.incident
    found = rows.between(begin, end)
    effects = tuple(
        f"{each.operation} {each.driver or each.kind}" + (f".{each.target}" if each.target else "")
        for each in incident.effects
    )
    places = topology.places(incident.level, found.rows.astype(np.int32))
    numbers = mix(rows.keys[found.rows] + mix(found.cells.astype(np.uint64)) + name_key(rows.name))
    for number, place in enumerate(places):
        yield Label(
            id=f"{rows.name}-{int(numbers[number]):016x}",
            incident=rows.name,
            row=int(found.rows[number]),
            place=place,
            start=int(found.starts[number]),
            end=int(found.ends[number]),
            severity=float(found.severities[number]),
            effects=effects,
            description=incident.description,
        )
