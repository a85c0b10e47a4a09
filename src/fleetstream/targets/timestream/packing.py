"""Packing: which records share a request.

Amazon Timestream takes at most 100 records in a WriteRecords request (its developer guide,
"Quotas").
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.records import Indices, RecordModel, Records

MAX_RECORDS = 100
"""Records in a request, at most."""


@dataclass(frozen=True)
class Packing:
    """The records before ``count`` cut into requests of 100, the last one perhaps smaller.

    A *segment* is what one row of the batch contributes to one request. All arrays have one entry a
    request, a segment or a record, as their names say; they are int64.
    """

    records: Records
    count: int

    @property
    def regular(self) -> bool:
        """Whether every value is there, so that the records follow from how many they are."""
        return self.records.complete

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
    def record_segments(self) -> Indices:
        """The segment of each record."""
        return np.repeat(np.arange(len(self.segment_starts)), self.segment_lengths)

    @cached_property
    def shared_names(self) -> npt.NDArray[np.bool_]:
        """Whether all records of a request are of one measure; single-measure records only."""
        return self._constant(self.measures)

    @cached_property
    def shared_types(self) -> npt.NDArray[np.bool_]:
        """Whether all values of a request are of one type; single-measure records only."""
        types = [measure_type(column) for column in self.records.measure_columns]
        codes = np.array([types.index(name) for name in types])
        return self._constant(codes[self.measures])

    def per_request(self, sizes: Indices) -> Indices:
        """The sum over the records of each request of one number a record."""
        return np.add.reduceat(sizes, self.starts)

    def _constant(self, codes: Indices) -> npt.NDArray[np.bool_]:
        """Whether all records of a request have the same code."""
        lowest = np.minimum.reduceat(codes, self.starts)
        highest = np.maximum.reduceat(codes, self.starts)
        same: npt.NDArray[np.bool_] = lowest == highest
        return same


def measure_type(column: pa.Array) -> str:
    """Amazon Timestream's name for the type of a measure's column."""
    if pa.types.is_dictionary(column.type):
        return "VARCHAR"
    return "BIGINT" if pa.types.is_integer(column.type) else "DOUBLE"
