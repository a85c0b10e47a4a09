"""Records: what of a batch travels as one unit, in either of Amazon Timestream's record models."""

from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.fleet import DIMENSIONS, Kind
from fleetstream.measures import DataType, measures_of

TIME = "time"
"""The column of a batch that separates its dimensions from its measures."""

DECIMALS = "decimals"
"""The entry of a measure's field metadata that says how many decimals its values have."""

_ARROW_TYPES = {
    DataType.DOUBLE: pa.float64(),
    DataType.BIGINT: pa.int64(),
    DataType.VARCHAR: pa.dictionary(pa.int32(), pa.string()),
}
Indices = npt.NDArray[np.int64]


class RecordModel(StrEnum):
    """How values become records.

    Single: one record a value, named after its measure. Multi: one record a host or process and
    timestamp, named after its kind, holding all its values.
    """

    SINGLE = "single"
    MULTI = "multi"


class Records:
    """A batch seen as a list of records, in row order and within a row in the measures' order.

    A missing value is no record, and a row whose values are all missing is none either. ``rows``
    gives the row of each record (int64); ``measures`` its place among the batch's measures (int64;
    under the multi-measure model it is empty, since a record has them all).
    """

    def __init__(self, batch: pa.RecordBatch, model: RecordModel) -> None:
        self.batch = batch
        self.model = model
        self._time = batch.schema.get_field_index(TIME)
        if model is RecordModel.SINGLE:
            self.rows, self.measures = self._places
        else:
            present = slice(None) if self.complete else self.present.any(axis=1)
            self.rows, self.measures = np.arange(batch.num_rows)[present], np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def kind(self) -> Kind:
        """The kind of series that the batch holds."""
        return kind_of(self.batch)

    @cached_property
    def dimension_names(self) -> list[str]:
        """The names of the batch's dimensions."""
        return list(self.batch.schema.names[: self._time])

    @cached_property
    def measure_names(self) -> list[str]:
        """The names of the batch's measures."""
        return list(self.batch.schema.names[self._time + 1 :])

    def dimension(self, name: str) -> pa.DictionaryArray:
        """A dimension's column."""
        return self.batch.column(self.batch.schema.get_field_index(name))

    @cached_property
    def measure_columns(self) -> list[pa.Array]:
        """The columns of the measures."""
        return list(self.batch.columns[self._time + 1 :])

    @cached_property
    def measure_fields(self) -> list[pa.Field]:
        """The schema's fields of the measures."""
        return [self.batch.schema.field(name) for name in self.measure_names]

    @cached_property
    def timestamp(self) -> int:
        """The timestamp of the batch, microseconds of Unix time."""
        return timestamp_of(self.batch)

    def values_in(self, start: int, stop: int) -> int:
        """How many values the records ``[start, stop)`` hold."""
        if self.model is RecordModel.SINGLE:
            return stop - start
        if self.complete:
            return (stop - start) * len(self.measure_names)
        return int(self.present[self.rows[start:stop]].sum())

    def extract(self, start: int, stop: int) -> pa.RecordBatch:
        """The records ``[start, stop)`` alone, as a batch: other values of their rows are null."""
        if start == stop:
            return self.batch.slice(0, 0)
        rows = self.rows[start:stop]
        if self.model is RecordModel.MULTI:
            return self.batch.take(pa.array(rows))
        first, last = int(rows[0]), int(rows[-1])
        part = self.batch.slice(first, last - first + 1)
        wanted = np.zeros((part.num_rows, len(self.measure_names)), np.bool_)
        wanted[rows - first, self.measures[start:stop]] = True
        for place, column in enumerate(part.columns[self._time + 1 :]):
            if not wanted[:, place].all():
                field = part.schema.field(self._time + 1 + place)
                kept = _only(column, pa.array(wanted[:, place]))
                part = part.set_column(self._time + 1 + place, field, kept)
        return part

    @cached_property
    def complete(self) -> bool:
        """Whether no value is missing."""
        return not any(column.null_count for column in self.measure_columns)

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which values are there: one row a row of the batch, one column a measure."""
        present = np.ones((self.batch.num_rows, len(self.measure_names)), np.bool_)
        for place, column in enumerate(self.measure_columns):
            if column.null_count:
                present[:, place] = column.is_valid().to_numpy(zero_copy_only=False)
        return present

    @property
    def _places(self) -> tuple[Indices, Indices]:
        """Row and measure of each value that is there, in row order."""
        rows, measures = self.batch.num_rows, len(self.measure_names)
        if not self.complete:
            found_rows, found_measures = np.nonzero(self.present)
            return found_rows.astype(np.int64), found_measures.astype(np.int64)
        return np.repeat(np.arange(rows), measures), np.tile(np.arange(measures), rows)


def _only(column: pa.Array, wanted: pa.BooleanArray) -> pa.Array:
    """A column with nulls where it is not wanted."""
    if isinstance(column, pa.DictionaryArray):
        # Arrow would leave out words that are not used, down to an empty dictionary.
        return pa.DictionaryArray.from_arrays(_only(column.indices, wanted), column.dictionary)
    return pc.if_else(wanted, column, pa.scalar(None, column.type))


def kind_of(batch: pa.RecordBatch) -> Kind:
    """The kind of series that a batch holds, from its schema's metadata."""
    return Kind((batch.schema.metadata or {})[b"kind"].decode())


def timestamp_of(batch: pa.RecordBatch) -> int:
    """The timestamp of a batch, microseconds of Unix time."""
    return int(batch.column(batch.schema.get_field_index(TIME))[0].value)


def batch_schema(kind: Kind) -> pa.Schema:
    """The schema of all batches of a kind: dimensions, time, measures.

    Its metadata has the ``kind``, and that of each measure's field its ``decimals``.
    """
    dimension = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            *((name, dimension) for name in DIMENSIONS[kind]),
            (TIME, pa.timestamp("us")),
            *(
                pa.field(
                    measure.name,
                    _ARROW_TYPES[measure.type],
                    metadata={DECIMALS: str(measure.decimals)},
                )
                for measure in measures_of(kind)
            ),
        ],
        metadata={"kind": kind},
    )


def decimals_of(field: pa.Field) -> int | None:
    """How many decimals the values of a measure have, or None where its field does not say."""
    decimals = (field.metadata or {}).get(DECIMALS.encode())
    return None if decimals is None else int(decimals)
