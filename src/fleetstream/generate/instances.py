"""The series of a kind at some timestamps: all of them, or those that are alive."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.drivers import DriverRows, DriverView
from fleetstream.generate.incidents import IncidentView
from fleetstream.generate.keys import Bits, mix, seeded
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import Booleans, SlotLives, Slots
from fleetstream.generate.occurrences import IncidentSource
from fleetstream.generate.topology import Topology
from fleetstream.generate.values import Evaluator, Grid
from fleetstream.model import Model
from fleetstream.model.incidents import concerns
from fleetstream.model.templates import Template

Rows = npt.NDArray[np.intp]

_ALPHABET = np.frombuffer(b"0123456789abcdefghjkmnpqrstvwxyz", np.uint8)
"""Crockford's base 32, in which 0 and o, 1 and l are not confused."""

ID_LENGTH = 8
"""Characters of an instance's identifier: 40 bits."""


@dataclass(frozen=True)
class Instances:
    """Some series at some timestamps.

    ``alive`` says which cells of the grid exist, None if all do; ``dimensions`` has one array per
    dimension with one element per series. With a life cycle, ``slots`` is the slot of each series,
    counted from the first that was asked for.
    """

    grid: Grid
    dimensions: list[pa.Array]
    alive: Booleans | None = None
    slots: Rows | None = None


class Population:
    """The series of a kind under one seed."""

    def __init__(
        self,
        model: Model,
        key: str,
        topology: Topology,
        seed: int,
        evaluator: Evaluator,
        incidents: Sequence[IncidentSource],
    ) -> None:
        kind = model.kinds[key]
        self.table = topology.table(key)
        self._names = list(kind.dimensions)
        self._evaluator = evaluator
        self._keys = seeded(self.table.identities, seed)
        series = topology.series(key)
        self._integers: dict[str, npt.NDArray[np.generic]] = {
            name: topology.integers(kind.level, name)[series] for name in kind.integer_names
        }
        self._fixed = evaluator.fixed(self.table.identities) | self._integers
        self._drivers = {
            name: _driver_view(model, topology, name, key, seed) for name in kind.driver_names
        }
        line = [level.name for level in model.line(kind.level)]
        self._incidents = [
            IncidentView(
                source, topology.above(kind.level, source.incident.level)[series].astype(np.intp)
            )
            for source in incidents
            if source.incident.level in line and concerns(source.effects, key, kind.driver_names)
        ]
        self._life: _KindLife | None = None
        if model.life_level(kind.level) is not None:
            self._life = _KindLife(model, key, topology, seed)
            if self._life.templates:
                places = seeded(topology.identities(kind.level), seed)[series]
                self._keys = mix(self._keys + places)
        self._parts: dict[tuple[int, int], _Part] = {}

    def parts(self, start: int, stop: int, timestamps: Sequence[int]) -> Iterator[Instances]:
        """As :meth:`at`, in stretches of time in which most slots hold one instance only.

        All instances of a stretch are evaluated at all of its timestamps.
        """
        if self._life is None:
            yield self.at(start, stop, timestamps)
            return
        times, part = np.array(timestamps, np.int64), self._part(start, stop)
        lives = part.lives(times)
        changes = np.cumsum(_replaced(lives).sum(axis=1)) // max(stop - start, 1)
        ends = np.flatnonzero(np.diff(changes)) + 2
        for first, last in pairwise([0, *ends.tolist(), len(times)]):
            if first < last:
                yield self._living(part, start, times[first:last], lives.during(first, last))

    def at(self, start: int, stop: int, timestamps: Sequence[int]) -> Instances:
        """The series of the rows ``[start, stop)`` of the table at timestamps in microseconds."""
        times = np.array(timestamps, np.int64)
        part = self._part(start, stop)
        if self._life is not None:
            return self._living(part, start, times, part.lives(times))
        if part.instances is None:
            rows = slice(start, stop)
            fixed = {name: values[rows] for name, values in self._fixed.items()}
            columns = self.table.dimensions.slice(start, stop - start).columns
            part.instances = Instances(
                Grid(times, self._keys[rows], fixed, None, part.drivers, part.incidents), columns
            )
        return replace(part.instances, grid=replace(part.instances.grid, timestamps=times))

    def ends(
        self, start: int, stop: int, timestamps: Sequence[int]
    ) -> tuple[Times, list[pa.Array]] | None:
        """The series that are there at a timestamp and not at the next: its time, and dimensions.

        They are ordered by time. None where no series ever ends.
        """
        if self._life is None:
            return None
        part, times = self._part(start, stop), np.array(timestamps, np.int64)
        lives = part.lives(times, again=True)
        gone = ~lives.alive[1:]
        if self._life.templates:
            gone |= _replaced(lives)
        places, slots = np.nonzero(lives.alive[:-1] & gone)
        made = self._instances(part, lives, slots, places, start)
        return times[places + 1], made.dimensions

    def _part(self, start: int, stop: int) -> "_Part":
        part = self._parts.get((start, stop))
        if part is None:
            drivers = {name: view.part(slice(start, stop)) for name, view in self._drivers.items()}
            slots = None if self._life is None else self._life.part(slice(start, stop))
            incidents = [view.part(slice(start, stop)) for view in self._incidents]
            part = self._parts[start, stop] = _Part(drivers, incidents, slots)
        return part

    def _living(self, part: "_Part", start: int, times: Times, lives: SlotLives) -> Instances:
        made: Instances | None
        if len(times) > 1:
            slots, firsts, alive = _distinct(lives)
            made = self._instances(part, lives, slots, firsts, start)
        else:
            made, alive = part.held(lives), lives.alive
            if made is None:
                slots = np.arange(alive.shape[1])
                made = self._instances(part, lives, slots, np.zeros_like(slots), start)
                part.remember(lives, made)
        return replace(
            made,
            grid=replace(made.grid, timestamps=times),
            alive=None if alive.all() else alive,
        )

    def _instances(
        self, part: "_Part", lives: SlotLives, slots: Rows, firsts: Rows, start: int
    ) -> Instances:
        """The instances in slots, each as it is at the index of a time in its life."""
        assert self._life is not None
        rows = slots + start
        keys = self._keys[rows]
        fixed: dict[str, npt.NDArray[np.generic]]
        if self._life.templates:
            keys = mix(keys + mix(lives.tokens[firsts, slots]))
            fixed = self._evaluator.fixed(self.table.identities[rows] + keys)
            fixed |= {name: values[rows] for name, values in self._integers.items()}
        else:
            fixed = {name: values[rows] for name, values in self._fixed.items()}
        views = {name: DriverView(view.rows, view.of[slots]) for name, view in part.drivers.items()}
        changing = self._life.rendered(rows, keys, lives.releases[firsts, slots])
        static = self.table.dimensions
        dimensions = [
            changing[name] if name in changing else static[name].take(pa.array(rows))
            for name in self._names
        ]
        births = lives.births[firsts, slots]
        incidents = [IncidentView(view.source, view.of[slots]) for view in part.incidents]
        grid = Grid(np.empty(0, np.int64), keys, fixed, births, views, incidents)
        return Instances(grid, dimensions, None, slots)


