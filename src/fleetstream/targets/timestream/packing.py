"""Which records share a request, and what they have in common.

Amazon Timestream accepts at most 100 records per WriteRecords request (its developer guide,
"Quotas").
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, Records
from fleetstream.model import DataType

MAX_RECORDS = 100
"""Records per request, at most."""


@dataclass(frozen=True)
class Packing:
    """The records before ``count``, divided into requests of 100; the last one may be smaller.

    A *segment* is what one row of the batch contributes to one request. All arrays have one entry
    per request, segment or record, as their names say; indices are int64.
    """

    records: Records
    count: int

    @cached_property
    def regular(self) -> bool:
        """Whether no record of the batch is missing, so that its shape determines the packing."""
        measures = len(self.records.measure_names)
        per_row = measures if self.records.model is RecordModel.SINGLE else 1
        rows: int = self.records.batch.num_rows
        return len(self.records) == rows * per_row

    @cached_property
    def rows(self) -> Indices:
        """The row of each record."""
        return self.records.rows[: self.count]

    @cached_property
    def measures(self) -> Indices:
        """The measure of each record; single-measure records only."""
        return self.records.measures[: self.count]

    @cached_property
    def starts(self) -> Indices:
        """The first record of each request."""
        return np.arange(0, self.count, MAX_RECORDS)

    @cached_property
    def stops(self) -> Indices:
        """The record after the last of each request."""
        return np.minimum(self.starts + MAX_RECORDS, self.count)

    @cached_property
    def segment_starts(self) -> Indices:
        """The first record of each segment."""
        if self.records.model is RecordModel.MULTI:
            return np.arange(self.count)
        if self.regular:
            begins = np.zeros(self.count, np.bool_)
            begins[:: len(self.records.measure_names)] = True
        else:
            begins = np.diff(self.rows, prepend=-1) != 0
        begins[self.starts] = True
        return np.flatnonzero(begins)

    @cached_property
    def segment_rows(self) -> Indices:
        """The row of each segment."""
        return self.rows[self.segment_starts]

    @cached_property
    def segment_requests(self) -> Indices:
        """The request of each segment."""
        return self.segment_starts // MAX_RECORDS

    @cached_property
    def segment_lengths(self) -> Indices:
        """How many records each segment has."""
        return np.diff(self.segment_starts, append=self.count)

    @cached_property
    def first_segments(self) -> Indices:
        """The first segment of each request."""
        return np.searchsorted(self.segment_starts, self.starts)

    @cached_property
    def last_segments(self) -> Indices:
        """The last segment of each request."""
        return np.append(self.first_segments[1:], len(self.segment_starts)) - 1

    @cached_property
    def record_segments(self) -> Indices:
        """The segment of each record."""
        return np.repeat(np.arange(len(self.segment_starts)), self.segment_lengths)

    @cached_property
    def shared_times(self) -> Booleans:
        """Whether all records of a request have the same timestamp."""
        if self.records.timestamp is not None:
            return np.ones(len(self.starts), np.bool_)
        return self.unchanged(self.records.timestamps)

    @cached_property
    def shared_names(self) -> Booleans:
        """Whether all records of a request have the same measure; single-measure records only."""
        return self._constant(self.measures)

    @cached_property
    def shared_types(self) -> Booleans:
        """Whether all values of a request have the same type; single-measure records only."""
        types = list(DataType)
        codes = [types.index(DataType.of(each.type)) for each in self.records.measure_columns]
        return self._constant(np.array(codes)[self.measures])

    def unchanged(self, values: npt.NDArray[np.integer]) -> Booleans:
        """Whether all records of a request have the same value, given one value per row."""
        of_segments = values[self.segment_rows]
        changes = np.cumsum(of_segments[1:] != of_segments[:-1])
        changes = np.concatenate([[0], changes])
        same: Booleans = changes[self.first_segments] == changes[self.last_segments]
        return same

    def per_request(self, sizes: Indices) -> Indices:
        """The sum over the records of each request of one number per record."""
        return np.add.reduceat(sizes, self.starts)

    def _constant(self, codes: Indices) -> Booleans:
        """Whether all records of a request have the same code, given one code per record."""
        lowest = np.minimum.reduceat(codes, self.starts)
        highest = np.maximum.reduceat(codes, self.starts)
        same: Booleans = lowest == highest
        return same
