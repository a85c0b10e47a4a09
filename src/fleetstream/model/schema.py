"""The structure of a model file, and the model itself: the same immutable objects."""

from collections.abc import Mapping

import msgspec

from fleetstream.model.dynamics import Driver
from fleetstream.model.incident_checks import check_dependencies, check_incidents
from fleetstream.model.incidents import Incident
from fleetstream.model.kinds import CLOCKS, NUMBERS, SeriesKind
from fleetstream.model.levels import (
    DYNAMIC,
    Level,
    Names,
    above_of,
    check_template,
    line_of,
    names_by_level,
)


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An integer that a run may set, such as the number of hosts.

    Without that it is ``default``; it must be from ``minimum`` to ``maximum``.
    """

    default: int
    minimum: int
    maximum: int
    description: str = ""

    def __post_init__(self) -> None:
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError("the default of a parameter must be from its minimum to its maximum")


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measures that options of a run change.

    ``signal`` is the measure that a sine or sawtooth replaces; ``missing`` are those that are
    missing together.
    """

    signal: str | None = None
    missing: list[str] = []


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A system to simulate.

    Runs may set its ``parameters``. ``levels`` are its topology, ``kinds`` its series, ``drivers``
    what many of them follow, such as a load, ``incidents`` what goes wrong. ``overlay`` says which
    measures some options change.

    Each of the ``levels`` is listed after the one above it; their order and that of kinds and
    measures is the order of the output and affects no value. A run that is split among machines
    divides the rows of ``shard_level``, and the series of each kind that is not below it. Files of
    a lake are partitioned by the dimension ``partition``. ``dependencies`` maps levels to what
    depends on what among their members under one row, such as
    ``{ service = { checkout = ["payment", "cart"] } }``.
    """

    name: str
    levels: list[Level]
    kinds: dict[str, SeriesKind]
    shard_level: str
    description: str = ""
    partition: str | None = None
    parameters: dict[str, Parameter] = {}
    drivers: dict[str, Driver] = {}
    dependencies: dict[str, dict[str, list[str]]] = {}
    incidents: dict[str, Incident] = {}
    overlay: Overlay = Overlay()

    def __post_init__(self) -> None:
        names = names_by_level(self.levels, self.parameters)
        if not self.kinds:
            raise ValueError("a model needs at least one kind")
        for what, name in (
            ("shard_level", self.shard_level),
            *((f"kinds.{key}.level", kind.level) for key, kind in self.kinds.items()),
        ):
            if name not in names:
                raise ValueError(f"{what} is {name!r}, but there is no such level")
        for kind in self.kinds.values():
            living = self.life_level(kind.level)
            changing = {f"{living.name}.{name}": str for name in DYNAMIC} if living else {}
            check_template(kind.title, names[kind.level])
            for text in kind.dimensions.values():
                check_template(text, names[kind.level] | changing)
            integers = [name for name, of in names[kind.level].items() if of is int]
            kind.check_names(self.drivers, integers, has_life=living is not None)
        self._check_drivers(names)
        self._check_lives()
        self._check_connectivity()
        check_dependencies(self)
        check_incidents(self)
        if self.partition is not None and self.partition not in self.dimensions:
            raise ValueError(f"partition is {self.partition!r}, but there is no such dimension")
        self._check_overlay()

    def life_level(self, level: str) -> Level | None:
        """The level with a life cycle that a level is or is below; None where there is none."""
        return next((each for each in reversed(self.line(level)) if each.life is not None), None)

    def connected_level(self, level: str) -> Level | None:
        """The level with a connectivity that a level is or is below; None where there is none."""
        return next((each for each in self.line(level) if each.connectivity is not None), None)

    def line(self, level: str) -> list[Level]:
        """A level and those above it, from the outermost on."""
        return line_of(self.levels, level)

    def above(self, level: str) -> list[str]:
        """The names of a level and of all that it is below, also in other branches."""
        return above_of(self.levels, level)

    @property
    def interval_us(self) -> int | None:
        """The shortest interval of a kind in microseconds, None where no kind has one."""
        intervals = [kind.interval_us for kind in self.kinds.values()]
        return min((each for each in intervals if each is not None), default=None)

    def changing_dimensions(self, kind: SeriesKind) -> dict[str, bool]:
        """The dimensions of a kind that change over time; whether each tells instances apart."""
        living = self.life_level(kind.level)
        if living is None:
            return {}
        identity, *others = (f"{living.name}.{name}" for name in DYNAMIC)
        return {
            name: identity in template.fields
            for name, template in kind.templates.items()
            if {identity, *others} & set(template.fields)
        }

    def _check_drivers(self, names: Mapping[str, Names]) -> None:
        for name, driver in self.drivers.items():
            if name in CLOCKS:
                raise ValueError(f"no driver can have the name {name!r}")
            if driver.level is not None and driver.level not in names:
                raise ValueError(f"the driver {name!r} has an unknown level, {driver.level!r}")
            offset = driver.utc_offset
            known = {} if driver.level is None else names[driver.level]
            if offset is not None and known.get(offset) is not int:
                raise ValueError(
                    f"the utc_offset of the driver {name!r} is {offset!r}, which is not an integer "
                    "of its level or those above"
                )

    def _check_lives(self) -> None:
        for level in self.levels:
            if level.life is None:
                continue
            if len([each for each in self.line(level.name) if each.life]) > 1:
                raise ValueError(
                    f"the level {level.name!r} has a life, but a level above it has one too"
                )
            releases, scale = level.life.releases, level.life.scale
            if releases and releases.level not in self.above(level.name):
                raise ValueError(
                    f"the releases of the level {level.name!r} are those of {releases.level!r}, "
                    "which is not a level above it"
                )
            if scale is not None:
                self._check_followed(scale, f"the level {level.name!r}", level.name)
        for key, kind in self.kinds.items():
            for name in kind.driver_names:
                self._check_followed(name, f"the kind {key!r}", kind.level)
            for name in kind.counter_drivers:
                if not self.drivers[name].is_weekly:
                    raise ValueError(
                        f"a counter of the kind {key!r} follows the driver {name!r}, but counters "
                        "cannot follow months, growth or holidays"
                    )

    def _check_connectivity(self) -> None:
        for level in self.levels:
            if len([each for each in self.line(level.name) if each.connectivity]) > 1:
                raise ValueError(
                    f"the levels above and at {level.name!r} have more than one connectivity"
                )

    def _check_followed(self, driver: str, what: str, level: str) -> None:
        """Raises ValueError where what is at a level cannot follow a driver."""
        if driver not in self.drivers:
            raise ValueError(f"{what} follows {driver!r}, but there is no such driver")
        followed = self.drivers[driver].level
        if followed is not None and followed not in self.above(level):
            raise ValueError(
                f"{what} follows the driver {driver!r} of the level {followed!r}, which is not "
                "above it"
            )

    def _check_overlay(self) -> None:
        measures = [measure for kind in self.kinds.values() for measure in kind.measures]
        for name in self.overlay.missing:
            if all(measure.name != name for measure in measures):
                raise ValueError(f"overlay.missing has {name!r}, but there is no such measure")
        signal = self.overlay.signal
        types = {measure.type for measure in measures if measure.name == signal}
        if signal is not None and (not types or types - NUMBERS):
            raise ValueError(
                f"overlay.signal is {signal!r}, but no measure of numbers has the name"
            )

    @property
    def dimensions(self) -> list[str]:
        """The dimensions of all kinds, each once."""
        return list(dict.fromkeys(name for kind in self.kinds.values() for name in kind.dimensions))
