"""The series of a kind at some timestamps: all of them, or those that are alive."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.drivers import DriverView
from fleetstream.generate.incidents import IncidentView
from fleetstream.generate.keys import Bits, Booleans, mix, seeded
from fleetstream.generate.kind_life import KindLife, driver_view
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import Residents, Rows, Slots
from fleetstream.generate.occurrences import IncidentSource
from fleetstream.generate.topology import Topology
from fleetstream.generate.values import Evaluator, Grid, grid_of
from fleetstream.model import Model
from fleetstream.model.incidents import concerns

Scalar = TypeVar("Scalar", bound=np.generic)

FEW = 0.75
"""Where fewer instances than this share are alive, values of the others are not computed."""

SOON = 16
"""Parts of a stretch of time, in which one slot of so many gets a new instance."""


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
    _repeated: dict[int, list[pa.Array]] = field(default_factory=dict)

    def during(self, times: Times, alive: Booleans | None = None) -> "Instances":
        """The same series at timestamps in microseconds."""
        return replace(self, grid=replace(self.grid, timestamps=times), alive=alive)

    def only(self, some: Rows) -> "Instances":
        """Some of the series."""
        assert self.slots is not None
        dimensions = [_taken(column, some) for column in self.dimensions]
        return Instances(self.grid.only(some), dimensions, None, self.slots[some])

    @property
    def times(self) -> Times:
        """The timestamp of each cell that is alive, in the order of rows."""
        counts = self.grid.shape[1] if self.alive is None else self.alive.sum(axis=1)
        return np.repeat(self.grid.timestamps, counts)

    def flat(self, cells: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The cells that are alive, of an array of all cells, in the order of rows."""
        flat = cells.reshape(-1)
        return flat if self.alive is None else flat.take(self._places)

    def columns(self) -> list[pa.Array]:
        """The dimensions of the cells that are alive, in the order of rows."""
        times, count = self.grid.shape
        if self.alive is not None:
            rows = self._places % count
            return [_taken(column, rows) for column in self.dimensions]
        if times == 1:
            return self.dimensions
        # Targets remember what they derived from an array by its address, so arrays are kept and
        # used again; their lengths are powers of two so that few are kept.
        longest = 1 << (times - 1).bit_length()
        if longest not in self._repeated:
            rows = np.tile(np.arange(count), longest)
            self._repeated[longest] = [_taken(column, rows) for column in self.dimensions]
        return [column.slice(0, times * count) for column in self._repeated[longest]]

    @cached_property
    def _places(self) -> Rows:
        """Where the cells are that are alive; taking them is faster than by truth per cell."""
        assert self.alive is not None
        return np.flatnonzero(self.alive)


