"""Line protocol, rendered from a batch's columns without a Python loop per value.

InfluxDB's "Line protocol reference" defines it. Under the multi-measure model a record is a line of
the measurement named after its kind, with one field per measure; under the single-measure model it
is a line of the measurement named after its measure, with the field ``value``. Tags are the
dimensions, ordered by name. Doubles are floats, BIGINT integers end with ``i``, words are strings.
Line protocol has no times but a point's own, so TIMESTAMP measures are integers, in milliseconds.

Lines are rows of a grid of bytes. Slots are padded with zero bytes, which are removed at the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records, whole_times
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.text_grid import (
    ByteGrid,
    RowTemplate,
    Slot,
    blank,
    keep_items,
    slot_texts,
)
from fleetstream.targets.texts import Texts, TextStyle, padded, value_texts

LINES = 5_000
"""About how many lines a body has; InfluxDB's documentation recommends 5,000 to 10,000."""

VALUE_FIELD = "value"
"""The field of single-measure records."""

FILL = "\0"

CACHED_BYTES = 256 * 2**20
"""Bytes of cached tag sets: enough for about a million series."""


def _string(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


LINE_STYLE = TextStyle("", "i", _string, FILL)


def escaped_tag(word: str) -> str:
    """A key or value of a tag. Line ends, which it cannot contain, become spaces.

    A backslash at the end would escape what follows, so a space is added behind it.
    """
    word = word.replace("\r", " ").replace("\n", " ")
    for special in (",", "=", " "):
        word = word.replace(special, f"\\{special}")
    return f"{word}\\ " if word.endswith("\\") else word


@dataclass(frozen=True, slots=True)
class _TagSets:
    """The tags of each row, each tag preceded by a comma.

    ``dictionaries`` are what they were made from: kept, so that their addresses stay theirs.
    """

    texts: Texts
    dictionaries: list[pa.StringArray]


@dataclass(frozen=True, slots=True)
class _LineColumns:
    """The texts of a batch by row: tags, timestamps, and the values of each measure."""

    tags: Texts
    times: Texts
    values: list[Texts]


class LineRenderer:
    """Renders batches into bodies of lines."""

    def __init__(self) -> None:
        self._tags = ArrayCache[_TagSets](CACHED_BYTES, lambda tags: tags.texts.nbytes)

    def bodies(self, records: Records) -> Iterator[tuple[int, int, bytes]]:
        """Bodies of about ``LINES`` lines, with the range ``[start, stop)`` of their records."""
        single = records.model is RecordModel.SINGLE
        step = max(LINES // len(records.measure_names), 1) if single else LINES
        columns = _LineColumns(
            self._tag_sets(records),
            padded(pc.cast(pa.array(records.timestamps), pa.string()), FILL),
            [
                value_texts(_without_times(values), field, LINE_STYLE)
                for values, field in zip(
                    records.measure_columns, records.measure_fields, strict=True
                )
            ],
        )
        render = _single if single else _multi
        for first in range(0, records.batch.num_rows, step):
            rows = slice(first, min(first + step, records.batch.num_rows))
            start, stop = np.searchsorted(records.rows, (rows.start, rows.stop)).tolist()
            if start < stop:
                grid = render(records, columns, rows)
                yield start, stop, grid.tobytes().translate(None, FILL.encode())

    def _tag_sets(self, records: Records) -> Texts:
        names = sorted(records.dimension_names)
        columns = [records.dimension(name) for name in names]

        def make() -> _TagSets:
            words = [
                _tag_words(name, column.dictionary).take(column.indices)
                for name, column in zip(names, columns, strict=True)
            ]
            texts = padded(pc.binary_join_element_wise(*words, ""), FILL)
            return _TagSets(texts, [column.dictionary for column in columns])

        key = tuple(
            (address(each.dictionary), each.indices.to_numpy().tobytes()) for each in columns
        )
        return self._tags.get(key, make).texts


def _without_times(column: pa.Array) -> pa.Array:
    """A measure's column; timestamps as milliseconds."""
    return whole_times(column) if pa.types.is_timestamp(column.type) else column


def _tag_words(name: str, dictionary: pa.StringArray) -> pa.StringArray:
    """A dimension's dictionary as tags; an empty word is not written."""
    tags = [
        f",{escaped_tag(name)}={escaped_tag(word)}" if word else ""
        for word in dictionary.to_pylist()
    ]
    return pa.array(tags, pa.string())


def _multi(records: Records, columns: _LineColumns, rows: slice) -> ByteGrid:
    """One line per row."""
    template = RowTemplate()
    template.add(escaped_tag(records.kind))
    tags = template.add_slot(columns.tags.itemsize)
    template.add(" ")
    items: list[Slot] = []
    slots = []
    for name, texts in zip(records.measure_names, columns.values, strict=True):
        start = template.add(f"{',' if items else ''}{escaped_tag(name)}=").start
        slots.append(template.add_slot(texts.itemsize))
        items.append(Slot(start, template.width))
    template.add(" ")
    time = template.add_slot(columns.times.itemsize)
    template.add("\n")
    grid = template.rows(rows.stop - rows.start)
    slot_texts(grid, tags)[:] = columns.tags[rows]
    slot_texts(grid, time)[:] = columns.times[rows]
    for slot, texts in zip(slots, columns.values, strict=True):
        slot_texts(grid, slot)[:] = texts[rows]
    if not records.complete:
        keep_items(grid, items, records.present[rows], FILL)
    return grid


def _single(records: Records, columns: _LineColumns, rows: slice) -> ByteGrid:
    """One line per value."""
    template = RowTemplate()
    lines, slots = [], []
    for name, texts in zip(records.measure_names, columns.values, strict=True):
        start = template.add(escaped_tag(name)).start
        tags = template.add_slot(columns.tags.itemsize)
        template.add(f" {VALUE_FIELD}=")
        value = template.add_slot(texts.itemsize)
        template.add(" ")
        time = template.add_slot(columns.times.itemsize)
        lines.append(Slot(start, template.add("\n").stop))
        slots.append((tags, value, time))
    grid = template.rows(rows.stop - rows.start)
    for (tags, value, time), texts in zip(slots, columns.values, strict=True):
        slot_texts(grid, tags)[:] = columns.tags[rows]
        slot_texts(grid, value)[:] = texts[rows]
        slot_texts(grid, time)[:] = columns.times[rows]
    if not records.complete:
        blank(grid, lines, ~records.present[rows], FILL)
    return grid
