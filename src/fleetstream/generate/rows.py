"""Rows of a topology's levels, and the texts that templates make of them.

A level's rows are kept as arrays with a link to the parent row, and a column of an outer level is
carried down only where it is used, so ten million hosts take some hundred megabytes.
"""

from collections.abc import Sequence
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