def _taken(column: pa.DictionaryArray, rows: Rows) -> pa.DictionaryArray:
    """Elements of a column; NumPy takes them in a quarter of the time that Arrow does."""
    indices = pa.array(column.indices.to_numpy().take(rows))
    return pa.DictionaryArray.from_arrays(indices, column.dictionary, safe=False)


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
            name: driver_view(model, topology, name, key, seed) for name in kind.driver_names
        }
        above = model.above(kind.level)
        self._incidents = [
            IncidentView(
                source, topology.above(kind.level, source.incident.level)[series].astype(np.intp)
            )
            for source in incidents
            if source.incident.level in above and concerns(source.effects, key, kind.driver_names)
        ]
        self._life: KindLife | None = None
        if model.life_level(kind.level) is not None:
            self._life = KindLife(model, key, topology, seed)
            if self._life.templates:
                places = seeded(topology.identities(kind.level), seed)[series]
                self._keys = mix(self._keys + places)
        self._parts: dict[tuple[int, int], _Part] = {}

    def parts(self, start: int, stop: int, timestamps: Sequence[int]) -> Iterator[Instances]:
        """As :meth:`at`, in stretches of time in which most slots hold one or two instances.

        All instances of a stretch are evaluated at all of its timestamps.
        """
        yield from self._part(start, stop).parts(np.array(timestamps, np.int64))

    def at(self, start: int, stop: int, timestamps: Sequence[int]) -> Instances:
        """The series of the rows ``[start, stop)`` of the table at timestamps in microseconds."""
        return self._part(start, stop).at(np.array(timestamps, np.int64))

    def ends(self, start: int, stop: int, timestamps: Sequence[int]) -> "Ends | None":
        """The series that are there at a timestamp and not at the next; None where none ends."""
        return self._part(start, stop).ends(np.array(timestamps, np.int64))

    def _part(self, start: int, stop: int) -> "_Part":
        part = self._parts.get((start, stop))
        if part is None:
            part = self._parts[start, stop] = self._made_part(slice(start, stop))
        return part

    def _made_part(self, rows: slice) -> "_Part":
        drivers = {name: view.part(rows) for name, view in self._drivers.items()}
        incidents = [view.part(rows) for view in self._incidents]
        if self._life is None:
            fixed = {name: values[rows] for name, values in self._fixed.items()}
            columns = self.table.dimensions.slice(rows.start, rows.stop - rows.start).columns
            grid = grid_of(self._keys[rows], fixed, None, drivers, incidents)
            return _LastingPart(Instances(grid, columns))

        def instances(residents: Residents) -> Instances:
            return self._instances(rows.start, residents, drivers, incidents)

        def selected(residents: Residents) -> Residents:
            return self._selected(rows.start + residents.slots, residents)

        slots, scaled_by = self._life.part(rows)
        named = bool(self._life.templates)
        return _LivingPart(slots, scaled_by, selected, instances, named=named)

    def holds(self, rows: Rows, begin: int, end: int) -> bool:
        """Whether filters keep any series of some rows of the table in a stretch of time."""
        if self._life is None or not self._life.filters:
            return bool(len(rows))
        residents = self._life.slots(rows).during(begin, end)
        return bool(len(self._selected(rows[residents.slots], residents).slots))

    def _selected(self, rows: Rows, residents: Residents) -> Residents:
        """The instances in rows of the table that filters keep."""
        assert self._life is not None
        if not self._life.filters:
            return residents
        keys = self._instance_keys(rows, residents)
        return residents.where(self._life.kept(rows, keys, residents.releases))

    def _instance_keys(self, rows: Rows, residents: Residents) -> Bits:
        """The keys of instances in rows of the table, those of the rows where they have no name."""
        assert self._life is not None
        keys = self._keys[rows]
        if not self._life.templates:
            return keys
        return mix(keys + mix(residents.births.astype(np.uint64)))

    def _instances(
        self,
        start: int,
        residents: Residents,
        drivers: Mapping[str, DriverView],
        incidents: Sequence[IncidentView],
    ) -> Instances:
        """The instances in the slots from ``start`` on."""
        assert self._life is not None
        slots = residents.slots
        rows = slots + start
        keys = self._instance_keys(rows, residents)
        fixed: dict[str, npt.NDArray[np.generic]]
        if self._life.templates:
            fixed = self._evaluator.fixed(self.table.identities[rows] + keys)
            fixed |= {name: values[rows] for name, values in self._integers.items()}
        else:
            fixed = {name: values[rows] for name, values in self._fixed.items()}
        changing = self._life.rendered(rows, keys, residents.releases)
        static = self.table.dimensions
        dimensions = [
            changing[name] if name in changing else _taken(static[name], rows)
            for name in self._names
        ]
        views = {name: DriverView(view.rows, view.of[slots]) for name, view in drivers.items()}
        suffered = [IncidentView(view.source, view.of[slots]) for view in incidents]
        grid = grid_of(keys, fixed, residents.births, views, suffered)
        return Instances(grid, dimensions, None, slots)


@dataclass(frozen=True, slots=True)
class Ends:
    """Series that have ended, ordered by the time (microseconds) at which they are not there.

    ``slots`` and ``dimensions`` are as of :class:`Instances`.
    """

    times: Times
    slots: Rows
    dimensions: list[pa.Array]


