"""WriteRecords bodies, rendered from a batch's columns without a Python loop per value.

The records are laid out on a grid of bytes with one row per row of the batch. Dimensions and values
are set into slots that all rows have; shorter texts leave spaces behind them, which JSON allows
there. The records of a request are then consecutive bytes of the grid.

Requests whose records differ in their time have one grid and the others another, since a slot for
the time would lengthen every record.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import MICROSECONDS, MILLISECOND
from fleetstream.generate.records import Indices, Records, whole_times
from fleetstream.model import DataType
from fleetstream.targets.text_grid import (
    ByteGrid,
    RowTemplate,
    Slot,
    blank,
    keep_items,
    slot_texts,
)
from fleetstream.targets.texts import Texts, TextStyle, padded, value_texts
from fleetstream.targets.timestream.dimensions import DimensionSets
from fleetstream.targets.timestream.packing import Packing

FILL = " "

LAYOUTS = 256
"""Layouts that are kept: a run needs few, which differ in the widths of dimensions."""

JSON_STYLE = TextStyle('"', '"', lambda word: json.dumps(word)[1:], FILL)
"""The inside of a JSON string and its closing quote; spaces may follow it."""

_UNITS = (("SECONDS", MICROSECONDS), ("MILLISECONDS", MILLISECOND), ("MICROSECONDS", 1))
"""Amazon Timestream's units of time that are used, in microseconds."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The requests that are rendered on one grid.

    ``rows`` are the rows of the batch on it, in order; ``times`` their JSON if the records state
    their time themselves, None if their requests do.
    """

    rows: Indices | slice
    times: Texts | None


@dataclass(frozen=True, slots=True)
class _RecordGrid:
    """A grid, and which bytes of a row are a record.

    ``starts`` and ``stops`` have one entry per measure under the single-measure model, and one
    under the multi-measure model.
    """

    grid: ByteGrid
    starts: Indices
    stops: Indices


@dataclass(frozen=True, slots=True)
class _Layout:
    """A row's constant text, and where what differs from row to row is in it.

    ``items`` are the measures as a whole, from what separates them from the one before. Lists have
    one entry per measure, except that a multi-measure record has one of ``owns`` and ``times``;
    ``stop`` is the end of a multi-measure record.
    """

    template: RowTemplate
    owns: list[Slot] = field(default_factory=list)
    times: list[Slot] = field(default_factory=list)
    values: list[Slot] = field(default_factory=list)
    items: list[Slot] = field(default_factory=list)
    names: list[Slot] = field(default_factory=list)
    types: list[Slot] = field(default_factory=list)
    stop: int = 0


class Renderer:
    """Renders packed records into bodies for one table."""

    def __init__(self, database: str, table: str) -> None:
        self._start = (
            f'{{"DatabaseName":{json.dumps(database)},"TableName":{json.dumps(table)},'
            '"CommonAttributes":{'
        )

    def bodies(self, packing: Packing, dimensions: DimensionSets) -> Iterator[bytes]:
        """The body of each request, in order."""
        records = packing.records
        unit, microseconds = _unit(records)
        values = [
            value_texts(_in_unit(column, microseconds), described, JSON_STYLE)
            for column, described in zip(
                records.measure_columns, records.measure_fields, strict=True
            )
        ]
        render = _multi if records.model is RecordModel.MULTI else _single
        spans: list[memoryview] = [memoryview(b"")] * len(packing.starts)
        for shared in (True, False):
            requests = np.flatnonzero(packing.shared_times == shared)
            if len(requests):
                part = _part(packing, requests, None if shared else microseconds)
                rendered = render(packing, dimensions, values, part)
                _cut(spans, packing, requests, part, rendered)
        heads = self._heads(packing, dimensions, unit, microseconds)
        for head, span in zip(heads, spans, strict=True):
            yield b"".join((head.encode(), span, b"]}"))

    def _heads(
        self, packing: Packing, dimensions: DimensionSets, unit: str, microseconds: int
    ) -> Iterator[str]:
        """The body of each request before its records: the table, and what its records share."""
        first_rows = packing.rows[packing.starts]
        times = (packing.records.timestamps[first_rows] // microseconds).tolist()
        for names, common, time, shared in zip(
            _common_names(packing),
            dimensions.common,
            times,
            packing.shared_times.tolist(),
            strict=True,
        ):
            when = f'"Time":"{time}",' if shared else ""
            yield f'{self._start}{common}{names}{when}"TimeUnit":"{unit}"}},"Records":['


def _part(packing: Packing, requests: Indices, microseconds: int | None) -> _Part:
    """The rows of requests; their times are in units of ``microseconds``, if they are wanted."""
    rows: Indices | slice = slice(0, int(packing.rows[-1]) + 1)
    if len(requests) < len(packing.starts):
        wanted = np.zeros(len(packing.starts), np.bool_)
        wanted[requests] = True
        found = packing.segment_rows[wanted[packing.segment_requests]]
        rows = found[np.diff(found, prepend=-1) != 0]
    if microseconds is None:
        return _Part(rows, None)
    numbers = pa.array(packing.records.timestamps[rows] // microseconds)
    texts = pc.binary_join_element_wise('"Time":"', pc.cast(numbers, pa.string()), '",', "")
    return _Part(rows, padded(texts, FILL))


def _cut(
    spans: list[memoryview],
    packing: Packing,
    requests: Indices,
    part: _Part,
    rendered: _RecordGrid,
) -> None:
    """Set the bytes of each of the requests' records into ``spans``."""
    data = rendered.grid.data.cast("B")
    ends = []
    for records, offsets in (
        (packing.starts[requests], rendered.starts),
        (packing.stops[requests] - 1, rendered.stops),
    ):
        rows = packing.rows[records]
        places = rows if isinstance(part.rows, slice) else np.searchsorted(part.rows, rows)
        single = packing.records.model is RecordModel.SINGLE
        within = offsets[packing.measures[records]] if single else offsets[0]
        ends.append((places * rendered.grid.shape[1] + within).tolist())
    for request, start, stop in zip(requests.tolist(), *ends, strict=True):
        spans[request] = data[start:stop]