@dataclass(slots=True)
class _Part:
    """Some rows of a kind, and the instances that were in them last.

    ``slots`` has the rows' slots, and the driver that scales them, where they have a life cycle.
    """

    drivers: Mapping[str, DriverView]
    incidents: Sequence[IncidentView]
    slots: tuple[Slots, DriverView | None] | None
    instances: Instances | None = None
    other_slots: Slots | None = None
    _lives: SlotLives | None = None

    def lives(self, times: Times, *, again: bool = False) -> SlotLives:
        """What is in the slots; ``again`` says that this is asked beside what is generated."""
        assert self.slots is not None
        slots, scaled_by = self.slots
        if again:  # other times would displace what the slots remember of those
            self.other_slots = self.other_slots or replace(slots, _memory={})
            slots = self.other_slots
        scale = None if scaled_by is None else scaled_by.values(slots.decisions(times))
        return slots.at(times, scale)

    def held(self, lives: SlotLives) -> Instances | None:
        """The instances that were there last, if they still are."""
        known = self._lives
        same = (
            known is not None
            and np.array_equal(known.tokens, lives.tokens)
            and np.array_equal(known.births, lives.births)
        )
        return self.instances if same else None

    def remember(self, lives: SlotLives, instances: Instances) -> None:
        self._lives, self.instances = lives, instances


