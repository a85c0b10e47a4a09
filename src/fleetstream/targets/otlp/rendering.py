"""Requests of OTLP metrics (ExportMetricsServiceRequest), rendered from a batch's columns.

Everything but times and values is the same whenever the same series are written. So the rows of a
batch have a :class:`_Form`: a body whose times and values are blank, and where they are. Rendering
copies it and puts times and values into it; what is not there is then taken out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetstream._version import __version__
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, Records, whole_times
from fleetstream.model import DataType
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.otlp.blocks import NANOSECONDS, Block, block
from fleetstream.targets.otlp.fragments import Bytes, without
from fleetstream.targets.otlp.naming import NAMESPACE, DataShape, Kind, OtlpNaming
from fleetstream.targets.protobuf import BYTES, content_field, key, text_field, varint
from fleetstream.targets.row_parts import series_groups

CACHED_BYTES = 256 * 2**20
"""Bytes of forms that are kept."""

CACHED_BLOCK_BYTES = 16 * 2**20
"""Bytes of blocks that are kept, without their positions, which take about twice as much."""

Ranges = tuple[Indices, Indices]

_EIGHT = np.arange(8)

_RESOURCE_METRICS, _SCOPE_METRICS = key(1, BYTES), key(2, BYTES)
"""What a series begins with, and its metrics in it."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Series with the same block. ``rows`` are those of a part, of shape (series, points).

    ``begins`` and ``starts`` are where each series and its block begin in the body; ``lengths``
    those around the blocks.
    """

    block: Block
    rows: Indices
    begins: Indices
    starts: Indices
    lengths: Indices

    def places(self, positions: Indices) -> Indices:
        """Positions in the block as those in the body, of all series."""
        return (self.starts[:, np.newaxis] + positions).ravel()

    def fill(self, body: Bytes, times: Indices, values: Indices) -> None:
        """Put in the times (rows) and values (rows, columns)."""
        block = self.block
        _put(body, self.places(block.times), times[self.rows[:, block.of_times]])
        _put(body, self.places(block.values), values[self.rows[:, block.of_values], block.columns])

    def end(self, body: Bytes, ended: Booleans) -> None:
        """Put flags in place of the values of rows that have ``ended``."""
        block = self.block
        there = np.tile(ended[self.rows], (1, len(block.flag_fields))).ravel()
        fields = block.flag_fields.repeat(block.points, axis=0)
        places = self.places(block.flags)[there, np.newaxis] + np.arange(fields.shape[1])
        body[places] = np.tile(fields, (len(self.rows), 1))[there]

    def absent(self, shown: Booleans) -> Iterator[Ranges]:
        """Where the points are that are not ``shown`` (rows, metrics), and what has none left."""
        present = shown[self.rows].transpose(0, 2, 1)
        yield self._ranges(self.block.point_ranges, ~present.reshape(len(self.rows), -1))
        yield self._ranges(self.block.metric_ranges, np.logical_not(present.any(axis=2)))
        empty = ~present.reshape(len(self.rows), -1).any(axis=1)
        yield self.begins[empty], (self.starts + len(self.block.content))[empty]

    def all_lengths(self) -> Indices:
        inner = self.starts[:, np.newaxis, np.newaxis] + self.block.lengths
        return np.concatenate([self.lengths, inner.reshape(-1, 3)])

    def _ranges(self, ranges: Indices, removed: Booleans) -> Ranges:
        return tuple(self.places(ends)[removed.ravel()] for ends in ranges.T)  # type: ignore[return-value]


class _Words:
    """The words of a measure in the rows of a part, as rows of a table of bytes."""

    def __init__(self, column: pa.DictionaryArray) -> None:
        words = [word.encode() for word in column.dictionary.to_pylist()] or [b""]
        self.width = max(map(len, words))
        self._sizes = np.array([len(word) for word in words])
        padded = b"".join(word.ljust(self.width, b"\0") for word in words)
        self._table = np.frombuffer(padded, np.uint8).reshape(len(words), self.width)
        self._indices = column.indices.fill_null(0).to_numpy()

    def put(self, body: Bytes, group: _Group, place: int) -> Ranges:
        """Put in the words as those of the metric that is at ``place`` among those with words.

        Returns where the bytes are that were reserved for longer words.
        """
        points = slice(place * group.block.points, (place + 1) * group.block.points)
        begins, ends = map(group.places, group.block.words[points].T)
        indices = self._indices[group.rows[:, group.block.of_words[points]].ravel()]
        body[begins[:, np.newaxis] + np.arange(self.width)] = self._table[indices]
        return begins + self._sizes[indices], ends


@dataclass(frozen=True, slots=True)
class _Form:
    """A body without times and values.

    ``dictionaries`` are what it was made from: kept, so that their addresses stay theirs.
    """

    body: Bytes
    groups: list[_Group]
    dictionaries: list[pa.StringArray]


class OtlpRenderer:
    """Renders rows of batches into uncompressed bodies."""

    def __init__(self, naming: OtlpNaming) -> None:
        self._naming = naming
        self._forms = ArrayCache[_Form](CACHED_BYTES, lambda form: form.body.nbytes)
        self._blocks = ArrayCache[Block](CACHED_BLOCK_BYTES, lambda block: len(block.content))

    def body(
        self, records: Records, rows: slice, shown: Booleans | None, ended: Booleans | None = None
    ) -> bytes:
        """The body of some rows.

        ``shown`` says which data points there are (rows of the batch, metrics), None for all;
        ``ended`` which rows have no values but end their series, None if there are none.
        """
        kind = self._naming.kinds[records.kind]
        words = {
            metric.name: _Words(_column(records, metric.name)[rows])
            for metric in kind.metrics
            if metric.data_type is DataType.VARCHAR
        }
        form = self._form(kind, records, rows, words)
        times = records.timestamps[rows] * NANOSECONDS
        values = _values(kind, records, rows)
        body = form.body.copy()
        removed: list[Ranges] = []
        for group in form.groups:
            group.fill(body, times, values)
            removed += [each.put(body, group, place) for place, each in enumerate(words.values())]
            if ended is not None:
                group.end(body, ended[rows])
            if shown is not None:
                removed += group.absent(shown[rows])
        if removed:
            lengths = np.concatenate([group.all_lengths() for group in form.groups])
            body = without(body, removed, lengths)
        return body.tobytes()

    def _form(
        self, kind: Kind, records: Records, rows: slice, words: Mapping[str, _Words]
    ) -> _Form:
        columns = [records.dimension(name)[rows] for name in records.dimension_names]
        widths = {name: each.width for name, each in words.items()}
        key = (
            kind.name,
            *widths.values(),
            *((address(each.dictionary), each.indices.to_numpy().tobytes()) for each in columns),
        )
        return self._forms.get(key, lambda: self._new_form(kind, records, columns, widths))

    def _new_form(
        self,
        kind: Kind,
        records: Records,
        columns: list[pa.DictionaryArray],
        widths: Mapping[str, int],
    ) -> _Form:
        order, starts = series_groups(records.dimension_names, columns)
        counts = np.diff(starts)
        resource = self._resources(kind, records.dimension_names, columns)
        parts: list[bytes] = []
        groups: list[_Group] = []
        size = 0
        for points in np.unique(counts).tolist():
            found = self._block(kind, points, widths)
            rows = order[starts[:-1][counts == points, np.newaxis] + np.arange(points)]
            begins, block_starts, lengths = [], [], []
            for row in rows[:, 0].tolist():
                head, places = _head(resource(row), _scope(kind), len(found.content))
                begins.append(size)
                block_starts.append(size + len(head))
                lengths += [[size + place for place in each] for each in places]
                parts += [head, found.content]
                size += len(head) + len(found.content)
            arrays = map(np.array, (begins, block_starts, lengths))
            groups.append(_Group(found, rows, *arrays))
        body = np.frombuffer(b"".join(parts), np.uint8)
        return _Form(body, groups, [column.dictionary for column in columns])

    def _block(self, kind: Kind, points: int, widths: Mapping[str, int]) -> Block:
        key = kind.name, points, tuple(widths.values())
        return self._blocks.get(key, lambda: block(kind, points, widths))

    def _resources(
        self, kind: Kind, names: list[str], columns: list[pa.DictionaryArray]
    ) -> Callable[[int], bytes]:
        """A function that returns the attributes of a row's resource, encoded."""
        encoded = [
            [_attribute(kind.attributes[name], word) for word in column.dictionary.to_pylist()]
            for name, column in zip(names, columns, strict=True)
        ]
        indices = [column.indices.to_numpy() for column in columns]
        own = _attribute(NAMESPACE, self._naming.namespace)

        def resource(row: int) -> bytes:
            return own + b"".join(
                [words[of[row]] for words, of in zip(encoded, indices, strict=True)]
            )

        return resource


