"""The structure of a model file, and the model itself: the same immutable objects."""

from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import msgspec

from fleetstream.model.datatypes import DataType
from fleetstream.model.expressions import Expression
from fleetstream.model.laws import Choice, Law
from fleetstream.model.templates import Template

Attribute = str | int | list[str]
Member = dict[str, Attribute]
"""A member of a level: its ``name``, and attributes that expressions and templates refer to."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An integer that a run may set, such as the number of hosts."""

    default: int
    minimum: int
    maximum: int
    description: str = ""


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measures that options of a run change.

    ``signal`` is the measure that a sine or sawtooth replaces; ``missing`` are those that are
    missing together.
    """

    signal: str | None = None
    missing: list[str] = []


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level of the topology: each row of the level above has rows of this level below it.

    A level ``x`` has either ``members``, listed here or named by an attribute that lists them, or a
    ``count``, an expression, and a ``label``, a template. Expressions and templates of this level
    and of those below may refer to ``x`` (its text), ``x.index`` (its position under its parent,
    from 0), ``x.number`` (the same from 1), its members' attributes (``x.cells``), and ``numbers``,
    further integers by expression.
    """

    name: str
    members: list[Member] | str | None = None
    count: str | None = None
    label: str | None = None
    numbers: dict[str, str] = {}

    def __post_init__(self) -> None:
        if (self.members is None) == (self.count is None):
            raise ValueError(f"the level {self.name!r} needs either members or a count")
        if (self.count is None) != (self.label is None):
            raise ValueError(f"the level {self.name!r} needs a label if and only if it has a count")
        if isinstance(self.members, list):
            names = [member.get("name") for member in self.members]
            if not names or not all(isinstance(name, str) for name in names):
                raise ValueError(f"each member of the level {self.name!r} needs a name")
            if len(set(map(str, names))) < len(names):
                raise ValueError(f"two members of the level {self.name!r} have the same name")
            if any(member.keys() != self.members[0].keys() for member in self.members):
                raise ValueError(f"the members of the level {self.name!r} differ in attributes")


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
            raise ValueError(f"the measure {self.name!r} must be VARCHAR if, and only if, a choice")
        if not 0 <= self.decimals <= 12:
            raise ValueError(f"the decimals of {self.name!r} must be from 0 to 12")
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
        names = [level.name for level in self.levels]
        if len(set(names)) < len(names) or not self.kinds:
            raise ValueError("levels need different names, and a model needs at least one kind")
        for what, name in (
            ("shard_level", self.shard_level),
            *((f"kinds.{key}.level", kind.level) for key, kind in self.kinds.items()),
        ):
            if name not in names:
                raise ValueError(f"{what} is {name!r}, but there is no such level")
        known = {measure.name for kind in self.kinds.values() for measure in kind.measures}
        if unknown := {*self.overlay.missing, self.overlay.signal or ""} - known - {""}:
            raise ValueError(f"overlay names {min(unknown)!r}, but there is no such measure")

    @property
    def dimensions(self) -> list[str]:
        """The dimensions of all kinds, each once."""
        return list(dict.fromkeys(name for kind in self.kinds.values() for name in kind.dimensions))
