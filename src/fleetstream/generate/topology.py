"""Topology: the rows of each level of a model, and the series table of each kind.

A level's rows are kept as arrays with a link to the parent row, and a column of an outer level is
carried down only where it is used, so ten million hosts take some hundred megabytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.choices import Shard
from fleetstream.generate.keys import Bits, word_keys
from fleetstream.model import Level, Model
from fleetstream.model.expressions import Expression
from fleetstream.model.templates import Template

MAX_SERIES = 15_000_000
"""Rows of a level that one run generates, about what the memory of one machine holds."""

MAX_COUNT = 2**31
"""Rows of a level under one row of the level above, before they are divided among shards."""

Indices = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """The series of one kind, in the order of the output.

    ``dimensions`` has one ``dictionary<int32, string>`` column per dimension; ``identities`` a hash
    per series of its dimensions' names and values, independent of the seed.
    """

    kind: str
    dimensions: pa.RecordBatch
    identities: Bits
    _rows: "Rows"
    _title: Template

    def __len__(self) -> int:
        return len(self.identities)

    def titles(self, count: int) -> list[str]:
        """Short names for people of the first ``count`` series."""
        title = rendered(self._title, self._rows.first(count))
        return [title.words[code] for code in title.codes.tolist()]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A text column: ``words[codes]``."""

    codes: Indices
    words: list[str]

    def take(self, rows: Indices) -> "TextColumn":
        return TextColumn(self.codes[rows], self.words)

    @property
    def array(self) -> pa.DictionaryArray:
        """The column in Arrow's form."""
        words = pa.array(self.words, pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(self.codes), words)


@dataclass(frozen=True, slots=True)
class IntegerColumn:
    """An integer column."""

    values: npt.NDArray[np.int64]

    def take(self, rows: Indices) -> "IntegerColumn":
        return IntegerColumn(self.values[rows])


Column = TextColumn | IntegerColumn


@dataclass(slots=True)
class Rows:
    """The rows of a level: each row's parent row in the level above, and its own columns."""

    above: "Rows | None"
    parents: Indices
    columns: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.parents)

    def column(self, name: str) -> Column:
        """A column of this level, or one of a level above carried down. Raises KeyError."""
        if name in self.columns:
            return self.columns[name]
        if self.above is None:
            raise KeyError(name)
        return self.above.column(name).take(self.parents)

    def first(self, count: int) -> "Rows":
        return self.take(np.arange(min(count, len(self)), dtype=np.int32))

    def take(self, rows: Indices) -> "Rows":
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return Rows(self.above, self.parents[rows], columns)

    def keep(self, wanted: npt.NDArray[np.bool_]) -> None:
        """Remove the rows that are not wanted."""
        rows = np.flatnonzero(wanted).astype(np.int32)
        self.parents = self.parents[rows]
        self.columns = {name: column.take(rows) for name, column in self.columns.items()}


