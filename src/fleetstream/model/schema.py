"""The structure of a model file, and the model itself: the same immutable objects."""

from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import msgspec

from fleetstream.model.datatypes import DataType
from fleetstream.model.expressions import Expression
from fleetstream.model.laws import Choice, Law, Mixture
from fleetstream.model.levels import Level, check_template, names_by_level
from fleetstream.model.templates import Template

TIME_COLUMN = "time"
"""A name that dimensions and measures cannot have, since the time of a record has it."""

MAX_DECIMALS = 12


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An integer that a run may set, such as the number of hosts."""

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


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A value that measures refer to and that is not written itself.

    A variable that is ``fixed`` has one value per series, independent of seed and time.
    """

    name: str
    value: Law | str
    fixed: bool = False
    decimals: int | None = None
    """Decimals to round to before use; None does not round."""
    description: str = ""

    def __post_init__(self) -> None:
        if self.fixed and isinstance(self.value, str | Mixture):
            raise ValueError(f"the fixed variable {self.name!r} needs a law other than a mixture")
        _check_decimals(self.name, self.decimals or 0)

    @cached_property
    def expression(self) -> Expression | None:
        """The parsed expression, None where the value is drawn from a law."""
        return Expression(self.value) if isinstance(self.value, str) else None


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A measure of each series of a kind.

    ``value`` is a law or an expression over variables and measures of the same series, which are
    rounded to their decimals before they are used. ``unit`` follows UCUM where UCUM has the unit.
    """

    name: str
    value: Law | str
    type: DataType = DataType.DOUBLE
    unit: str = ""
    decimals: int = 0
    group: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if (self.type is DataType.VARCHAR) != isinstance(self.value, Choice):
            raise ValueError(
                f"the measure {self.name!r} needs the type VARCHAR if and only if its law is a "
                "choice"
            )
        _check_decimals(self.name, self.decimals)
        if self.type is DataType.BIGINT and self.decimals:
            raise ValueError(f"the BIGINT {self.name!r} cannot have decimals")

    @cached_property
    def expression(self) -> Expression | None:
        """The parsed expression, None where the value is drawn from a law."""
        return Expression(self.value) if isinstance(self.value, str) else None


class SeriesKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A kind of series: one series per row of a level, all with the same dimensions and measures.

    ``dimensions`` maps each dimension's name to the template of its values; ``title`` is the
    template of a short name for people, and ``noun`` what the series are, in the plural.
    """

    noun: str
    level: str
    dimensions: dict[str, str]
    measures: list[Measure]
    variables: list[Variable] = []
    title: str = ""

    def __post_init__(self) -> None:
        names = [each.name for each in self.variables] + [each.name for each in self.measures]
        if len(set(names)) < len(names) or self.dimensions.keys() & set(names):
            raise ValueError("dimensions, variables and measures of a kind need different names")
        if not self.dimensions or not self.measures:
            raise ValueError("a kind needs at least one dimension and one measure")
        if TIME_COLUMN in {*self.dimensions, *names}:
            raise ValueError(f"no dimension, variable or measure can have the name {TIME_COLUMN!r}")
        _ = self.evaluation_order

    @cached_property
    def templates(self) -> dict[str, Template]:
        """The parsed templates of the dimensions."""
        return {name: Template(text) for name, text in self.dimensions.items()}

    @cached_property
    def evaluation_order(self) -> list[Variable | Measure]:
        """Variables and measures so that each comes after those that its expression refers to."""
        all_sources: list[Variable | Measure] = [*self.variables, *self.measures]
        sources = {each.name: each for each in all_sources}
        needs = {
            name: each.expression.names if each.expression else frozenset[str]()
            for name, each in sources.items()
        }
        for name, names in needs.items():
            if unknown := names - sources.keys():
                raise ValueError(f"{name!r} refers to {min(unknown)!r}, which is not defined")
            for other in names:
                if isinstance(sources[other].value, Choice):
                    raise ValueError(f"{name!r} calculates with {other!r}, which has no numbers")
        try:
            return [sources[name] for name in TopologicalSorter(needs).static_order()]
        except CycleError as error:
            raise ValueError(f"{error.args[1][0]!r} refers to itself") from None

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, None where there is none."""
        return next((each for each in self.measures if each.name == name), None)


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A system to simulate.

    ``levels`` go from the outermost to the innermost; their order and that of kinds and measures is
    the order of the output and affects no value. A run that is split among machines divides the
    rows of ``shard_level``. Files of a lake are partitioned by the dimension ``partition``.
    """

    name: str
    levels: list[Level]
    kinds: dict[str, SeriesKind]
    shard_level: str
    description: str = ""
    partition: str | None = None
    parameters: dict[str, Parameter] = {}
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
            for text in (*kind.dimensions.values(), kind.title):
                check_template(text, names[kind.level])
        if self.partition is not None and self.partition not in self.dimensions:
            raise ValueError(f"partition is {self.partition!r}, but there is no such dimension")
        self._check_overlay()

    def _check_overlay(self) -> None:
        measures = [measure for kind in self.kinds.values() for measure in kind.measures]
        for name in self.overlay.missing:
            if all(measure.name != name for measure in measures):
                raise ValueError(f"overlay.missing has {name!r}, but there is no such measure")
        signal = self.overlay.signal
        types = {measure.type for measure in measures if measure.name == signal}
        if signal is not None and (not types or DataType.VARCHAR in types):
            raise ValueError(
                f"overlay.signal is {signal!r}, but no measure of numbers has the name"
            )

    @property
    def dimensions(self) -> list[str]:
        """The dimensions of all kinds, each once."""
        return list(dict.fromkeys(name for kind in self.kinds.values() for name in kind.dimensions))


def _check_decimals(name: str, decimals: int) -> None:
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"the decimals of {name!r} must be from 0 to {MAX_DECIMALS}")