def _multi(
    packing: Packing, dimensions: DimensionSets, values: list[Texts], part: _Part
) -> _RecordGrid:
    """One record per row."""
    records = packing.records
    layout = _multi_layout(
        tuple(records.measure_names),
        _types(records),
        dimensions.own.itemsize,
        0 if part.times is None else part.times.itemsize,
        tuple(texts.itemsize for texts in values),
    )
    dimensions_by_row = dimensions.own
    if not packing.regular:
        dimensions_by_row = np.zeros(records.batch.num_rows, dimensions.own.dtype)
        dimensions_by_row[packing.rows] = dimensions.own
    dimensions_by_row = dimensions_by_row[part.rows]
    grid = layout.template.rows(len(dimensions_by_row))
    slot_texts(grid, layout.owns[0])[:] = dimensions_by_row
    if part.times is not None:
        slot_texts(grid, layout.times[0])[:] = part.times
    for slot, texts in zip(layout.values, values, strict=True):
        slot_texts(grid, slot)[:] = texts[part.rows]
    if not records.complete:
        keep_items(grid, layout.items, records.present[part.rows], FILL)
    return _RecordGrid(grid, np.array([0]), np.array([layout.stop]))


@lru_cache(LAYOUTS)
def _multi_layout(
    measures: tuple[str, ...], types: tuple[str, ...], own: int, time: int, widths: tuple[int, ...]
) -> _Layout:
    """The layout of multi-measure records, given the widths of the texts set into it."""
    template = RowTemplate()
    template.add("{")
    owns, times = [template.add_slot(own)], [template.add_slot(time)]
    template.add('"MeasureValues":[')
    values, items = [], list[Slot]()
    for name, kind, width in zip(measures, types, widths, strict=True):
        start = template.add(f'{"," if items else ""}{{"Name":{json.dumps(name)},"Value":"').start
        values.append(template.add_slot(width))
        items.append(Slot(start, template.add(f',"Type":"{kind}"}}').stop))
    stop = template.add("]}").stop
    template.add(",")
    return _Layout(template, owns, times, values, items, stop=stop)


