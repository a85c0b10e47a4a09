"""CSV as Amazon Timestream's batch load reads it, with the data models that it needs.

The guide's pages on batch load ("Batch load data model mappings") have the rules: one header a
file, one time unit, nulls empty. A load has one data model, so metrics and events, which differ in
their dimensions, stand in folders of their own.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fleetstream.fleet import DIMENSIONS, Kind
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.measures import measures_of
from fleetstream.targets.files.storage import Storage, StoredFile
from fleetstream.targets.layout import MEASURE_NAME, in_columns
from fleetstream.targets.sink import Part

VALUE = "measure_value"
"""The column of values under the single-measure model, whatever their types."""

_MILLISECOND = 1_000


def _write_bytes(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)


class BatchLoad:
    """One folder a kind of series: dimensions, measure name, time in milliseconds, values."""

    suffix = ".csv"
    name = "CSV for batch load"

    def __init__(self, model: RecordModel) -> None:
        self._model = model

    def data_model(self, kind: Kind) -> dict[str, Any]:
        """What CreateBatchLoadTask takes as DataModelConfiguration."""
        model: dict[str, Any] = {
            "TimeColumn": TIME,
            "TimeUnit": "MILLISECONDS",
            "DimensionMappings": [
                {"SourceColumn": name, "DestinationColumn": name} for name in DIMENSIONS[kind]
            ],
            "MeasureNameColumn": MEASURE_NAME,
        }
        measures = measures_of(kind)
        if self._model is RecordModel.SINGLE:
            model["MixedMeasureMappings"] = [
                {
                    "MeasureName": measure.name,
                    "TargetMeasureName": measure.name,
                    "SourceColumn": VALUE,
                    "MeasureValueType": str(measure.type),
                }
                for measure in measures
            ]
        else:
            model["MultiMeasureMappings"] = {
                "MultiMeasureAttributeMappings": [
                    {
                        "SourceColumn": measure.name,
                        "TargetMultiMeasureAttributeName": measure.name,
                        "MeasureValueType": str(measure.type),
                    }
                    for measure in measures
                ]
            }
        return {"DataModel": model}

    def prepare(self, storage: Storage) -> None:
        """Write the data model of each kind beside its folder; raises :class:`OSError`."""
        for kind in Kind:
            text = json.dumps(self.data_model(kind), indent=1).encode() + b"\n"
            storage.put(f"{kind}.data-model.json", partial(_write_bytes, text))

    def columns(self, kind: Kind) -> list[str]:
        """The columns of a kind's files, in their order."""
        values = [VALUE]
        if self._model is RecordModel.MULTI:
            values = [measure.name for measure in measures_of(kind)]
        return [*DIMENSIONS[kind], MEASURE_NAME, TIME, *values]

    def tables(self, parts: Sequence[Part]) -> Iterator[tuple[str, pa.Table, Sequence[int]]]:
        """The records of each kind as a table of words, with the index of each row's record."""
        starts = itertools.accumulate((len(part) for part in parts), initial=0)
        placed = list(zip(parts, starts, strict=False))
        for kind in Kind:
            mine = [(part, start) for part, start in placed if part.records.kind == kind]
            if mine:
                rows = in_columns([part for part, _ in mine], self._model)
                indices = np.concatenate(
                    [np.arange(start, start + len(part)) for part, start in mine]
                )
                yield str(kind), self._as_words(rows, kind), indices.tolist()

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """All rows in the folder itself."""
        yield "", rows

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        """Write rows into a file."""
        plain = rows.cast(pa.schema([(name, pa.string()) for name in rows.column_names]))
        pacsv.write_csv(plain, stream, pacsv.WriteOptions(quoting_style="needed"))

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file between two timestamps, themselves included (µs), as words."""
        with storage.filesystem.open_input_stream(storage.full(file.path)) as stream:
            names = self.columns(Kind(file.path.partition("/")[0]))
            rows = pacsv.read_csv(
                stream,
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        times = rows[TIME].cast(pa.int64())
        wanted = pc.and_(
            pc.greater_equal(times, first // _MILLISECOND),
            pc.less_equal(times, last // _MILLISECOND),
        )
        return rows.filter(wanted)

    def _as_words(self, rows: pa.Table, kind: Kind) -> pa.Table:
        """Rows in the columns of the kind's files, all of them words."""
        if self._model is RecordModel.SINGLE:
            typed = [name for name in rows.column_names if name.startswith(f"{VALUE}::")]
            value = pc.coalesce(*(rows[name].cast(pa.string()) for name in typed))
            rows = rows.append_column(VALUE, value)
        milliseconds = pc.divide(rows[TIME].cast(pa.int64()), _MILLISECOND).cast(pa.string())
        rows = rows.set_column(rows.schema.get_field_index(TIME), TIME, milliseconds)
        names = self.columns(kind)
        return pa.table({name: rows[name].cast(pa.string()) for name in names})
