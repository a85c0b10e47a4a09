"""Records: a batch as a sequence of records, in either of Amazon Timestream's record models."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.moments import MILLISECOND
from fleetstream.generate.schema import TIME, dimension_names, kind_of, measure_fields

Indices = npt.NDArray[np.int64]


class TimestampValues(NamedTuple):
    """How many values there are per timestamp, in microseconds (both int64).

    A timestamp occurs as often as there are runs of rows that have it, so more than once where rows
    are not in the order of time.
    """

    timestamps: Indices
    values: Indices


class Records:
    """The records of a batch, in row order and within a row in the order of the measures.

    A missing value makes no record, and neither does a row whose values are all missing. ``rows``
    has the row of each record (int64); ``measures`` its index among the batch's measures (int64;
    empty under the multi-measure model, whose records have all of them).
    """

    def __init__(self, batch: pa.RecordBatch, model: RecordModel) -> None:
        self.batch = batch
        self.model = model
        self._time = batch.schema.get_field_index(TIME)

    def __len__(self) -> int:
        if self.complete:
            return int(self.batch.num_rows) * self._records_per_row
        return len(self.rows)

    @property
    def rows(self) -> Indices:
        return self._cells[0]

    @property
    def measures(self) -> Indices:
        return self._cells[1]

    @cached_property
    def kind(self) -> str:
        """The kind of series in the batch."""
        return kind_of(self.batch.schema)

    @cached_property
    def dimension_names(self) -> list[str]:
        return dimension_names(self.batch.schema)

    @cached_property
    def measure_names(self) -> list[str]:
        return list(self.batch.schema.names[self._time + 1 :])

    def dimension(self, name: str) -> pa.DictionaryArray:
        return self.batch.column(self.batch.schema.get_field_index(name))

    @cached_property
    def measure_columns(self) -> list[pa.Array]:
        """The columns of the measures.

        A single-measure record cannot have a timestamp as its value, as in Amazon Timestream, so
        there times are milliseconds of Unix time (int64).
        """
        columns = list(self.batch.columns[self._time + 1 :])
        if self.model is RecordModel.SINGLE:
            return [whole_times(each) if _is_time(each) else each for each in columns]
        return columns

    @cached_property
    def measure_fields(self) -> list[pa.Field]:
        return measure_fields(self.batch.schema)

    @cached_property
    def timestamps(self) -> Indices:
        """The timestamp of each row of the batch, in microseconds (int64)."""
        return timestamps_of(self.batch)

    @cached_property
    def timestamp(self) -> int | None:
        """The timestamp that all rows of the batch share; None if they differ or there is none."""
        return int(self.timestamps[0]) if len(self._time_rows) == 1 else None

    def values_in(self, start: int, stop: int) -> int:
        """How many values are in the records ``[start, stop)``."""
        if self.model is RecordModel.SINGLE:
            return stop - start
        if self.complete:
            return (stop - start) * len(self.measure_names)
        return int(self._cumulated_values[stop] - self._cumulated_values[start])

    def values_by_timestamp(self, start: int, stop: int) -> TimestampValues:
        """How many values are in the records ``[start, stop)`` per timestamp."""
        if self.timestamp is not None:
            values = np.array([self.values_in(start, stop)])
            return TimestampValues(np.array([self.timestamp]), values)
        begins = self._time_starts
        first = max(int(begins.searchsorted(start, "right")) - 1, 0)
        last = int(begins.searchsorted(stop))
        edges = np.append(begins[first:last], stop)
        if len(edges) > 1:
            edges[0] = start
        values = np.diff(self._values_before(edges))
        return TimestampValues(self.timestamps[self._time_rows[first:last]], values)

    def extract(self, start: int, stop: int) -> pa.RecordBatch:
        """The records ``[start, stop)`` as a batch; other values of their rows are null."""
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
    def present(self) -> Booleans:
        """Which values are not null, with the shape (rows of the batch, measures)."""
        present = np.ones((self.batch.num_rows, len(self.measure_names)), np.bool_)
        for place, column in enumerate(self.measure_columns):
            if column.null_count:
                present[:, place] = column.is_valid().to_numpy(zero_copy_only=False)
        return present

    @cached_property
    def _time_rows(self) -> Indices:
        """The first row of each run of rows with the same timestamp."""
        times = self.timestamps
        later = np.flatnonzero(times[1:] != times[:-1]) + 1
        return np.concatenate((np.zeros(min(len(times), 1), np.int64), later))

    @cached_property
    def _time_starts(self) -> Indices:
        """The first record of each run of rows with the same timestamp."""
        if self.complete:
            return self._time_rows * self._records_per_row
        starts: Indices = self.rows.searchsorted(self._time_rows)
        return starts

    @property
    def _records_per_row(self) -> int:
        """How many records a row without missing values has."""
        return len(self.measure_names) if self.model is RecordModel.SINGLE else 1

    def _values_before(self, records: Indices) -> Indices:
        """How many values are in the records before each of some records."""
        if self.model is RecordModel.SINGLE:
            return records
        if self.complete:
            return records * len(self.measure_names)
        return self._cumulated_values[records]

    @cached_property
    def _cumulated_values(self) -> Indices:
        """How many values are in the records before each record, and in all of them."""
        values = self.present.sum(axis=1)[self.rows]
        return np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))

    @cached_property
    def _cells(self) -> tuple[Indices, Indices]:
        """The row and the measure of each record."""
        rows, measures = self.batch.num_rows, len(self.measure_names)
        if self.model is RecordModel.MULTI:
            present = slice(None) if self.complete else self.present.any(axis=1)
            return np.arange(rows)[present], np.empty(0, np.int64)
        if not self.complete:
            found_rows, found_measures = np.nonzero(self.present)
            return found_rows.astype(np.int64), found_measures.astype(np.int64)
        return np.repeat(np.arange(rows), measures), np.tile(np.arange(measures), rows)


def _only(column: pa.Array, wanted: pa.BooleanArray) -> pa.Array:
    """The column with nulls in place of values that are not wanted."""
    if isinstance(column, pa.DictionaryArray):
        # Arrow would drop unused words, down to an empty dictionary.
        return pa.DictionaryArray.from_arrays(_only(column.indices, wanted), column.dictionary)
    from pyarrow import compute  # takes a tenth of a short command's start

    return compute.if_else(wanted, column, pa.scalar(None, column.type))


@dataclass(frozen=True, slots=True)
class RecordRange:
    """The records ``[start, stop)`` of ``records``."""

    records: Records
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def values(self) -> int:
        """How many values are in these records."""
        return self.records.values_in(self.start, self.stop)

    @property
    def timestamps(self) -> Indices:
        """The timestamp of each record, in microseconds (int64)."""
        return self.records.timestamps[self.records.rows[self.start : self.stop]]

    def values_by_timestamp(self) -> TimestampValues:
        """How many values are in these records per timestamp."""
        return self.records.values_by_timestamp(self.start, self.stop)

    def batch(self) -> pa.RecordBatch:
        """These records alone, as a batch."""
        return self.records.extract(self.start, self.stop)


def whole_times(column: pa.Array, unit: int = MILLISECOND) -> pa.Array:
    """A column of timestamps as numbers (int64) of so many microseconds, rounded down."""
    numbers = column.view(pa.int64())
    if not numbers.null_count:
        return pa.array(numbers.to_numpy() // unit)
    from pyarrow import compute

    return compute.divide(numbers, unit)


def _is_time(column: pa.Array) -> bool:
    return bool(pa.types.is_timestamp(column.type))


def timestamps_of(batch: pa.RecordBatch) -> Indices:
    """The timestamp of each row of a batch, in microseconds (int64)."""
    times: Indices = batch.column(batch.schema.get_field_index(TIME)).view(pa.int64()).to_numpy()
    return times


def values_by_timestamp(batch: pa.RecordBatch) -> TimestampValues:
    """How many values a batch has per timestamp."""
    records = Records(batch, RecordModel.MULTI)
    return records.values_by_timestamp(0, len(records))