def _single(
    packing: Packing, dimensions: DimensionSets, values: list[Texts], part: _Part
) -> _RecordGrid:
    """As many records per row as it has values."""
    records = packing.records
    state_names, state_types = not packing.shared_names.all(), not packing.shared_types.all()
    layout = _single_layout(
        tuple(records.measure_names),
        _types(records),
        dimensions.own.itemsize,
        0 if part.times is None else part.times.itemsize,
        tuple(texts.itemsize for texts in values),
        state_names=state_names,
        state_types=state_types,
    )
    segments = _segments_by_cell(packing)[part.rows]
    grid = layout.template.rows(len(segments))
    for measure, texts in enumerate(values):
        slot_texts(grid, layout.values[measure])[:] = texts[part.rows]
        slot_texts(grid, layout.owns[measure])[:] = dimensions.own[segments[:, measure]]
        if part.times is not None:
            slot_texts(grid, layout.times[measure])[:] = part.times
    # A name or a type that all records of a request share is one of its common attributes.
    for shared, places in (
        (packing.shared_names, layout.names),
        (packing.shared_types, layout.types),
    ):
        if shared.any() and not shared.all():
            blank(grid, places, shared[packing.segment_requests][segments], FILL)
    if not records.complete:
        blank(grid, layout.items, ~records.present[part.rows], FILL)
    starts = np.array([item.start for item in layout.items])
    return _RecordGrid(grid, starts, np.array([item.stop - 1 for item in layout.items]))


@lru_cache(LAYOUTS)
def _single_layout(
    measures: tuple[str, ...],
    kinds: tuple[str, ...],
    own: int,
    time: int,
    widths: tuple[int, ...],
    *,
    state_names: bool,
    state_types: bool,
) -> _Layout:
    """The layout of a row of single-measure records, given the widths of the texts set into it."""
    template = RowTemplate()
    layout = _Layout(template)
    for name, kind, width in zip(measures, kinds, widths, strict=True):
        start = template.add("{").start
        layout.owns.append(template.add_slot(own))
        layout.times.append(template.add_slot(time))
        stated = f'"MeasureName":{json.dumps(name)},' if state_names else ""
        layout.names.append(template.add(stated))
        template.add('"MeasureValue":"')
        layout.values.append(template.add_slot(width))
        layout.types.append(template.add(f',"MeasureValueType":"{kind}"' if state_types else ""))
        layout.items.append(Slot(start, template.add("},").stop))
    return layout


def _segments_by_cell(packing: Packing) -> Indices:
    """The segment of each value of the batch, with the shape (rows, measures)."""
    shape = packing.records.batch.num_rows, len(packing.records.measure_names)
    segments = np.zeros(shape, np.int64)
    if packing.regular:
        segments.reshape(-1)[: packing.count] = packing.record_segments
    else:
        segments[packing.rows, packing.measures] = packing.record_segments
    return segments


def _common_names(packing: Packing) -> Iterator[str]:
    """What all records of each request share of measure names and types, with commas behind it."""
    records = packing.records
    if records.model is RecordModel.MULTI:
        name = f'"MeasureName":{json.dumps(records.kind)},"MeasureValueType":"MULTI",'
        yield from repeat(name, len(packing.starts))
        return
    names = [f'"MeasureName":{json.dumps(name)},' for name in records.measure_names]
    types = [f'"MeasureValueType":"{kind}",' for kind in _types(records)]
    for first, one_name, one_type in zip(
        packing.measures[packing.starts].tolist(),
        packing.shared_names.tolist(),
        packing.shared_types.tolist(),
        strict=True,
    ):
        yield (names[first] if one_name else "") + (types[first] if one_type else "")


def _types(records: Records) -> tuple[str, ...]:
    return tuple(str(DataType.of(column.type)) for column in records.measure_columns)


def _unit(records: Records) -> tuple[str, int]:
    """The coarsest unit that holds all times, and how many microseconds it has.

    The service takes the values of TIMESTAMP measures in the unit of their record.
    """
    times = [
        records.timestamps,
        *(
            column.view(pa.int64()).fill_null(0).to_numpy()
            for column in records.measure_columns
            if pa.types.is_timestamp(column.type)
        ),
    ]
    return next(
        (name, size)
        for name, size in _UNITS
        if size == 1 or not any((each % size).any() for each in times)
    )


def _in_unit(column: pa.Array, microseconds: int) -> pa.Array:
    """A measure's column; timestamps as numbers of a unit."""
    return whole_times(column, microseconds) if pa.types.is_timestamp(column.type) else column