class _KindLife:
    """The life cycles of the rows of a kind."""

    def __init__(self, model: Model, key: str, topology: Topology, seed: int) -> None:
        kind = model.kinds[key]
        level = model.life_level(kind.level)
        assert level is not None
        assert level.life is not None
        self._name = level.name
        series = topology.series(key)
        owners = topology.above(kind.level, level.name)[series]
        keys = seeded(topology.identities(level.name), seed)
        releases = level.life.releases
        release_keys = keys
        if releases is not None:
            scope = seeded(topology.identities(releases.level), seed)
            release_keys = scope[topology.above(level.name, releases.level)]
        index = topology.integers(level.name, f"{level.name}.index")
        siblings = topology.integers(level.name, f"{level.name}.siblings")
        places = index / np.maximum(siblings, 1)
        self._slots = Slots(level.life, keys[owners], release_keys[owners], places[owners])
        scale = level.life.scale
        self._scale: DriverView | None = None
        if scale is not None:
            self._scale = _driver_view(model, topology, scale, key, seed)
        self.templates = {name: kind.templates[name] for name in model.changing_dimensions(kind)}
        self._fields = {
            field: topology.texts(kind.level, field).take(pa.array(series))
            for template in self.templates.values()
            for field in template.fields
            if field not in (f"{level.name}.id", f"{level.name}.release")
        }

    def part(self, rows: slice) -> tuple[Slots, DriverView | None]:
        """The slots of some rows, and the driver that scales them."""
        slots = self._slots
        part = Slots(slots.life, slots.keys[rows], slots.release_keys[rows], slots.places[rows])
        return part, None if self._scale is None else self._scale.part(rows)

    def rendered(self, rows: Rows, keys: Bits, releases: Times) -> dict[str, pa.Array]:
        """The dimensions that change, for instances in these rows of the kind."""
        values = {name: texts.take(pa.array(rows)) for name, texts in self._fields.items()}
        values[f"{self._name}.id"] = _identifiers(keys)
        values[f"{self._name}.release"] = pa.array(releases)
        return {name: _joined(each, values) for name, each in self.templates.items()}


def _driver_view(model: Model, topology: Topology, name: str, kind: str, seed: int) -> DriverView:
    """A driver, and which of its rows each series of a kind follows."""
    driver, level, series = model.drivers[name], model.kinds[kind].level, topology.series(kind)
    if driver.level is None:
        keys, offsets = seeded(np.zeros(1, np.uint64), seed), np.zeros(1, np.int64)
        return DriverView(DriverRows(name, driver, keys, offsets), np.zeros(len(series), np.intp))
    keys = seeded(topology.identities(driver.level), seed)
    offsets = np.zeros(len(keys), np.int64)
    if driver.utc_offset is not None:
        offsets = topology.integers(driver.level, driver.utc_offset)
    of = topology.above(level, driver.level)[series].astype(np.intp)
    return DriverView(DriverRows(name, driver, keys, offsets), of)


def _distinct(lives: SlotLives) -> tuple[Rows, Rows, Booleans]:
    """The instances that are alive at any time, ordered by slot and time.

    Returns the slot of each, the index of a time in its life, and which is alive at each time, of
    shape (times, instances).
    """
    times, slots = lives.alive.shape
    begins = np.ones((slots, times), np.bool_)
    begins[:, 1:] = _replaced(lives).T
    numbers = (np.cumsum(begins.reshape(-1)) - 1).reshape(slots, times)
    first = np.flatnonzero(begins.reshape(-1))
    alive = np.zeros((times, len(first)), np.bool_)
    alive[np.arange(times)[:, np.newaxis], numbers.T] = lives.alive
    some = np.flatnonzero(alive.any(axis=0))
    return first[some] // times, first[some] % times, alive[:, some]


def _replaced(lives: SlotLives) -> Booleans:
    """Whether a slot's instance is another than at the time before, of shape (times − 1, slots)."""
    changed: Booleans = lives.tokens[1:] != lives.tokens[:-1]
    changed |= lives.births[1:] != lives.births[:-1]
    return changed


def _identifiers(keys: Bits) -> pa.Array:
    """A text of :data:`ID_LENGTH` characters per key."""
    shifts = np.arange(ID_LENGTH, dtype=np.uint64) * np.uint64(5)
    letters = _ALPHABET[(keys[:, np.newaxis] >> shifts) & np.uint64(31)]
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * np.int32(ID_LENGTH)
    return pa.StringArray.from_buffers(
        len(keys), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes())
    )


def _joined(template: Template, values: Mapping[str, pa.Array]) -> pa.Array:
    """A template for every element of its fields' arrays, dictionary-encoded."""
    import pyarrow.compute as pc  # slow to import, and only kinds with a life cycle need it

    pieces: list[pa.Array | pa.Scalar] = []
    for literal, name, width in template.parts:
        if literal:
            pieces.append(pa.scalar(literal))
        if name is not None:
            pieces.append(_padded(values[name], width))
    joined = pc.binary_join_element_wise(*pieces, pa.scalar("")).dictionary_encode()
    return joined.cast(pa.dictionary(pa.int32(), pa.string()))


def _padded(values: pa.Array, width: str) -> pa.Array:
    """Values as text of a least width: numbers to the right, as Python's format strings do."""
    text = values.cast(pa.string())
    if not width:
        return text
    import pyarrow.compute as pc

    pad = pc.utf8_lpad if pa.types.is_integer(values.type) else pc.utf8_rpad
    return pad(text, int(width), "0" if width.startswith("0") else " ")
