"""Labels: what happened where and when, exactly."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fleetstream.generate.keys import Bits, mix, name_key
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.occurrences import IncidentRows, IncidentSource, Occurrences, Places
from fleetstream.generate.spread import SpreadRows
from fleetstream.generate.topology import Topology
from fleetstream.model.incidents import Effect

MOMENTS = 101
"""Moments of an incident, at equal distances, at which the direction of an effect is looked at."""


class Direction(StrEnum):
    """Where an effect moves values, of which a factor is taken to apply to positive ones."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"
    REPLACED = "replaced"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Label:
    """An incident at a place: its ``incident`` is the name of its kind in the model.

    ``row`` is the row of the incident's level that it affects; ``place`` has the text of that row
    and of those above it, by level. ``start`` and ``end`` are in microseconds; ``end`` is the first
    moment that is not affected. ``effects`` are what it does to which values, such as
    ``multiply service.latency_p50``, and ``directions`` where each of them moves the values.

    An incident that has spread from another place has the identifier of the label it came from
    directly as its ``parent``; its ``root`` is the identifier of the label where it began, its
    ``cause`` the place of that, and ``spread`` tells which of the incident's spreads it is.
    Otherwise these are None, its own identifier, its own place, and None.
    """

    id: str
    incident: str
    row: int
    place: Mapping[str, str]
    start: int
    end: int
    severity: float
    effects: tuple[str, ...]
    directions: tuple[Direction, ...]
    parent: str | None
    root: str
    cause: Mapping[str, str]
    spread: int | None
    description: str


def labels_of(source: IncidentSource, topology: Topology, begin: int, end: int) -> Iterator[Label]:
    """The labels of a source that affect a stretch of time, in microseconds."""
    level, found = source.incident.level, source.between(begin, end)
    if not len(found):
        return
    places = topology.places(level, found.rows.astype(np.int32))
    if isinstance(source, SpreadRows):
        assert found.causes is not None
        ids, parents, roots = _spread_ids(source, found)
        causes = source.whole.places(level, found.causes.astype(np.int32))
    else:
        assert isinstance(source, IncidentRows)
        ids = roots = _texts(source.name, _numbers(source, found.rows, found.tokens))
        parents, causes = [None] * len(found), places
    effects = tuple(map(_described, source.effects))
    for number in range(len(found)):
        start, stop = int(found.starts[number]), int(found.ends[number])
        severity = float(found.severities[number])
        yield Label(
            id=ids[number],
            incident=source.name,
            row=int(found.rows[number]),
            place=places[number],
            start=start,
            end=stop,
            severity=severity,
            effects=effects,
            directions=tuple(
                _direction(effect, severity, (stop - start) / MICROSECONDS)
                for effect in source.effects
            ),
            parent=parents[number],
            root=roots[number],
            cause=causes[number],
            spread=source.place if isinstance(source, SpreadRows) else None,
            description=source.incident.description,
        )


def _numbers(source: IncidentRows, rows: Places, tokens: Bits) -> Bits:
    """What identifies the incidents at rows."""
    return mix(source.keys[rows] + tokens + name_key(source.name))


def _spread_ids(
    source: SpreadRows, found: Occurrences
) -> tuple[list[str], list[str | None], list[str]]:
    """The identifiers of incidents that have spread, of where they come from, and of their roots.

    That of a spread incident is a hash of its row and of its root.
    """
    assert found.causes is not None
    assert found.steps is not None
    roots = _numbers(source.causes, found.causes, found.tokens)
    keys = source.causes.keys
    spread = roots + name_key("spread", str(source.place))
    felt = np.flatnonzero(source.numbers >= 0)[np.argsort(source.numbers[source.numbers >= 0])]
    ids = _texts(source.name, mix(keys[felt[found.rows]] + spread))
    before = np.where(found.steps == found.causes, roots, mix(keys[found.steps] + spread))
    return ids, [*_texts(source.name, before)], _texts(source.name, roots)


def _texts(name: str, numbers: Bits) -> list[str]:
    return [f"{name}-{number:016x}" for number in numbers.tolist()]


def _described(effect: Effect) -> str:
    target = f".{effect.target}" if effect.target else ""
    return f"{effect.operation} {effect.driver or effect.kind}{target}"


def _direction(effect: Effect, severity: float, seconds: float) -> Direction:
    """Where an effect moves values, from what it does at :data:`MOMENTS` of the incident.

    Moments at which what it does is not defined do not count; values are missing there.
    """
    if effect.expression is None:
        return Direction.MISSING
    if effect.operation in ("replace", "delay"):
        return Direction.REPLACED
    progress = np.linspace(0, 1, MOMENTS, endpoint=False)
    names = {"severity": severity, "progress": progress, "elapsed": progress * seconds}
    with np.errstate(all="ignore"):
        amounts = np.asarray(effect.expression.evaluate(names)) - (effect.operation == "multiply")
    amounts = amounts[np.isfinite(amounts)]
    if not len(amounts):
        return Direction.MISSING
    if np.all(amounts >= 0):
        return Direction.UP
    return Direction.DOWN if np.all(amounts <= 0) else Direction.BOTH
