"""The life cycles of a kind's rows: slots, what scales them, and the dimensions of instances."""

from collections.abc import Container

import numpy as np
import pyarrow as pa

from fleetstream.generate.drivers import DriverRows, DriverView
from fleetstream.generate.instance_names import identifiers, joined
from fleetstream.generate.keys import Bits, Booleans, seeded
from fleetstream.generate.lattice import Times
from fleetstream.generate.lives import Rows, Slots
from fleetstream.generate.topology import Topology
from fleetstream.model import Model


class KindLife:
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
            self._scale = driver_view(model, topology, scale, key, seed)
        self.filters = topology.filters.of_instances.get(key, ())
        self.templates = {name: kind.templates[name] for name in model.changing_dimensions(kind)}
        self._fields = {
            field: topology.texts(kind.level, field).take(pa.array(series))
            for template in self.templates.values()
            for field in template.fields
            if field not in (f"{level.name}.id", f"{level.name}.release")
        }

    def part(self, rows: slice) -> tuple[Slots, DriverView | None]:
        """The slots of some rows, and the driver that scales them."""
        return self.slots(rows), None if self._scale is None else self._scale.part(rows)

    def slots(self, rows: slice | Rows) -> Slots:
        """The slots of some rows."""
        slots = self._slots
        return Slots(slots.life, slots.keys[rows], slots.release_keys[rows], slots.places[rows])

    def kept(self, rows: Rows, keys: Bits, releases: Times) -> Booleans:
        """Which instances in these rows of the kind are kept by the filters."""
        texts = self.rendered(rows, keys, releases, {each.dimension for each in self.filters})
        kept = [each.matching_array(texts[each.dimension]) for each in self.filters]
        wanted: Booleans = np.logical_and.reduce(kept)
        return wanted

    def rendered(
        self, rows: Rows, keys: Bits, releases: Times, names: Container[str] | None = None
    ) -> dict[str, pa.Array]:
        """The dimensions that change, or some, for instances in these rows of the kind."""
        values = {name: texts.take(pa.array(rows)) for name, texts in self._fields.items()}
        values[f"{self._name}.id"] = identifiers(keys)
        values[f"{self._name}.release"] = pa.array(releases)
        return {
            name: joined(each, values)
            for name, each in self.templates.items()
            if names is None or name in names
        }


def driver_view(model: Model, topology: Topology, name: str, kind: str, seed: int) -> DriverView:
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
