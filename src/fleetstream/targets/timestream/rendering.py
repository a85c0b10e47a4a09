"""Rendering: WriteRecords bodies straight from a batch's columns, with no Python loop a value.

The records of a batch are laid out on a sheet: one row of bytes a row of the batch, all of the same
form, with dimensions and values set into their places. Texts shorter than their place leave blanks
behind them, which JSON allows there. The records of a request are then one run of the sheet's
bytes.
"""

import json
from collections.abc import Iterator

import numpy as np

from fleetstream.generate.records import Indices, RecordModel, Records
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.targets.sheet import Bytes, Form, Place, blank, column, omit
from fleetstream.targets.texts import Style, Texts, Words, number_texts
from fleetstream.targets.timestream.dimensions import DimensionSets
from fleetstream.targets.timestream.packing import Packing, measure_type

FILL = " "
"""JSON allows blanks between its parts."""

JSON = Style('"', '"', lambda word: json.dumps(word)[1:], FILL)
"""The inside of a JSON string and its closing quote; blanks may follow it."""


class Renderer:
    """Renders packed records into bodies for one table."""

    def __init__(self, database: str, table: str) -> None:
        self._target = f'"DatabaseName":{json.dumps(database)},"TableName":{json.dumps(table)}'
        self._words = Words(JSON)

    def bodies(self, packing: Packing, dimensions: DimensionSets) -> Iterator[bytes]:
        """The body of each request, in order."""
        if packing.records.model is RecordModel.MULTI:
            sheet, begins, ends = self._multi(packing, dimensions)
        else:
            sheet, begins, ends = self._single(packing, dimensions)
        data = sheet.data.cast("B")
        heads = self._heads(packing, dimensions)
        for head, start, stop in zip(heads, packing.starts, packing.stops, strict=True):
            yield b"".join((head.encode(), data[begins[start] : ends[stop - 1]], b"]}"))

    def _multi(self, packing: Packing, dimensions: DimensionSets) -> tuple[Bytes, Indices, Indices]:
        """A record a row; gives the sheet, and where on it each record begins and ends."""
        records = packing.records
        form = Form()
        form.print("{")
        own = form.leave(dimensions.own.itemsize)
        form.print('"MeasureValues":[')
        pieces: list[Place] = []
        places = []
        values = self._values(records)
        for name, kind, texts in zip(records.measure_names, _types(records), values, strict=True):
            before = form.print(f'{"," if pieces else ""}{{"Name":{json.dumps(name)},"Value":"')
            places.append(form.leave(texts.itemsize))
            after = form.print(f',"Type":"{kind}"}}')
            pieces.append(Place(before.start, after.stop))
        end = form.print("]}").stop
        form.print(",")

        sheet = form.sheet(records.batch.num_rows)
        for place, texts in zip(places, values, strict=True):
            column(sheet, place)[:] = texts
        column(sheet, own)[packing.rows] = dimensions.own
        if not packing.regular:
            omit(sheet, pieces, records.present, FILL)
        begins = packing.rows * form.width
        return sheet, begins, begins + end

    def _single(
        self, packing: Packing, dimensions: DimensionSets
    ) -> tuple[Bytes, Indices, Indices]:
        """As many records a row as there are values; gives the same."""
        records = packing.records
        rows = records.batch.num_rows
        segments = np.zeros((rows, len(records.measure_names)), np.int64)
        segments[packing.rows, packing.measures] = packing.record_segments
        form = Form()
        owns, names, places, types, pieces = [], [], [], [], []
        values = self._values(records)
        for name, kind, texts in zip(records.measure_names, _types(records), values, strict=True):
            start = form.print("{").start
            owns.append(form.leave(dimensions.own.itemsize))
            names.append(form.print(f'"MeasureName":{json.dumps(name)},'))
            form.print('"MeasureValue":"')
            places.append(form.leave(texts.itemsize))
            types.append(form.print(f',"MeasureValueType":"{kind}"'))
            pieces.append(Place(start, form.print("},").stop))

        sheet = form.sheet(rows)
        for measure, texts in enumerate(values):
            column(sheet, places[measure])[:] = texts
            column(sheet, owns[measure])[:] = dimensions.own[segments[:, measure]]
        # A name or a type that all records of a request share stands in its common attributes.
        requests = packing.segment_requests[segments]
        for shared, spots in ((packing.shared_names, names), (packing.shared_types, types)):
            if shared.any():
                blank(sheet, spots, shared[requests], FILL)
        if not packing.regular:
            blank(sheet, pieces, ~records.present, FILL)
        row_starts = packing.rows * form.width
        begins = np.array([piece.start for piece in pieces])[packing.measures]
        ends = np.array([piece.stop - 1 for piece in pieces])[packing.measures]
        return sheet, row_starts + begins, row_starts + ends

    def _values(self, records: Records) -> list[Texts]:
        """The texts of each measure's values."""
        return [
            self._words.of(values) if kind == "VARCHAR" else number_texts(values, field, JSON)
            for kind, values, field in zip(
                _types(records), records.measure_columns, records.measure_fields, strict=True
            )
        ]

    def _heads(self, packing: Packing, dimensions: DimensionSets) -> Iterator[str]:
        """Each request up to its records: the table's name and what its records share."""
        time, unit = _time(packing.records.timestamp)
        when = f'"Time":"{time}","TimeUnit":"{unit}"'
        for common, names in zip(dimensions.common, _common_names(packing), strict=True):
            attributes = ",".join(filter(None, (common, names, when)))
            yield f'{{{self._target},"CommonAttributes":{{{attributes}}},"Records":['


def _common_names(packing: Packing) -> Iterator[str]:
    """What each request says of measure names and types for all its records."""
    records = packing.records
    if records.model is RecordModel.MULTI:
        for _ in packing.starts:
            yield f'"MeasureName":"{records.kind}","MeasureValueType":"MULTI"'
        return
    types = _types(records)
    for first, one_name, one_type in zip(
        packing.measures[packing.starts], packing.shared_names, packing.shared_types, strict=True
    ):
        name = f'"MeasureName":{json.dumps(records.measure_names[first])}' if one_name else ""
        kind = f'"MeasureValueType":"{types[first]}"' if one_type else ""
        yield ",".join(filter(None, (name, kind)))


def _types(records: Records) -> list[str]:
    return [measure_type(values) for values in records.measure_columns]


def _time(timestamp: int) -> tuple[int, str]:
    """A timestamp in the coarsest unit of Timestream's that holds it."""
    for unit, microseconds in (("SECONDS", MICROSECONDS), ("MILLISECONDS", 1_000)):
        if timestamp % microseconds == 0:
            return timestamp // microseconds, unit
    return timestamp, "MICROSECONDS"