class Topology:
    """The rows of a model's levels for chosen parameters, filters and shard.

    ``include`` maps dimensions to the values to keep. Raises ValueError where a parameter is out of
    range, a filter names an unknown value, or the shard or the fleet has an impossible size.
    """

    def __init__(
        self,
        model: Model,
        parameters: Mapping[str, int],
        include: Mapping[str, Sequence[str]],
        shard: Shard | None,
    ) -> None:
        self._model = model
        self._parameters = _parameter_values(model, parameters)
        self._filters = _filters(model, include)
        self._shard = shard
        self._lists: dict[str, list[list[str]]] = {}
        """Attributes that list names, per member."""
        self._levels: dict[str, Rows] = {}
        for level in model.levels:
            *_, above, _ = [None, *model.line(level.name)]
            rows = self._expand(level, None if above is None else self._levels[above.name])
            self._levels[level.name] = rows

    def table(self, key: str) -> SeriesTable:
        """The series of a kind; dimensions that change over time are left out."""
        kind = self._model.kinds[key]
        rows = self._levels[kind.level]
        series = self.series(key)
        if len(series) < len(rows):
            rows = rows.take(series)
        changing = self._model.changing_dimensions(kind)
        columns = {
            name: rendered(template, rows)
            for name, template in kind.templates.items()
            if name not in changing
        }
        identities = np.zeros(len(rows), np.uint64)
        for name, column in columns.items():
            identities += word_keys(name, column.words)[column.codes]
        ordered = np.sort(identities)
        if np.any(ordered[1:] == ordered[:-1]) and not any(changing.values()):
            raise ValueError(
                f"Two series of the kind {key!r} have the same dimensions; add a dimension that "
                "distinguishes them."
            )
        arrays = {name: column.array for name, column in columns.items()}
        title = Template(kind.title or " ".join(kind.dimensions.values()))
        dimensions = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        return SeriesTable(key, dimensions, identities, rows, title)

    def series(self, key: str) -> Indices:
        """The rows of its level that are series of a kind; a shard has not all of them."""
        level = self._model.kinds[key].level
        rows = len(self._levels[level])
        line = [each.name for each in self._model.line(level)]
        if self._shard is None or self._model.shard_level in line:
            return np.arange(rows, dtype=np.int32)
        number, count = self._shard.number, self._shard.count
        first, last = rows * (number - 1) // count, rows * number // count
        return np.arange(first, last, dtype=np.int32)

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
        """For each row of a level, its row of a level above, or of the same."""
        rows, wanted = self._levels[level], self._levels[ancestor]
        found = np.arange(len(rows), dtype=np.int32)
        while rows is not wanted:
            assert rows.above is not None
            found = rows.parents[found]
            rows = rows.above
        return found

    def integers(self, level: str, name: str) -> npt.NDArray[np.int64]:
        """An integer of each row of a level."""
        column = self._levels[level].column(name)
        assert isinstance(column, IntegerColumn)
        return column.values

    def places(self, level: str) -> dict[str, pa.Array]:
        """The text of each row of a level, and of its rows above, by level."""
        return {each.name: self.texts(level, each.name) for each in self._model.line(level)}

    def texts(self, level: str, name: str) -> pa.Array:
        """What a template's field stands for in each row of a level, as a string array."""
        column = self._levels[level].column(name)
        if isinstance(column, TextColumn):
            return column.array.cast(pa.string())
        return pa.array(column.values)

    def _expand(self, level: Level, above: Rows | None) -> Rows:
        counts = self._counts(level, above)
        first, last = 0, int(counts.sum())
        if level.name == self._model.shard_level and self._shard:
            first, last = _part(self._shard, last)
        if last - first > MAX_SERIES:
            raise ValueError(
                f"The model has {last - first:,} rows of the level {level.name!r}, but one run "
                f"takes at most {MAX_SERIES:,}; choose a smaller scale, or give each of several "
                "runs a part with --shard."
            )
        parents, index = _expanded(counts, first, last)
        rows = Rows(above, parents)
        siblings = IntegerColumn(counts.astype(np.int64)[parents])
        rows.columns[f"{level.name}.siblings"] = siblings
        self._add_columns(level, rows, index)
        for name, values in self._filters.get(level.name, {}).items():
            rows.keep(_matching(name, rows.columns[level.name], values))
        return rows

    def _counts(self, level: Level, above: Rows | None) -> npt.NDArray[np.int64]:
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
        counts = np.broadcast_to(self._integers(level.count, above), size)
        for extreme in (counts.min(initial=0), counts.max(initial=0)):
            if not 0 <= extreme <= MAX_COUNT:
                raise ValueError(
                    f"The count {level.count!r} of the level {level.name!r} is {extreme:,}, but "
                    f"must be from 0 to {MAX_COUNT:,}."
                )
        return counts

    def _add_columns(self, level: Level, rows: Rows, index: npt.NDArray[np.int64]) -> None:
        """Set the columns that a level defines, in the order in which they may refer to others."""
        name = level.name
        rows.columns |= {
            f"{name}.index": IntegerColumn(index),
            f"{name}.number": IntegerColumn(index + 1),
        }
        if isinstance(level.members, list):
            rows.columns |= self._member_columns(level, index)
        elif isinstance(level.members, str):
            rows.columns[name] = self._listed(level.members, rows, index)
        for number, text in level.numbers.items():
            values = np.broadcast_to(self._integers(text, rows), len(rows))
            rows.columns[f"{name}.{number}"] = IntegerColumn(values)
        if level.label is not None:
            rows.columns[name] = rendered(Template(level.label), rows)

    def _member_columns(self, level: Level, index: npt.NDArray[np.int64]) -> dict[str, Column]:
        assert isinstance(level.members, list)
        columns: dict[str, Column] = {f"{level.name}.member": IntegerColumn(index)}
        for attribute, example in level.members[0].items():
            values: list[Any] = [member[attribute] for member in level.members]
            name = level.name if attribute == "name" else f"{level.name}.{attribute}"
            if isinstance(example, int):
                columns[name] = IntegerColumn(np.array(values, np.int64)[index])
            elif isinstance(example, str):
                columns[name] = _coded(values, index)
            else:
                self._lists[name] = values
        return columns

    def _listed(self, attribute: str, rows: Rows, index: npt.NDArray[np.int64]) -> TextColumn:
        """The names that an attribute of an outer level lists."""
        lists = self._lists[attribute]
        member = rows.column(f"{attribute.partition('.')[0]}.member")
        assert isinstance(member, IntegerColumn)
        starts = np.cumsum([0, *map(len, lists)])
        return _coded([name for names in lists for name in names], starts[member.values] + index)

    def _integers(self, text: str, rows: Rows | None) -> npt.NDArray[np.int64]:
        """The value of an expression, for each row unless it is the same for all."""
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
            raise ValueError(f"{text!r} cannot be calculated: {error}.") from error
        if result.dtype != np.int64:
            raise ValueError(f"{text!r} is not an integer; divide by // instead of /.")
        return result


