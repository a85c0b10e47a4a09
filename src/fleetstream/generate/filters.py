"""Filters: which series of a fleet a run keeps, by the values of their dimensions.

A filter removes rows of the topology: those of the innermost level that the dimension's template
refers to, and with them everything below, also in other branches. So kinds at that level and below
it are filtered, also those that do not have the dimension, and kinds at the levels above keep all
their series. Where several kinds have dimensions of the same name from different templates, each of
these kinds is filtered by its own, and the others keep all their series.

Filters change no value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.rows import TextColumn
from fleetstream.model import Model, SeriesKind
from fleetstream.model.suggestions import suggested
from fleetstream.model.templates import Template

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """Keeps what has one of some values of a dimension, or with ``excluded`` what has none."""

    dimension: str
    template: Template
    values: tuple[str, ...]
    excluded: bool

    def matching(self, column: TextColumn) -> Flags:
        """Which rows it keeps, by their texts."""
        wanted = [(word in self.values) != self.excluded for word in column.words]
        return np.array(wanted, np.bool_)[column.codes]

    def check_values(self, columns: Sequence[TextColumn]) -> None:
        """Raises ValueError for a value that no row of any column has."""
        known = dict.fromkeys(word for column in columns for word in column.words)
        for value in self.values:
            if value not in known:
                raise ValueError(
                    f"There is no {self.dimension} {value!r}; {suggested(value, list(known))}"
                )


@dataclass(frozen=True, slots=True)
class Filters:
    """Those that apply to the rows of a level, by level, and those that apply to kinds."""

    of_levels: dict[str, list[DimensionFilter]] = field(default_factory=dict)
    of_kinds: list[DimensionFilter] = field(default_factory=list)


def make_filters(
    model: Model, include: Mapping[str, Sequence[str]], exclude: Mapping[str, Sequence[str]]
) -> Filters:
    """The filters of a model.

    Raises ValueError for a dimension that it does not have, or whose values change over time.
    """
    filters = Filters()
    for chosen, excluded in ((include, False), (exclude, True)):
        for dimension, values in chosen.items():
            kinds = _kinds(model, dimension)
            templates = [kind.templates[dimension] for kind in kinds]
            made = DimensionFilter(dimension, templates[0], tuple(values), excluded)
            if any(template != templates[0] for template in templates):
                filters.of_kinds.append(made)
            else:
                filters.of_levels.setdefault(_level(model, kinds[0], made), []).append(made)
    return filters


def _kinds(model: Model, dimension: str) -> list[SeriesKind]:
    """The kinds that have a dimension."""
    kinds = [kind for kind in model.kinds.values() if dimension in kind.dimensions]
    if not kinds:
        raise ValueError(
            f"The model {model.name!r} has no dimension {dimension!r}; "
            f"{suggested(dimension, model.dimensions)}"
        )
    changing = {name for kind in model.kinds.values() for name in model.changing_dimensions(kind)}
    if dimension in changing:
        others = [name for name in model.dimensions if name not in changing]
        raise ValueError(
            f"The values of {dimension!r} change over time, so series cannot be chosen by them; "
            f"{suggested('', others)}"
        )
    return kinds


def _level(model: Model, kind: SeriesKind, each: DimensionFilter) -> str:
    """The innermost level that a template refers to, the outermost where it refers to none."""
    used = {name.partition(".")[0] for name in each.template.fields}
    names = model.above(kind.level)
    return next((name for name in reversed(names) if name in used), names[0])
