"""Records as rows of a table, with the columns that Amazon Timestream shows.

Under the single-measure model these are the dimensions, ``measure_name``, ``time`` and one
``measure_value::TYPE`` column per data type; under the multi-measure model one column per measure
takes their place. Single-measure records have no timestamps as values, so the value of a TIMESTAMP
measure is a BIGINT there: milliseconds of Unix time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, RecordRange, Records
from fleetstream.generate.schema import TIME, dimension_names, measure_fields
from fleetstream.model import DataType

MEASURE_NAME = "measure_name"

SQL_TIMESTAMP = str(DataType.TIMESTAMP)

ALWAYS = (DataType.DOUBLE, DataType.BIGINT, DataType.VARCHAR)
"""The types that every table of single-measure records has a column of."""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that holds batches of ``schemas`` under a record model."""

    model: RecordModel
    schemas: tuple[pa.Schema, ...]

    @cached_property
    def key(self) -> dict[str, str]:
        """The columns that identify a record, in order, with their SQL types."""
        dimensions = (name for schema in self.schemas for name in dimension_names(schema))
        return dict.fromkeys((*dimensions, MEASURE_NAME), "VARCHAR") | {TIME: SQL_TIMESTAMP}

    @cached_property
    def values(self) -> dict[str, str]:
        """The columns of values, in order, with their SQL types."""
        if self.model is RecordModel.SINGLE:
            types = (single_type(DataType.of(field.type)) for field in self._fields)
            return {value_column(each): str(each) for each in dict.fromkeys((*ALWAYS, *types))}
        return {field.name: str(DataType.of(field.type)) for field in self._fields}

    @property
    def _fields(self) -> Iterator[pa.Field]:
        return (field for schema in self.schemas for field in measure_fields(schema))

    @cached_property
    def all(self) -> dict[str, str]:
        """All columns in order, with their SQL types."""
        return self.key | self.values


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def single_type(data_type: DataType) -> DataType:
    """The type of the values of a measure in single-measure records."""
    return DataType.BIGINT if data_type is DataType.TIMESTAMP else data_type


def value_column(data_type: DataType) -> str:
    """The column of single-measure values of a type."""
    return f"measure_value::{data_type.lower()}"


def as_table(ranges: Sequence[RecordRange], model: RecordModel) -> pa.Table:
    """Records as rows, in their order; columns that no record has are left out."""
    shape = _single if model is RecordModel.SINGLE else _multi
    return pa.concat_tables([shape(each) for each in ranges], promote_options="default")


def constant_words(word: str, rows: int) -> pa.DictionaryArray:
    """A dictionary-encoded column that has the same word in all rows."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([word]))


def _multi(part: RecordRange) -> pa.Table:
    batch = part.batch()
    table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
    return table.append_column(MEASURE_NAME, constant_words(part.records.kind, batch.num_rows))


def _single(part: RecordRange) -> pa.Table:
    records = part.records
    rows = records.rows[part.start : part.stop]
    measures = records.measures[part.start : part.stop]
    columns = {
        name: _taken(records.batch.column(place), rows)
        for place, name in enumerate([*records.dimension_names, TIME])
    }
    columns[MEASURE_NAME] = pa.DictionaryArray.from_arrays(
        pa.array(measures.astype(np.int32)), pa.array(records.measure_names)
    )
    return pa.table(columns | single_values(part))


def single_values(part: RecordRange) -> dict[str, pa.Array]:
    """The columns of values of single-measure records, without those that no record has."""
    records = part.records
    rows = records.rows[part.start : part.stop]
    measures = records.measures[part.start : part.stop]
    found = {value_column(each): _values(records, each, measures, rows) for each in DataType}
    return {name: values for name, values in found.items() if values is not None}


def _values(
    records: Records, data_type: DataType, measures: Indices, rows: Indices
) -> pa.Array | None:
    """The values of one type, null where a record's is of another; None if there are none."""
    places = [
        place
        for place, column in enumerate(records.measure_columns)
        if DataType.of(column.type) is data_type
    ]
    if not places:
        return None
    # All columns of the type lie end to end; a record's value is at column × rows + row.
    end_to_end = pa.concat_arrays([records.measure_columns[place] for place in places])
    offsets = np.full(len(records.measure_names), -1)
    offsets[places] = np.arange(len(places)) * records.batch.num_rows
    offset = offsets[measures]
    return _taken(end_to_end, offset + rows, offset < 0)


def _taken(column: pa.Array, rows: Indices, absent: Booleans | None = None) -> pa.Array:
    """Rows of a column, null where they are ``absent``.

    Arrow's own ``take`` needs ``pyarrow.compute``, which takes a tenth of a run's start to import.
    """
    if column.null_count:
        return column.take(pa.array(rows, mask=absent))
    if absent is not None:
        rows = np.where(absent, 0, rows)
    if isinstance(column, pa.DictionaryArray):
        codes = pa.array(column.indices.to_numpy()[rows], mask=absent)
        return pa.DictionaryArray.from_arrays(codes, column.dictionary)
    values = column.to_numpy(zero_copy_only=False)  # truth values are bits
    return pa.array(values[rows], column.type, mask=absent)
