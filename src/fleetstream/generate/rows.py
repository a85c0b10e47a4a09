"""Rows of a topology's levels, and the texts that templates make of them.

A level's rows are kept as arrays with a link to the parent row, and a column of an outer level is
carried down only where it is used, so ten million hosts take some hundred megabytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.model.loader import ModelFault
from fleetstream.model.templates import Template

MAX_TEXT = 2_048
"""Characters of a name or dimension that a template makes."""

MAX_CODES = 2**62
"""Codes of combinations of words stay below this, so that they do not overflow."""

TABLE_PER_VALUE, SMALL_TABLE = 4, 10_000
"""Entries that a table of integers may have, per value and in any case."""

Indices = npt.NDArray[np.int32]


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
    """The rows of a level: each row's parent row in the level above, and its own columns.

    ``others`` are further levels that the rows are below, each with the row of it for each row.
    """

    above: "Rows | None"
    parents: Indices
    columns: dict[str, Column] = field(default_factory=dict)
    others: "list[tuple[Rows, Indices]]" = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.parents)

    def column(self, name: str) -> Column:
        """A column of this level, or one of a level above carried down. Raises KeyError."""
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def within(self, wanted: "Rows") -> Indices | None:
        """For each row, its row of a level that it is below, or itself; None if of neither."""
        if self is wanted:
            return np.arange(len(self), dtype=np.int32)
        for above, rows in self._all_above:
            found = above.within(wanted)
            if found is not None:
                return found[rows]
        return None

    def find(self, name: str) -> Column | None:
        """As :meth:`column`; None where there is none."""
        if name in self.columns:
            return self.columns[name]
        for above, rows in self._all_above:
            found = above.find(name)
            if found is not None:
                return found.take(rows)
        return None

    @property
    def _all_above(self) -> "Iterator[tuple[Rows, Indices]]":
        if self.above is not None:
            yield self.above, self.parents
        yield from self.others

    def first(self, count: int) -> "Rows":
        return self.take(np.arange(min(count, len(self)), dtype=np.int32))

    def take(self, rows: Indices) -> "Rows":
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        others = [(other, found[rows]) for other, found in self.others]
        return Rows(self.above, self.parents[rows], columns, others)


def rendered(template: Template, rows: Rows, *path: str | int) -> TextColumn:
    """A template for every row; each distinct combination of its fields is rendered once.

    Raises ModelFault, with the template's ``path``, where a text is too long.
    """
    if template.sole_field is not None:
        column = rows.column(template.sole_field)
        if isinstance(column, TextColumn):
            return column
    columns = {name: _field(name, rows) for name in template.fields}
    codes: npt.NDArray[np.int64] = np.zeros(len(rows), np.int64)
    size = 1
    for values, words in columns.values():
        if size * len(words) > MAX_CODES:
            codes, distinct = _encoded(codes)
            size = len(distinct)
        codes = codes * len(words) + values
        size *= len(words)
    indices, _ = _encoded(codes)
    examples = _first_places(indices)
    fields = {
        name: [words[code] for code in values[examples].tolist()]
        for name, (values, words) in columns.items()
    }
    texts: list[str] = []
    for place in range(len(examples)):
        texts.append(template.render({name: each[place] for name, each in fields.items()}))
        if len(texts[-1]) > MAX_TEXT:
            raise ModelFault(
                f"A text that {template.text[:100]!r} makes has {len(texts[-1]):,} characters, but "
                f"the most are {MAX_TEXT:,}.",
                *path,
            )
    return coded(texts, indices)


def _first_places(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    """Where each of the codes from 0 on is first."""
    places = np.zeros(int(codes.max(initial=-1)) + 1, np.intp)
    places[codes[::-1]] = np.arange(len(codes))[::-1]
    return places


def _field(name: str, rows: Rows) -> tuple[npt.NDArray[np.integer], Sequence[str] | Sequence[int]]:
    """A field's code per row, and what each code stands for."""
    column = rows.column(name)
    if isinstance(column, TextColumn):
        return column.codes, column.words
    codes, distinct = _encoded(column.values)
    return codes, distinct.tolist()


def _encoded(
    values: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The place of each value among the distinct values, and these.

    A table of all integers in their range is used where it is small: it is faster than Arrow's
    hashes, which also need ``pyarrow.compute``, a tenth of a run's start.
    """
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if high - low > TABLE_PER_VALUE * len(values) + SMALL_TABLE:
        encoded = pa.array(values).dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_numpy()
    present = np.zeros(high - low + 1, np.bool_)
    present[values - low] = True
    places = np.cumsum(present) - 1
    return places[values - low], np.flatnonzero(present) + low


def coded(words: list[str], places: npt.NDArray[np.integer]) -> TextColumn:
    """``words[places]``, with each distinct word once."""
    distinct = list(dict.fromkeys(words))
    if len(distinct) == len(words):
        return TextColumn(places.astype(np.int32), words)
    position = {word: place for place, word in enumerate(distinct)}
    codes = np.array([position[word] for word in words], np.int32)
    return TextColumn(codes[places], distinct)


def words_of(rows: Rows, name: str) -> list[str]:
    """A text column of each row."""
    column = rows.column(name)
    assert isinstance(column, TextColumn)
    return [column.words[code] for code in column.codes.tolist()]


def expanded(
    counts: npt.NDArray[np.int64], first: int, last: int
) -> tuple[Indices, npt.NDArray[np.int64]]:
    """The parent, and the index under it, of rows ``first`` until ``last`` of an expanded level."""
    ends = np.cumsum(counts)
    starts = ends - counts
    within = np.clip(np.minimum(ends, last) - np.maximum(starts, first), 0, None)
    parents = np.repeat(np.arange(len(counts), dtype=np.int32), within)
    return parents, np.arange(first, last) - starts[parents]


def rows_at(level: Rows, index: str, parents: Indices, positions: npt.NDArray[np.int64]) -> Indices:
    """The rows of a level at positions under rows of the level above it, −1 where there is none.

    ``index`` is the name of the column that has the positions of the level's own rows.
    """
    own = level.columns[index]
    assert isinstance(own, IntegerColumn)
    size = max(int(positions.max(initial=0)), int(own.values.max(initial=0))) + 1
    known = level.parents.astype(np.int64) * size + own.values
    wanted = parents * np.int64(size) + positions
    places = np.searchsorted(known, wanted).clip(max=max(len(known) - 1, 0))
    if not len(known):
        return np.full(len(wanted), -1, np.int32)
    return np.where(known[places] == wanted, places, -1).astype(np.int32)
