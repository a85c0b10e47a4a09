"""Rendering: WriteRecords bodies straight from a batch's columns, with no Python loop a value.

Arrow's string kernels do the work. Every value becomes a string, every record one JSON object with
a comma behind it, all in one string array; since such an array keeps its strings end to end in one
buffer, the records of a request are a slice of that buffer.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.records import RecordModel, Records
from fleetstream.signals import MICROSECONDS
from fleetstream.sinks.memo import Memo, address
from fleetstream.sinks.timestream.packing import Packing, measure_type

CACHED_WORDS = 64
"""Rendered dictionaries kept: a run needs one for each dimension and each measure of words."""

CACHED_BYTES = 128 * 2**20
"""Rendered dimension sets kept, in bytes: enough for half a million series."""

_SILENT = pa.scalar("")


class Renderer:
    """Renders packed records into bodies for one table."""

    def __init__(self, database: str, table: str) -> None:
        self._target = f'"DatabaseName":{json.dumps(database)},"TableName":{json.dumps(table)}'
        self._words = Memo[tuple[pa.StringArray, pa.Array]](CACHED_WORDS, lambda _: 1)
        self._dimension_sets = Memo[pa.StringArray](CACHED_BYTES, lambda text: text.nbytes)

    def bodies(self, packing: Packing) -> Iterator[bytes]:
        """The body of each request, in order."""
        texts = self._texts(packing)
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[: len(texts) + 1]
        data = memoryview(texts.buffers()[2] or b"")
        commons = self._commons(packing)
        for start, stop, common in zip(packing.starts, packing.stops, commons, strict=True):
            # The last record's comma is left out.
            records = data[offsets[start] : offsets[stop] - 1]
            yield b"".join((common.encode(), records, b"]}"))

    def _texts(self, packing: Packing) -> pa.StringArray:
        """Each record as JSON with a comma behind it."""
        dimensions = self._dimensions(packing)
        if packing.records.model is RecordModel.MULTI:
            return self._multi(packing, dimensions)
        return self._single(packing, dimensions)

    def _multi(self, packing: Packing, dimensions: pa.StringArray) -> pa.StringArray:
        """One record a row: all its values under their names."""
        records = packing.records
        pieces: list[Any] = []
        for name, column in zip(records.measure_names, records.measure_columns, strict=True):
            before = f'{{"Name":{json.dumps(name)},"Value":"'
            after = f'","Type":"{measure_type(column)}"}}'
            pieces.append(_join(before, self._strings(column), after))
        values = _join_present(pieces)
        if packing.count < records.batch.num_rows:
            values = values.take(pa.array(packing.rows))
        return _join("{", dimensions, '"MeasureValues":[', values, "]},")

    def _single(self, packing: Packing, dimensions: pa.StringArray) -> pa.StringArray:
        """One record a value."""
        records = packing.records
        columns = [self._strings(column) for column in records.measure_columns]
        values = pa.concat_arrays(columns).take(
            pa.array(packing.measures * records.batch.num_rows + packing.rows)
        )
        # A name or a type stands in the record only where the request's records do not share it.
        named = ~np.repeat(packing.shared_names, packing.stops - packing.starts)
        typed = ~np.repeat(packing.shared_types, packing.stops - packing.starts)
        names = [f'"MeasureName":{json.dumps(name)},' for name in records.measure_names]
        types = [
            f'","MeasureValueType":"{measure_type(column)}"}},'
            for column in records.measure_columns
        ]
        return _join(
            "{",
            dimensions.take(pa.array(packing.record_segments)),
            pa.array(["", *names]).take(pa.array((packing.measures + 1) * named)),
            '"MeasureValue":"',
            values,
            pa.array(['"},', *types]).take(pa.array((packing.measures + 1) * typed)),
        )

    def _commons(self, packing: Packing) -> Iterator[str]:
        """Each request up to its records: the table's name and what its records share."""
        records = packing.records
        time, unit = _time(records.timestamp)
        shared = packing.shared_dimensions
        words = [self._dimension_words(records, name) for name in records.dimension_names]
        first_rows = packing.rows[packing.starts]
        indices = np.array([packing.indices(name)[first_rows] for name in records.dimension_names])
        for request, names in enumerate(self._common_names(packing)):
            dimensions = ",".join(
                words[place][int(indices[place, request])].as_py()
                for place in np.flatnonzero(shared[:, request])
            )
            attributes = [f'"Dimensions":[{dimensions}]'] if dimensions else []
            attributes += [*names, f'"Time":"{time}","TimeUnit":"{unit}"']
            yield f'{{{self._target},"CommonAttributes":{{{",".join(attributes)}}},"Records":['

    def _common_names(self, packing: Packing) -> Iterator[list[str]]:
        """What each request says of measure names and types for all its records."""
        records = packing.records
        if records.model is RecordModel.MULTI:
            multi = f'"MeasureName":"{records.kind}","MeasureValueType":"MULTI"'
            yield from ([multi] for _ in packing.starts)
            return
        types = [measure_type(column) for column in records.measure_columns]
        one_name, one_type = packing.shared_names, packing.shared_types
        for request, start in enumerate(packing.starts):
            first = int(packing.measures[start])
            common = []
            if one_name[request]:
                common.append(f'"MeasureName":{json.dumps(records.measure_names[first])}')
            if one_type[request]:
                common.append(f'"MeasureValueType":"{types[first]}"')
            yield common

    def _dimensions(self, packing: Packing) -> pa.StringArray:
        """What each segment says of its own dimensions: those its request does not share."""
        records = packing.records
        key = (
            packing.shared_dimensions.tobytes(),
            packing.segment_requests.tobytes(),
            *(
                (address(records.dimension(name).dictionary), packing.indices(name).tobytes())
                for name in records.dimension_names
            ),
            packing.segment_rows.tobytes(),
        )
        return self._dimension_sets.get(key, lambda: self._rendered_dimensions(packing))

    def _rendered_dimensions(self, packing: Packing) -> pa.StringArray:
        records = packing.records
        shared = packing.shared_dimensions[:, packing.segment_requests]
        pieces = []
        for place, name in enumerate(records.dimension_names):
            indices = packing.indices(name)[packing.segment_rows]
            words = self._dimension_words(records, name)
            pieces.append(words.take(pa.array(indices, mask=shared[place])))
        text = _join('"Dimensions":[', _join_present(pieces), "],")
        return pc.if_else(pa.array(shared.all(axis=0)), _SILENT, text)

    def _dimension_words(self, records: Records, name: str) -> pa.StringArray:
        """A dimension's dictionary, each word rendered with the dimension's name."""
        column = records.dimension(name)
        before = f'{{"Name":{json.dumps(name)},"Value":'
        return self._rendered(column, name, lambda word: f"{before}{json.dumps(word)}}}")

    def _strings(self, column: pa.Array) -> pa.StringArray:
        """A measure's values as Timestream reads them, ready to stand between quotes."""
        if pa.types.is_dictionary(column.type):
            words = self._rendered(column, "", lambda word: json.dumps(word)[1:-1])
            return words.take(column.indices)
        return pc.cast(column, pa.string())

    def _rendered(
        self, column: pa.DictionaryArray, name: str, render: Callable[[str], str]
    ) -> pa.StringArray:
        """The dictionary of a column, each word rendered; done once a dictionary."""
        dictionary = column.dictionary
        # The dictionary is kept beside its rendering, so that its address stays its own.
        rendered, _ = self._words.get(
            (name, address(dictionary)),
            lambda: (pa.array(list(map(render, dictionary.to_pylist())), pa.string()), dictionary),
        )
        return rendered


def _join(*pieces: Any) -> pa.StringArray:
    """Each row's pieces end to end; a constant counts for every row, and null makes null."""
    return pc.binary_join_element_wise(*pieces, _SILENT)


def _join_present(pieces: Sequence[pa.StringArray]) -> pa.StringArray:
    """Each row's pieces that are not null, with commas between them."""
    return pc.binary_join_element_wise(*pieces, ",", null_handling="skip")


def _time(timestamp: int) -> tuple[int, str]:
    """A timestamp in the coarsest unit of Timestream's that holds it."""
    for unit, microseconds in (("SECONDS", MICROSECONDS), ("MILLISECONDS", 1_000)):
        if timestamp % microseconds == 0:
            return timestamp // microseconds, unit
    return timestamp, "MICROSECONDS"
