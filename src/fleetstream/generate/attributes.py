"""The attributes of a level's rows: those of its members, and those that are chosen by share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import Bits, mix, name_key, uniform, word_keys
from fleetstream.generate.rows import Column, IntegerColumn, Rows, TextColumn, coded
from fleetstream.model import Level
from fleetstream.model.laws import share_places
from fleetstream.model.levels import SHARE


def member_columns(level: Level, index: npt.NDArray[np.int64]) -> dict[str, Column]:
    """The columns of the listed members of a level, by the position of each row's among them."""
    assert isinstance(level.members, list)
    columns = _columns(level.name, level.members, index)
    return {f"{level.name}.member": IntegerColumn(index), **columns}


def listed_names(level: Level) -> dict[str, list[list[str]]]:
    """The attributes of a level that list names, per member."""
    assert isinstance(level.members, list)
    return {
        f"{level.name}.{attribute}": [list(member[attribute]) for member in level.members]  # type: ignore[arg-type]
        for attribute, example in level.members[0].items()
        if isinstance(example, list)
    }


def listed_column(
    lists: Sequence[Sequence[str]], attribute: str, rows: Rows, index: npt.NDArray[np.int64]
) -> TextColumn:
    """The names that an attribute of an outer level lists; ``lists`` has those of each member."""
    member = rows.column(f"{attribute.partition('.')[0]}.member")
    assert isinstance(member, IntegerColumn)
    starts = np.cumsum([0, *map(len, lists)])
    return coded([name for names in lists for name in names], starts[member.values] + index)


def place_keys(
    level: Level, above: Bits, index: npt.NDArray[np.int64], text: TextColumn | None
) -> Bits:
    """A hash of where each row is, given those of the rows above, independent of the seed.

    What differs between siblings is their ``text`` where they are members, else their ``index``.
    """
    if text is not None:
        return above + word_keys(level.name, text.words)[text.codes]
    return above + mix(index.astype(np.uint64) + name_key("index", level.name))


def choice_columns(level: Level, places: Bits) -> dict[str, Column]:
    """The columns of a level's choices, given a hash of where each row is."""
    columns: dict[str, Column] = {}
    for name, options in level.choices.items():
        drawn = uniform(mix(places + name_key("choice", level.name, name)))
        chosen = share_places([float(option[SHARE]) for option in options], drawn)
        attributes = [{key: each[key] for key in each if key != SHARE} for each in options]
        columns |= _columns(f"{level.name}.{name}", attributes, chosen)
    return columns


def _columns(
    prefix: str, members: Sequence[Mapping[str, Any]], index: npt.NDArray[np.integer]
) -> dict[str, Column]:
    """The texts and integers of members; the column of their names has the prefix as its name."""
    columns: dict[str, Column] = {}
    for attribute, example in members[0].items():
        values: list[Any] = [member[attribute] for member in members]
        name = prefix if attribute == "name" else f"{prefix}.{attribute}"
        if isinstance(example, str):
            columns[name] = coded(values, index)
        elif isinstance(example, int):
            columns[name] = IntegerColumn(np.array(values, np.int64)[index])
    return columns
