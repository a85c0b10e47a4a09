"""The levels of a model's topology, and the names that expressions and templates may refer to."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from fleetstream.model.connectivity import Connectivity
from fleetstream.model.dynamics import Life
from fleetstream.model.expressions import Expression
from fleetstream.model.laws import check_shares
from fleetstream.model.templates import Template

ExactInteger = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Attribute = str | ExactInteger | list[str]
Member = dict[str, Attribute]
"""A member of a level: its ``name``, and attributes that expressions and templates refer to."""

Option = dict[str, str | ExactInteger | float]
"""What rows may choose: its ``name``, its ``share`` of them, and attributes as of a member."""

SHARE = "share"

NameType = type[int] | type[str] | type[list[str]]
Names = dict[str, NameType]
"""What can be referred to, and of which type it is."""

DYNAMIC = ("id", "release")
"""Names after the dot that a level with a life cycle defines, and that change over time."""

RESERVED = frozenset({"index", "number", "member", "siblings", *DYNAMIC})
"""Names after the dot that every level defines itself."""


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level of the topology: each row of the level above has rows of this level below it.

    The level above is the one listed before, or the one that ``under`` names. With ``also_under``,
    a row is below a row of another branch too, as a host in a region is in one of the region's
    zones: it maps a level listed before, whose own level above is one that this level is below, to
    the position of that row (from 0), an expression. What happens to that row happens to what is
    below it, and expressions and templates that may refer to this level's text may refer to that
    level's.

    Its ``name`` is what expressions and templates call it.

    A level ``x`` has either ``members``, listed here or named by an attribute that lists them, or a
    ``count``, an expression, and a ``label``, a template. Expressions and templates of this level
    and of those below may refer to ``x.index`` (its position under its parent, from 0),
    ``x.number`` (the same from 1), ``x.siblings`` (how many there are under its parent), its
    members' attributes (``x.cells``), and ``x.n`` for each further integer ``n`` that ``numbers``
    defines by an expression; those of kinds and of the levels below also to ``x`` (its text). With
    a ``life``, dimensions may also refer to ``x.id``, a text that identifies the instance in a
    slot, and to ``x.release``, a number that grows. With a ``connectivity``, what its rows measure
    may arrive later.

    For each of the ``choices`` ``c``, every row has one of the options listed, each with its
    ``share`` as its probability: ``x.c`` is the option's ``name``, and its other attributes, texts
    and integers, are ``x.c.a``. Which one follows from where the row is in the topology; seed,
    parameters and other rows do not matter.
    """

    name: str
    members: list[Member] | str | None = None
    count: str | None = None
    label: str | None = None
    under: str | None = None
    also_under: dict[str, str] = {}
    numbers: dict[str, str] = {}
    choices: dict[str, list[Option]] = {}
    life: Life | None = None
    connectivity: Connectivity | None = None

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
        defined = [*attributes, *self.numbers, *self.choices]
        if wrong := {each for each in defined if each in RESERVED or defined.count(each) > 1}:
            raise ValueError(f"the level {self.name!r} defines {min(wrong)!r} twice")
        for choice, options in self.choices.items():
            _check_options(choice, options)

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
        for choice, options in self.choices.items():
            names[f"{self.name}.{choice}"] = str
            for attribute in options[0].keys() - {"name", SHARE}:
                is_text = isinstance(options[0][attribute], str)
                names[f"{self.name}.{choice}.{attribute}"] = str if is_text else int
        for number, text in self.numbers.items():
            check_integers(text, names)
            names[f"{self.name}.{number}"] = int
        for text in self.also_under.values():
            check_integers(text, names)
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
        _check_others(levels, level, found)
        names |= dict.fromkeys(others_of(levels, level), str)
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


def above_of(levels: Sequence[Level], name: str) -> list[str]:
    """The level of that name and all that it is below, in the order of the model."""
    found = set[str]()
    for level in line_of(levels, name):
        found |= {level.name, *others_of(levels, level)}
    return [level.name for level in levels if level.name in found]


def others_of(levels: Sequence[Level], level: Level) -> list[str]:
    """What a level is also under, beside its line: each such level, and what that is also under."""
    found: list[str] = []
    for other in level.also_under:
        line = line_of(levels, other)
        found += [other, *(each for one in line for each in others_of(levels, one))]
    return found


def _check_others(levels: Sequence[Level], level: Level, before: Collection[str]) -> None:
    """Raises ValueError where a level cannot be under what it says it is also under."""
    known = {each.name for each in line_of(levels, level.name)}
    for other in level.also_under:
        what = f"the level {level.name!r} is also under {other!r}"
        if other not in before:
            raise ValueError(f"{what}, but no level of that name is listed before it")
        if other in known:
            raise ValueError(f"{what}, which it is below already")
        *_, above, _ = [None, *line_of(levels, other)]
        if above is not None and above.name not in known:
            raise ValueError(
                f"{what}, whose level above, {above.name!r}, is not above {level.name!r}"
            )
        known |= set(above_of(levels, other))


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


def _check_options(choice: str, options: Sequence[Option]) -> None:
    what = f"the choice {choice!r}"
    if not choice.isidentifier():
        raise ValueError(f"{what} has a name that must be letters and _")
    names = [option.get("name") for option in options]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"each option of {what} needs a name")
    if len(set(map(str, names))) < len(names):
        raise ValueError(f"two options of {what} have the same name")
    if any(option.keys() != options[0].keys() for option in options):
        raise ValueError(f"the options of {what} differ in attributes")
    shares = [option.get(SHARE) for option in options]
    known = [float(share) for share in shares if isinstance(share, int | float)]
    if len(known) < len(shares):
        raise ValueError(f"each option of {what} needs a share")
    try:
        check_shares(known)
    except ValueError as error:
        raise ValueError(f"{error} in {what}") from error
    for attribute in options[0].keys() - {SHARE}:
        types = {type(option[attribute]) for option in options}
        if len(types) > 1 or float in types:
            raise ValueError(
                f"the attribute {attribute!r} must be an integer in all options of {what}, or a "
                "text in all"
            )


def _check_members(level: str, members: Sequence[Member]) -> None:
    names = [str(name) for member in members if isinstance(name := member.get("name"), str)]
    if not members or len(names) < len(members):
        raise ValueError(f"each member of the level {level!r} needs a name")
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"two members of the level {level!r} have the same name, {name!r}")
    for name, member in zip(names, members, strict=True):
        what = f"unlike {names[0]!r}, the member {name!r} of the level {level!r}"
        for attribute in sorted(member.keys() - members[0].keys()):
            raise ValueError(f"{what} has the attribute {attribute!r}")
        for attribute in sorted(members[0].keys() - member.keys()):
            raise ValueError(f"{what} does not have the attribute {attribute!r}")
    for attribute in members[0]:
        values = [member[attribute] for member in members]
        for name, value in zip(names, values, strict=True):
            if type(value) is not type(values[0]):
                raise ValueError(
                    f"the attribute {level}.{attribute} has values of different types in "
                    f"{names[0]!r} and {name!r}"
                )
        for value in values:
            if isinstance(value, list) and len(set(value)) < len(value):
                raise ValueError(f"the attribute {level}.{attribute} lists a name twice")
