"""Packing: which records share a request, and what all records of a request have in common.

Amazon Timestream takes at most 100 records in a WriteRecords request (its developer guide,
"Quotas"). Whatever they share is said once, in the request's CommonAttributes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.records import Indices, Records

MAX_RECORDS = 100
"""Records in a request, at most."""


@dataclass(frozen=True)
class Packing:
    """The records before ``count`` cut into requests of 100, the last one perhaps smaller.

    A *segment* is what one row of the batch contributes to one request. All arrays are one entry a
    request, a segment or a record, as their names say.
    """

    records: Records
    count: int

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
    def _segment_starts(self) -> Indices:
        begins = np.diff(self.rows, prepend=-1) != 0
        begins[self.starts] = True
        return np.flatnonzero(begins)

    @cached_property
    def segment_rows(self) -> Indices:
        """The row of each segment."""
        return self.rows[self._segment_starts]

    @cached_property
    def segment_requests(self) -> Indices:
        """The request of each segment."""
        return self._segment_starts // MAX_RECORDS

    @cached_property
    def record_segments(self) -> Indices:
        """The segment of each record."""
        lengths = np.diff(self._segment_starts, append=self.count)
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def shared_dimensions(self) -> npt.NDArray[np.bool_]:
        """Whether all records of a request have the same value of a dimension.

        One row a dimension, one column a request.
        """
        first = self.rows[self.starts]
        last = self.rows[self.stops - 1]
        shared = np.empty((len(self.records.dimension_names), len(self.starts)), np.bool_)
        for place, name in enumerate(self.records.dimension_names):
            changes = np.cumsum(np.diff(self.indices(name), prepend=-1) != 0)
            shared[place] = changes[first] == changes[last]
        return shared

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

    def _constant(self, codes: Indices) -> npt.NDArray[np.bool_]:
        """Whether all records of a request have the same code."""
        lowest = np.minimum.reduceat(codes, self.starts)
        highest = np.maximum.reduceat(codes, self.starts)
        same: npt.NDArray[np.bool_] = lowest == highest
        return same

    def indices(self, dimension: str) -> npt.NDArray[np.int32]:
        """Each row's place in the dictionary of a dimension."""
        column: pa.DictionaryArray = self.records.dimension(dimension)
        indices: npt.NDArray[np.int32] = column.indices.to_numpy()
        return indices


def measure_type(column: pa.Array) -> str:
    """Amazon Timestream's name for the type of a measure's column."""
    if pa.types.is_dictionary(column.type):
        return "VARCHAR"
    return "BIGINT" if pa.types.is_integer(column.type) else "DOUBLE"
