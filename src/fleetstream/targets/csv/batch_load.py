"""CSV files as the batch load of Amazon Timestream reads them, and the data models that it needs.

The rules are those of the developer guide's pages on batch load ("Batch load data model mappings"):
one header per file, one time unit, empty fields for nulls. A load has one data model, so each kind
of series, with dimensions of its own, has a folder of its own.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import MILLISECOND
from fleetstream.generate.records import Indices, RecordRange
from fleetstream.generate.schema import TIME, dimension_names, kind_of, measure_fields
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import (
    MEASURE_NAME,
    TableColumns,
    as_table,
    single_type,
    value_column,
)
from fleetstream.targets.file_storage import Storage, StoredFile

VALUE = "measure_value"
"""The column of values of all types under the single-measure model."""


class BatchLoadFormat:
    """One folder per kind; columns are dimensions, measure name, time in milliseconds, values."""

    suffix = ".csv"
    name = "CSV for batch load"

    def __init__(self, model: RecordModel, schemas: Sequence[pa.Schema]) -> None:
        self._model = model
        self._schemas = {kind_of(schema): schema for schema in schemas}
        self.key = tuple(TableColumns(model, tuple(schemas)).key)

    def query(self, root: str) -> str:
        """An SQL query for DuckDB that counts the records per measure name."""
        escaped = root.replace("'", "''")
        return (
            f"SELECT {MEASURE_NAME}, count(*) AS records FROM read_csv('{escaped}/*/*.csv', "
            "all_varchar=true, union_by_name=true) GROUP BY ALL ORDER BY ALL"
        )

    def data_model(self, schema: pa.Schema) -> dict[str, Any]:
        """The DataModelConfiguration of CreateBatchLoadTask for a kind of series."""
        model: dict[str, Any] = {
            "TimeColumn": TIME,
            "TimeUnit": "MILLISECONDS",
            "DimensionMappings": [
                {"SourceColumn": name, "DestinationColumn": name}
                for name in dimension_names(schema)
            ],
            "MeasureNameColumn": MEASURE_NAME,
        }
        measures = [(field.name, DataType.of(field.type)) for field in measure_fields(schema)]
        if self._model is RecordModel.SINGLE:
            model["MixedMeasureMappings"] = [
                {
                    "MeasureName": name,
                    "TargetMeasureName": name,
                    "SourceColumn": VALUE,
                    "MeasureValueType": str(single_type(data_type)),
                }
                for name, data_type in measures
            ]
        else:
            model["MultiMeasureMappings"] = {
                "MultiMeasureAttributeMappings": [
                    {
                        "SourceColumn": name,
                        "TargetMultiMeasureAttributeName": name,
                        "MeasureValueType": str(data_type),
                    }
                    for name, data_type in measures
                ]
            }
        return {"DataModel": model}

    def prepare(self, storage: Storage) -> None:
        """Write the data model of each kind beside its folder."""
        for kind, schema in self._schemas.items():
            text = json.dumps(self.data_model(schema), indent=1).encode() + b"\n"
            storage.put(f"{kind}.data-model.json", partial(_write_bytes, text))

    def tables(self, ranges: Sequence[RecordRange]) -> Iterator[tuple[str, pa.Table, Indices]]:
        """The records of each kind as a table, values as text."""
        starts = np.cumsum([0, *map(len, ranges)])
        for kind in self._schemas:
            places = [place for place, each in enumerate(ranges) if each.records.kind == kind]
            if places:
                rows = as_table([ranges[place] for place in places], self._model)
                indices = [np.arange(starts[place], starts[place + 1]) for place in places]
                yield kind, self._with_text(rows, kind), np.concatenate(indices)

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """All rows in the folder of the kind."""
        yield "", rows

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        place = rows.schema.get_field_index(TIME)
        text = rows.set_column(place, TIME, _text(rows[TIME]))
        pacsv.write_csv(text, stream, pacsv.WriteOptions(quoting_style="needed"))

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file from ``first`` to ``last``, as :meth:`tables` returns them."""
        names = self._columns(file.path.partition("/")[0])
        types = dict.fromkeys(names, pa.string()) | {TIME: pa.int64()}
        with storage.filesystem.open_input_stream(storage.full(file.path)) as stream:
            rows = pacsv.read_csv(
                stream,
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(
                    column_types=types,
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
        microseconds = pc.multiply(rows[TIME], MILLISECOND)
        wanted = pc.and_(pc.greater_equal(microseconds, first), pc.less_equal(microseconds, last))
        place = rows.schema.get_field_index(TIME)
        return rows.set_column(place, TIME, microseconds.cast(TIMESTAMPS)).filter(wanted)

    def _columns(self, kind: str) -> list[str]:
        """The columns of a kind's files, in order."""
        schema = self._schemas[kind]
        values = [VALUE]
        if self._model is RecordModel.MULTI:
            values = [field.name for field in measure_fields(schema)]
        return [*dimension_names(schema), MEASURE_NAME, TIME, *values]

    def _with_text(self, rows: pa.Table, kind: str) -> pa.Table:
        """Rows in the columns of the kind's files, as text except for the time."""
        if self._model is RecordModel.SINGLE:
            typed = {value_column(each) for each in DataType}
            texts = [rows[name].cast(pa.string()) for name in rows.column_names if name in typed]
            rows = rows.append_column(VALUE, pc.coalesce(*texts))
        return pa.table(
            {
                name: rows[name] if name == TIME else _text(rows[name])
                for name in self._columns(kind)
            }
        )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text; times in milliseconds, the unit of the data model."""
    if pa.types.is_timestamp(column.type):
        column = pc.divide(column.cast(pa.int64()), MILLISECOND)
    return column.cast(pa.string())


def _write_bytes(content: bytes, stream: IO[bytes]) -> None:
    stream.write(content)