class _Part(Protocol):
    """Some rows of a kind."""

    def at(self, times: Times, /) -> Instances: ...
    def parts(self, times: Times, /) -> Iterator[Instances]: ...
    def ends(self, times: Times, /) -> Ends | None: ...


@dataclass(frozen=True, slots=True)
class _LastingPart:
    """Rows that always have the same series."""

    _instances: Instances

    def at(self, times: Times) -> Instances:
        return self._instances.during(times)

    def parts(self, times: Times) -> Iterator[Instances]:
        yield self.at(times)

    def ends(self, _times: Times) -> None:
        return None


class _LivingPart:
    """Rows that are slots.

    ``scaled_by`` is the driver that decides how many slots are in use; ``selected`` returns the
    instances that filters keep. Where instances are ``named``, they have dimensions of their own,
    so the next one in a slot is another series.
    """

    def __init__(
        self,
        slots: Slots,
        scaled_by: DriverView | None,
        selected: Callable[[Residents], Residents],
        instances: Callable[[Residents], Instances],
        *,
        named: bool,
    ) -> None:
        self._slots = slots
        self._scale = None if scaled_by is None else scaled_by.values
        self._named = named
        self._selected = selected
        self._instances = instances
        self._known: _Stretch | None = None

    def at(self, times: Times) -> Instances:
        stretch = self._stretch(times)
        return stretch.among(times, self._used(stretch, times), self._slots.stretch // SOON)

    def parts(self, times: Times) -> Iterator[Instances]:
        ends = np.flatnonzero(np.diff(times // self._slots.stretch)) + 1
        for first, last in pairwise([0, *ends.tolist(), len(times)]):
            yield self.at(times[first:last])

    def ends(self, times: Times) -> Ends:
        stretch = self._stretch(times)
        used = self._used(stretch, times)
        alive = stretch.residents.there(times) & used
        ended = alive[:-1] & ~alive[1:] if self._named else alive[:-1] & ~used[1:]
        places, which = np.nonzero(ended)
        dimensions = [_taken(each, which) for each in stretch.instances.dimensions]
        return Ends(times[places + 1], stretch.residents.slots[which], dimensions)

    def _stretch(self, times: Times) -> "_Stretch":
        length = self._slots.stretch
        first, last = int(times.min()) // length, int(times.max()) // length
        if self._known is None or self._known.numbers != (first, last):
            residents = self._slots.during(first * length, (last + 1) * length)
            residents = self._selected(residents)
            everything = np.ones(len(residents.slots), np.bool_)
            instances = self._instances(residents)
            self._known = _Stretch((first, last), residents, instances, everything, instances)
        return self._known

    def _used(self, stretch: "_Stretch", times: Times) -> Booleans:
        """Which instances have a slot in use at each time, of shape (times, instances)."""
        slots = stretch.residents.slots
        used = self._slots.in_use(times, self._scale)
        if used is None:
            return np.ones((len(times), len(slots)), np.bool_)
        return used.take(slots, axis=1)


@dataclass(slots=True)
class _Stretch:
    """The instances in slots during some stretches of time, from the first to the last number.

    ``chosen`` are those of them that were generated last: ``some``.
    """

    numbers: tuple[int, int]
    residents: Residents
    instances: Instances
    some: Booleans
    chosen: Instances

    def among(self, times: Times, used: Booleans, soon: int) -> Instances:
        """The instances at times, of which those in ``used`` slots are alive.

        Those that come within ``soon`` microseconds are chosen with them, so that not every birth
        needs another choice.
        """
        alive = self.residents.there(times) & used
        some: Booleans = np.logical_or.reduce(alive, axis=0)
        if np.count_nonzero(some) > FEW * len(some):
            return self.instances.during(times, None if alive.all() else alive)
        held = np.count_nonzero(self.some)
        if (some & ~self.some).any() or np.count_nonzero(some) < FEW * held:
            self.some = some | (self.residents.there(times[-1:] + soon)[0] & used[-1])
            self.chosen = self.instances.only(np.flatnonzero(self.some))
        alive = alive[:, self.some]
        return self.chosen.during(times, None if alive.all() else alive)
