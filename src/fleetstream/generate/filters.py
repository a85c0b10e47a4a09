"""Filters: which series of a fleet a run keeps, by the values of their dimensions.

A filter removes rows of the topology: those of the innermost level that the dimension's template
refers to, and with them everything below, also in other branches. So kinds at that level and below
it are filtered, also those that do not have the dimension, and kinds at the levels above keep all
their series. Where several kinds have dimensions of the same name from different templates, each of
these kinds is filtered by its own, and the others keep all their series. Where the values of a
dimension change with the instances of a slot, a filter keeps instances instead of rows, of the
kinds that have the dimension.

Filters change no value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.rows import TextColumn
from fleetstream.model import Model, SeriesKind
from fleetstream.model.suggestions import suggested
from fleetstream.model.templates import Template


@dataclass(frozen=True, slots=True)
class DimensionFilter:
    """Keeps what has one of some values of a dimension, or with ``excluded`` what has none.

    With ``is_open``, some of the values may be those of instances that are not known beforehand.
    """

    dimension: str
    template: Template
    values: tuple[str, ...]
    excluded: bool
    is_open: bool = False

    def matching(self, column: TextColumn) -> Booleans:
        """Which rows it keeps, by their texts."""
        return self._kept(column.words)[column.codes]

    def matching_array(self, column: pa.DictionaryArray) -> Booleans:
        """As :meth:`matching`, of an array."""
        kept: Booleans = self._kept(column.dictionary.to_pylist())[column.indices.to_numpy()]
        return kept

    def _kept(self, words: Sequence[str]) -> Booleans:
        return np.array([(word in self.values) != self.excluded for word in words], np.bool_)

    def check_values(self, columns: Sequence[TextColumn]) -> None:
        """Raises ValueError for a value that no row of any column has."""
        known = dict.fromkeys(word for column in columns for word in column.words)
        for value in () if self.is_open else self.values:
            if value not in known:
                raise ValueError(
                    f"There is no {self.dimension} {value!r}; {suggested(value, list(known))}"
                )


@dataclass(frozen=True, slots=True)
class Filters:
    """Those that apply to the rows of a level, by level, to kinds, and to instances of a kind."""

    of_levels: dict[str, list[DimensionFilter]] = field(default_factory=dict)
    of_kinds: list[DimensionFilter] = field(default_factory=list)
    of_instances: dict[str, list[DimensionFilter]] = field(default_factory=dict)


def make_filters(
    model: Model, include: Mapping[str, Sequence[str]], exclude: Mapping[str, Sequence[str]]
) -> Filters:
    """The filters of a model.

    Raises ValueError for a dimension that it does not have, and for a value that no instance can
    have.
    """
    filters = Filters()
    for chosen, excluded in ((include, False), (exclude, True)):
        for dimension, values in chosen.items():
            kinds = _lasting_kinds(model, dimension)
            changing = _changing(model, dimension)
            for key, template in changing.items():
                of_instances = DimensionFilter(dimension, template, tuple(values), excluded)
                if not kinds:
                    _check_form(of_instances)
                filters.of_instances.setdefault(key, []).append(of_instances)
            if not kinds:
                continue
            templates = [kind.templates[dimension] for kind in kinds]
            is_open = bool(changing)
            made = DimensionFilter(dimension, templates[0], tuple(values), excluded, is_open)
            if is_open or any(template != templates[0] for template in templates):
                filters.of_kinds.append(made)
            else:
                filters.of_levels.setdefault(_level(model, kinds[0], made), []).append(made)
    return filters


def _changing(model: Model, dimension: str) -> dict[str, Template]:
    """The templates of a dimension in the kinds in which it changes over time, by kind."""
    return {
        key: kind.templates[dimension]
        for key, kind in model.kinds.items()
        if dimension in model.changing_dimensions(kind)
    }


def _check_form(each: DimensionFilter) -> None:
    """Raises ValueError for a value that the template cannot make.

    Which instances there are is not known before they are, so nothing more can be checked.
    """
    form = "".join(
        re.escape(literal) + (".+" if name is not None else "")
        for literal, name, _ in each.template.parts
    )
    for value in each.values:
        if not re.fullmatch(form, value, re.DOTALL):
            raise ValueError(
                f"There is no {each.dimension} {value!r}; its values are of the form "
                f"{each.template.text}"
            )


def _lasting_kinds(model: Model, dimension: str) -> list[SeriesKind]:
    """The kinds that have a dimension whose values do not change over time."""
    kinds = [kind for kind in model.kinds.values() if dimension in kind.dimensions]
    if not kinds:
        raise ValueError(
            f"The model {model.name!r} has no dimension {dimension!r}; "
            f"{suggested(dimension, model.dimensions)}"
        )
    return [kind for kind in kinds if dimension not in model.changing_dimensions(kind)]


def _level(model: Model, kind: SeriesKind, each: DimensionFilter) -> str:
    """The innermost level that a template refers to, the outermost where it refers to none."""
    used = {name.partition(".")[0] for name in each.template.fields}
    names = model.above(kind.level)
    return next((name for name in reversed(names) if name in used), names[0])
