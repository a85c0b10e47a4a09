"""The levels of a model's topology, and the names that expressions and templates may refer to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from fleetstream.model.dynamics import Life
from fleetstream.model.expressions import Expression
from fleetstream.model.templates import Template

ExactInteger = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Attribute = str | ExactInteger | list[str]
Member = dict[str, Attribute]
"""A member of a level: its ``name``, and attributes that expressions and templates refer to."""

NameType = type[int] | type[str] | type[list[str]]
Names = dict[str, NameType]
"""What can be referred to, and of which type it is."""

DYNAMIC = ("id", "release")
"""Names after the dot that a level with a life cycle defines, and that change over time."""

RESERVED = frozenset({"index", "number", "member", "siblings", *DYNAMIC})
"""Names after the dot that every level defines itself."""


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level of the topology: each row of the level above has rows of this level below it.

    The level above is the one listed before, or the one that ``under`` names.
    A level ``x`` has either ``members``, listed here or named by an attribute that lists them, or a
    ``count``, an expression, and a ``label``, a template. Expressions and templates of this level
    and of those below may refer to ``x.index`` (its position under its parent, from 0),
    ``x.number`` (the same from 1), ``x.siblings`` (how many there are under its parent), its
    members' attributes (``x.cells``), and ``x.n`` for each further integer ``n`` that ``numbers``
    defines by an expression; those of kinds and of the levels below also to ``x`` (its text). With
    a ``life``, dimensions may also refer to ``x.id``, a text that identifies the instance in a
    slot, and to ``x.release``, a number that grows.
    """

    name: str
    members: list[Member] | str | None = None
    count: str | None = None
    label: str | None = None
    under: str | None = None
    numbers: dict[str, str] = {}
    life: Life | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a level has the name {self.name!r}, which must be letters and _")
        if (self.members is None) == (self.count is None):
            raise ValueError(f"the level {self.name!r} needs either members or a count")
        if (self.count is None) != (self.label is None):
            raise ValueError(f"the level {self.name!r} needs a label if and only if it has a count")
        if isinstance(self.members, list):
            _check_members(self.name, self.members)
        attributes = self.members[0].keys() if isinstance(self.members, list) else set[str]()
        if wrong := RESERVED & {*attributes, *self.numbers} | self.numbers.keys() & attributes:
            raise ValueError(f"the level {self.name!r} defines {min(wrong)!r} twice")

    def add_names(self, names: Names) -> None:
        """Add the names that this level defines; check those it refers to. Raises ValueError."""
        if isinstance(self.members, str) and names.get(self.members) is not list:
            raise ValueError(
                f"the members of the level {self.name!r} are {self.members!r}, which is not an "
                "attribute of a level above that lists names"
            )
        if self.count is not None:
            check_integers(self.count, names)
        names |= {f"{self.name}.{each}": int for each in ("index", "number", "siblings")}
        if isinstance(self.members, list):
            for attribute, value in self.members[0].items():
                names[f"{self.name}.{attribute}"] = type(value)
            del names[f"{self.name}.name"]
        for number, text in self.numbers.items():
            check_integers(text, names)
            names[f"{self.name}.{number}"] = int
        if self.label is not None:
            check_template(self.label, names)
        names[self.name] = str


def names_by_level(levels: Sequence[Level], parameters: Iterable[str]) -> dict[str, Names]:
    """The names that each level and those above define. Raises ValueError for an undefined one."""
    first: Names = dict.fromkeys(parameters, int)
    found: dict[str, Names] = {}
    before = first
    for level in levels:
        if level.name in found or level.name in first:
            raise ValueError(f"two levels or parameters have the name {level.name!r}")
        if level.under is not None and level.under not in found:
            raise ValueError(
                f"the level {level.name!r} is under {level.under!r}, but no level of that name is "
                "listed before it"
            )
        names = dict(before if level.under is None else found[level.under])
        level.add_names(names)
        found[level.name] = before = names
    return found


def line_of(levels: Sequence[Level], name: str) -> list[Level]:
    """The level of that name and those above it, from the outermost on."""
    line: list[Level] = []
    for level in reversed(levels):
        if level.name == name:
            line.append(level)
            place = [each.name for each in levels].index(name)
            before = levels[place - 1].name if place else None
            name = level.under or before or ""
    return line[::-1]


def check_integers(text: str, names: Mapping[str, NameType]) -> None:
    """Raises ValueError where an expression refers to anything but integers."""
    for name in sorted(Expression(text).names):
        if names.get(name) is not int:
            raise ValueError(f"{text!r} refers to {name!r}, which is not an integer of the model")


def check_template(text: str, names: Mapping[str, NameType]) -> None:
    """Raises ValueError where a template refers to anything but texts and integers."""
    for name in Template(text).fields:
        if names.get(name) not in (int, str):
            raise ValueError(f"{text!r} refers to {name!r}, which is not defined")


def _check_members(level: str, members: Sequence[Member]) -> None:
    names = [member.get("name") for member in members]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"each member of the level {level!r} needs a name")
    if len(set(map(str, names))) < len(names):
        raise ValueError(f"two members of the level {level!r} have the same name")
    if any(member.keys() != members[0].keys() for member in members):
        raise ValueError(f"the members of the level {level!r} differ in attributes")
    for attribute in members[0]:
        values = [member[attribute] for member in members]
        if len(set(map(type, values))) > 1:
            raise ValueError(f"the attribute {level}.{attribute} has values of different types")
        for value in values:
            if isinstance(value, list) and len(set(value)) < len(value):
                raise ValueError(f"the attribute {level}.{attribute} lists a name twice")