def rendered(template: Template, rows: Rows) -> TextColumn:
    """A template for every row; each distinct combination of its fields is rendered once."""
    if template.sole_field is not None:
        column = rows.column(template.sole_field)
        if isinstance(column, TextColumn):
            return column
    columns = {name: _field(name, rows) for name in template.fields}
    sizes = [len(words) for _, words in columns.values()]
    codes: npt.NDArray[np.int64] = np.zeros(len(rows), np.int64)
    for (values, _), size in zip(columns.values(), sizes, strict=True):
        codes = codes * size + values
    encoded = pa.array(codes).dictionary_encode()
    distinct = encoded.dictionary.to_numpy()
    texts = []
    for places in zip(*np.unravel_index(distinct, sizes), strict=True) if sizes else [()]:
        found = zip(columns.items(), places, strict=True)
        texts.append(template.render({name: words[place] for (name, (_, words)), place in found}))
    return _coded(texts, encoded.indices.to_numpy())


def _field(name: str, rows: Rows) -> tuple[npt.NDArray[np.integer], Sequence[str] | Sequence[int]]:
    """A field's code per row, and what each code stands for."""
    column = rows.column(name)
    if isinstance(column, TextColumn):
        return column.codes, column.words
    encoded = pa.array(column.values).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _coded(words: list[str], places: npt.NDArray[np.integer]) -> TextColumn:
    """``words[places]``, with each distinct word once."""
    distinct = list(dict.fromkeys(words))
    if len(distinct) == len(words):
        return TextColumn(places.astype(np.int32), words)
    position = {word: place for place, word in enumerate(distinct)}
    codes = np.array([position[word] for word in words], np.int32)
    return TextColumn(codes[places], distinct)


def _expanded(
    counts: npt.NDArray[np.int64], first: int, last: int
) -> tuple[Indices, npt.NDArray[np.int64]]:
    """The parent, and the index under it, of rows ``first`` until ``last`` of an expanded level."""
    ends = np.cumsum(counts)
    starts = ends - counts
    within = np.clip(np.minimum(ends, last) - np.maximum(starts, first), 0, None)
    parents = np.repeat(np.arange(len(counts), dtype=np.int32), within)
    return parents, np.arange(first, last) - starts[parents]


def _part(shard: Shard, rows: int) -> tuple[int, int]:
    """The first of so many rows that a shard keeps, and the row after its last."""
    number, count = shard.number, shard.count
    if not 1 <= number <= count:
        raise ValueError(f"There is no part {number} of {count}; parts are numbered from 1.")
    if count > rows:
        raise ValueError(
            f"The fleet has {rows:,} rows to share, too few for {count:,} parts; ask for fewer."
        )
    return rows * (number - 1) // count, rows * number // count


def _parameter_values(model: Model, parameters: Mapping[str, int]) -> dict[str, int]:
    """All parameters of the model with their values."""
    for name in parameters:
        if name not in model.parameters:
            raise ValueError(f"The model {model.name!r} has no parameter {name!r}.")
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


def _filters(
    model: Model, include: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Sequence[str]]]:
    """Filters by the level whose text is the dimension."""
    filters: dict[str, dict[str, Sequence[str]]] = {}
    for dimension, values in include.items():
        templates = [
            kind.templates[dimension]
            for kind in model.kinds.values()
            if dimension in kind.dimensions
        ]
        levels = {template.sole_field for template in templates}
        names = levels & {level.name for level in model.levels}
        if len(levels) != 1 or not names:
            raise ValueError(
                f"The model {model.name!r} cannot be filtered by {dimension!r}; only dimensions "
                "that are the text of one level can be."
            )
        filters.setdefault(str(names.pop()), {})[dimension] = values
    return filters


def _matching(dimension: str, column: Column, values: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which rows have one of the values. Raises ValueError for a value that no row has."""
    assert isinstance(column, TextColumn)
    for value in values:
        if value not in column.words:
            raise ValueError(
                f"There is no {dimension} {value!r}; choose from {', '.join(column.words)}."
            )
    wanted = np.array([word in values for word in column.words], np.bool_)
    return wanted[column.codes]
