"""Topology: the rows of each level of a model, and the series table of each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.attributes import (
    choice_columns,
    listed_column,
    listed_names,
    member_columns,
    place_keys,
)
from fleetstream.generate.choices import Shard
from fleetstream.generate.filters import DimensionFilter, make_filters
from fleetstream.generate.keys import Bits, Booleans, word_keys
from fleetstream.generate.rows import (
    Indices,
    IntegerColumn,
    Rows,
    TextColumn,
    expanded,
    rendered,
    rows_at,
    words_of,
)
from fleetstream.model import Level, Model
from fleetstream.model.expressions import Expression
from fleetstream.model.loader import ModelFault
from fleetstream.model.suggestions import suggested
from fleetstream.model.templates import Template

MAX_SERIES = 15_000_000
"""Rows of a level that one run generates, about what the memory of one machine holds."""

MAX_COUNT = 2**31
"""Rows of a level under one row of the level above, before they are divided among shards."""


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """The series of one kind, in the order of the output.

    ``dimensions`` has one ``dictionary<int32, string>`` column per dimension; ``identities`` a hash
    per series of its dimensions' names and values, independent of the seed.
    """

    kind: str
    dimensions: pa.RecordBatch
    identities: Bits
    _rows: Rows
    _title: Template

    def __len__(self) -> int:
        return len(self.identities)

    def titles(self, count: int) -> list[str]:
        """Short names for people of the first ``count`` series."""
        title = rendered(self._title, self._rows.first(count))
        return [title.words[code] for code in title.codes.tolist()]


class Topology:
    """The rows of a model's levels for chosen parameters, filters and shard.

    ``include`` and ``exclude`` map dimensions to the values to keep and to leave out;
    :mod:`fleetstream.generate.filters` says what they keep. With ``down_to``, only this level and
    those above it have rows. Raises ValueError where a parameter is out of range, a filter names
    what is unknown or leaves nothing, or the shard or the fleet has an impossible size.
    """

    def __init__(
        self,
        model: Model,
        parameters: Mapping[str, int],
        include: Mapping[str, Sequence[str]],
        exclude: Mapping[str, Sequence[str]],
        shard: Shard | None,
        down_to: str | None = None,
    ) -> None:
        self._model = model
        self._parameters = _parameter_values(model, parameters)
        self.filters = make_filters(model, include, exclude)
        self._shard = shard
        self._lists: dict[str, list[list[str]]] = {}
        """Attributes that list names, per member."""
        self._levels: dict[str, Rows] = {}
        wanted = None if down_to is None else model.above(down_to)
        for index, level in enumerate(model.levels):
            if wanted is not None and level.name not in wanted:
                continue
            *_, above, _ = [None, *model.line(level.name)]
            rows = self._expand(level, None if above is None else self._levels[above.name], index)
            self._levels[level.name] = rows
        self._kept: dict[str, Booleans] = {}
        """Which rows of their level are series of the kinds that are filtered themselves."""
        for each in self.filters.of_kinds:
            self._filter_kinds(each)
        if (
            (include or exclude)
            and not shard
            and not any(len(self.series(key)) for key in model.kinds)
        ):
            raise ValueError("The filters leave no series; name fewer or other values.")

    @property
    def level_sizes(self) -> dict[str, int]:
        """How many rows each level has."""
        return {name: len(rows) for name, rows in self._levels.items()}

    def table(self, key: str) -> SeriesTable:
        """The series of a kind; dimensions that change over time are left out."""
        kind = self._model.kinds[key]
        rows = self._levels[kind.level]
        series = self.series(key)
        if len(series) < len(rows):
            rows = rows.take(series)
        changing = self._model.changing_dimensions(kind)
        columns = {
            name: rendered(template, rows, "kinds", key, "dimensions", name)
            for name, template in kind.templates.items()
            if name not in changing
        }
        identities = np.zeros(len(rows), np.uint64)
        for name, column in columns.items():
            identities += word_keys(name, column.words)[column.codes]
        ordered = np.sort(identities)
        if np.any(ordered[1:] == ordered[:-1]) and not any(changing.values()):
            raise ModelFault(
                f"Two series of the kind {key!r} have the same dimensions; add a dimension that "
                "distinguishes them.",
                *("kinds", key, "dimensions"),
            )
        arrays = {name: column.array for name, column in columns.items()}
        lasting = [text for name, text in kind.dimensions.items() if name in columns]
        title = Template(kind.title or " ".join(lasting) or f"{{{kind.level}}}")
        dimensions = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        return SeriesTable(key, dimensions, identities, rows, title)

    def series(self, key: str) -> Indices:
        """The rows of its level that are series of a kind: what filters and a shard leave."""
        level = self._model.kinds[key].level
        rows = _places(self._kept.get(key, np.ones(len(self._levels[level]), np.bool_)))
        line = [each.name for each in self._model.line(level)]
        if self._shard is None or self._model.shard_level in line:
            return rows
        return rows[slice(*self._shard.bounds(len(rows)))]

    def identities(self, level: str) -> Bits:
        """A hash per row of a level of its text and of those above, independent of the seed."""
        rows = self._levels[level]
        total = np.zeros(len(rows), np.uint64)
        for each in self._model.line(level):
            column = rows.column(each.name)
            assert isinstance(column, TextColumn)
            total += word_keys(each.name, column.words)[column.codes]
        return total

    def above(self, level: str, ancestor: str) -> Indices:
        """For each row of a level, its row of a level that it is below, or of the same."""
        found = self._levels[level].within(self._levels[ancestor])
        assert found is not None
        return found

    def integers(self, level: str, name: str) -> npt.NDArray[np.int64]:
        """An integer of each row of a level."""
        column = self._levels[level].column(name)
        assert isinstance(column, IntegerColumn)
        return column.values

    def places(self, level: str, rows: Indices) -> list[dict[str, str]]:
        """The text of each of some rows of a level, and of its rows above, by level."""
        found = self._levels[level].take(rows)
        texts = {each.name: words_of(found, each.name) for each in self._model.line(level)}
        return [dict(zip(texts, place, strict=True)) for place in zip(*texts.values(), strict=True)]

    def matching(self, level: str, wanted: Mapping[str, Sequence[str]]) -> npt.NDArray[np.intp]:
        """The rows of a level with one of the texts of each level, which it is or is below."""
        rows = self._levels[level]
        found = np.ones(len(rows), np.bool_)
        for name, texts in wanted.items():
            column = rows.column(name)
            assert isinstance(column, TextColumn)
            found &= np.array([word in texts for word in column.words], np.bool_)[column.codes]
        return np.flatnonzero(found)

    def words(self, level: str) -> list[str]:
        """The different texts of the rows of a level."""
        column = self._levels[level].column(level)
        assert isinstance(column, TextColumn)
        return [column.words[code] for code in np.unique(column.codes).tolist()]

    def siblings(self, level: str, row: int) -> tuple[int, int]:
        """The first of the rows under the same row of the level above, and the row after them."""
        parents = self._levels[level].parents
        first, last = (
            np.searchsorted(parents, parents[row], "left"),
            np.searchsorted(parents, parents[row], "right"),
        )
        return int(first), int(last)

    def texts(self, level: str, name: str) -> pa.Array:
        """What a template's field stands for in each row of a level, as a string array."""
        column = self._levels[level].column(name)
        if isinstance(column, TextColumn):
            return column.array.cast(pa.string())
        return pa.array(column.values)

    def _expand(self, level: Level, above: Rows | None, index: int) -> Rows:
        counts = self._counts(level, above, index)
        filters = self.filters.of_levels.get(level.name, ())
        shard = self._shard if level.name == self._model.shard_level else None
        first, last = 0, int(counts.sum())
        is_partial = bool(filters) or self._loses_rows(level)
        if shard and not is_partial:
            first, last = shard.part_of(last)
        if last - first > MAX_SERIES:
            raise ModelFault(
                f"The model has {last - first:,} rows of the level {level.name!r}, but one run "
                f"takes at most {MAX_SERIES:,}; choose a smaller scale, or give each of several "
                "runs a part with --shard.",
                *("levels", index, "members" if level.count is None else "count"),
            )
        parents, places = expanded(counts, first, last)
        rows = Rows(above, parents)
        siblings = IntegerColumn(counts.astype(np.int64)[parents])
        rows.columns[f"{level.name}.siblings"] = siblings
        if above is None:
            rows.columns |= {
                name: IntegerColumn(np.full(len(rows), value))
                for name, value in self._parameters.items()
            }
        self._add_columns(level, rows, places, index)
        for other in level.also_under:
            rows = self._under_other(level, index, rows, other)
        if level.label is not None:
            label = rendered(Template(level.label), rows, "levels", index, "label")
            rows.columns[level.name] = label
        for each in filters:
            column = rendered(each.template, rows)
            if self._is_whole(level):
                each.check_values([column])
            rows = rows.take(_places(each.matching(column)))
        if shard and is_partial:
            rows = rows.take(np.arange(*shard.part_of(len(rows)), dtype=np.int32))
        return rows

    def _is_whole(self, level: Level) -> bool:
        """Whether a level has all rows of the fleet when it is filtered, also in a part of it."""
        above = [each.name for each in self._model.line(level.name)[:-1]]
        return self._shard is None or self._model.shard_level not in above

    def _filter_kinds(self, each: DimensionFilter) -> None:
        """Filter the kinds that have a dimension, each by its own template."""
        columns = {
            key: rendered(kind.templates[each.dimension], self._levels[kind.level])
            for key, kind in self._model.kinds.items()
            if each.dimension in kind.dimensions
            and each.dimension not in self._model.changing_dimensions(kind)
        }
        if self._shard is None:
            each.check_values([*columns.values()])
        for key, column in columns.items():
            matching = each.matching(column)
            self._kept[key] = self._kept[key] & matching if key in self._kept else matching

    def _counts(self, level: Level, above: Rows | None, index: int) -> npt.NDArray[np.int64]:
        """How many rows each row of the level above gets."""
        size = 1 if above is None else len(above)
        if isinstance(level.members, list):
            return np.full(size, len(level.members))
        if isinstance(level.members, str):
            lists = self._lists[level.members]
            assert above is not None
            member = above.column(f"{level.members.partition('.')[0]}.member")
            assert isinstance(member, IntegerColumn)
            return np.array([len(names) for names in lists])[member.values]
        assert level.count is not None
        counts = np.broadcast_to(self._integers(level.count, above, "levels", index, "count"), size)
        for extreme in (counts.min(initial=0), counts.max(initial=0)):
            if not 0 <= extreme <= MAX_COUNT:
                raise ModelFault(
                    f"The count {level.count!r} of the level {level.name!r} is {extreme:,}, but "
                    f"must be from 0 to {MAX_COUNT:,}.",
                    *("levels", index, "count"),
                )
        return counts

    def _add_columns(
        self, level: Level, rows: Rows, index: npt.NDArray[np.int64], place: int
    ) -> None:
        """Set the columns that a level defines, in the order in which they may refer to others."""
        name = level.name
        rows.columns |= {
            f"{name}.index": IntegerColumn(index),
            f"{name}.number": IntegerColumn(index + 1),
        }
        if isinstance(level.members, list):
            rows.columns |= member_columns(level, index)
            self._lists |= listed_names(level)
        elif isinstance(level.members, str):
            lists = self._lists[level.members]
            rows.columns[name] = listed_column(lists, level.members, rows, index)
        if level.choices:
            rows.columns |= choice_columns(level, self._place_keys(level, rows, index))
        for number, text in level.numbers.items():
            values = np.broadcast_to(
                self._integers(text, rows, "levels", place, "numbers", number), len(rows)
            )
            rows.columns[f"{name}.{number}"] = IntegerColumn(values)

    def _under_other(self, level: Level, place: int, rows: Rows, other: str) -> Rows:
        """The rows of a level that are below rows of a level of another branch, which are there."""
        path = "levels", place, "also_under", other
        *_, above, described = [None, *self._model.line(other)]
        assert described is not None
        parents, outer = np.zeros(len(rows), np.int32), None
        if above is not None:
            outer = self._levels[above.name]
            found = rows.within(outer)
            assert found is not None
            parents = found
        text = level.also_under[other]
        positions = np.broadcast_to(self._integers(text, rows, *path), len(rows))
        counts = self._counts(described, outer, self._model.levels.index(described))[parents]
        wrong = np.flatnonzero((positions < 0) | (positions >= counts))
        if len(wrong):
            raise ModelFault(
                f"{text!r} is {positions[wrong[0]]:,}, but there are {counts[wrong[0]]:,} rows of "
                f"the level {other!r}, whose positions are counted from 0.",
                *path,
            )
        places = rows_at(self._levels[other], f"{other}.index", parents, positions)
        kept = np.flatnonzero(places >= 0).astype(np.int32)
        rows = rows.take(kept)
        rows.others.append((self._levels[other], places[kept]))
        return rows

    def _loses_rows(self, level: Level) -> bool:
        """Whether filters leave out rows of other branches that a level is below."""
        line = {each.name for each in self._model.line(level.name)}
        return not line.issuperset(self.filters.of_levels.keys() & self._model.above(level.name))

    def _place_keys(self, level: Level, rows: Rows, index: npt.NDArray[np.int64]) -> Bits:
        """A hash per row of where it is, also before its text is known."""
        *_, above, _ = [None, *self._model.line(level.name)]
        if above is None:
            keys = np.zeros(len(rows), np.uint64)
        else:
            keys = self.identities(above.name)[rows.parents]
        text = rows.columns.get(level.name)
        assert not isinstance(text, IntegerColumn)
        return place_keys(level, keys, index, text)

    def _integers(self, text: str, rows: Rows | None, *path: str | int) -> npt.NDArray[np.int64]:
        """The value of an expression at ``path``, for each row unless it is the same for all."""
        expression = Expression(text)
        values: dict[str, npt.NDArray[np.int64] | np.int64] = {}
        for name in expression.names:
            if name in self._parameters:
                values[name] = np.int64(self._parameters[name])
            else:
                assert rows is not None
                column = rows.column(name)
                assert isinstance(column, IntegerColumn)
                values[name] = column.values
        try:
            with np.errstate(all="raise"):
                result = np.asarray(expression.evaluate(values))
        except FloatingPointError as error:
            raise ModelFault(f"{text!r} cannot be calculated: {error}.", *path) from error
        if result.dtype != np.int64:
            raise ModelFault(f"{text!r} is no integer; write // for /, a product for **.", *path)
        return result


def _parameter_values(model: Model, parameters: Mapping[str, int]) -> dict[str, int]:
    """All parameters of the model with their values."""
    for name in parameters:
        if name not in model.parameters:
            known = suggested(name, list(model.parameters))
            raise ValueError(f"The model {model.name!r} has no parameter {name!r}; {known}")
    values = {}
    for name, parameter in model.parameters.items():
        value = parameters.get(name, parameter.default)
        if not parameter.minimum <= value <= parameter.maximum:
            raise ValueError(
                f"The {name.replace('_', ' ')} is {value:,}, but must be from "
                f"{parameter.minimum:,} to {parameter.maximum:,}."
            )
        values[name] = value
    return values


def _places(flags: Booleans) -> Indices:
    return np.flatnonzero(flags).astype(np.int32)