def _attribute(name: str, word: str) -> bytes:
    """An attribute of a resource."""
    return content_field(1, text_field(1, name) + content_field(2, text_field(1, word)))


def _scope(kind: Kind) -> bytes:
    return content_field(1, text_field(1, kind.scope) + text_field(2, __version__))


def _head(attributes: bytes, scope: bytes, size: int) -> tuple[bytes, list[tuple[int, int, int]]]:
    """What is before a block of so many bytes, and the lengths around that, as positions."""
    inner = varint(len(scope) + size)
    resource = content_field(1, attributes) + _SCOPE_METRICS
    outer = varint(len(resource) + len(inner) + len(scope) + size)
    head = _RESOURCE_METRICS + outer + resource + inner + scope
    begins = len(_RESOURCE_METRICS + outer)
    inside = begins + len(resource)
    end = len(head) + size
    return head, [
        (len(_RESOURCE_METRICS), begins, end),
        (inside, inside + len(inner), end),
    ]


def _values(kind: Kind, records: Records, rows: slice) -> Indices:
    """The values of rows, in the order of the columns of blocks: the bits of doubles, or integers.

    Buckets of a batch have the events up to their bounds, those of OTLP the events in them.
    """
    columns: list[Indices] = []
    for metric in kind.metrics:
        if metric.data_type is DataType.VARCHAR:
            continue
        found = [_bits(_column(records, name)[rows]) for name in metric.measures]
        if metric.shape is DataShape.HISTOGRAM:
            *counts, total = found
            buckets = np.diff(np.array(counts), axis=0, prepend=0)
            columns += [counts[-1], total, *buckets]
        else:
            columns += found
    values = np.empty((rows.stop - rows.start, len(columns)), "<i8")
    for place, column in enumerate(columns):
        values[:, place] = column
    return values


def _bits(column: pa.Array) -> Indices:
    if pa.types.is_timestamp(column.type):
        column = whole_times(column)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    filled = column.fill_null(0) if column.null_count else column
    found: Indices = filled.to_numpy().view(np.int64)
    return found


def _column(records: Records, name: str) -> pa.Array:
    return records.measure_columns[records.measure_names.index(name)]


def _put(body: Bytes, places: Indices, numbers: Indices) -> None:
    """Put numbers of eight bytes at places."""
    little = np.ascontiguousarray(numbers, "<i8")
    body[places[:, np.newaxis] + _EIGHT] = little.view(np.uint8).reshape(-1, 8)
