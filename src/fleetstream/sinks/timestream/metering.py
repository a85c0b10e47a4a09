"""Metering: what a request costs, as Amazon Timestream counts it.

From the developer guide, "Metering and cost optimization", "Writes": a record's size is 8 bytes of
timestamp, plus the UTF-8 lengths of its dimensions' names and values and of its measures' names,
plus its values (8 bytes for DOUBLE and BIGINT, their length for VARCHAR); what stands in the common
attributes counts once a request; a request is counted in units of 1 KiB, rounded up.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.records import Indices, RecordModel, Records
from fleetstream.sinks.timestream.packing import Packing

UNIT = 1_024
"""Bytes in a metered write."""

TIMESTAMP_BYTES = 8
NUMBER_BYTES = 8


def metered_writes(packing: Packing) -> Indices:
    """How many metered writes each request counts for (int64, one entry a request)."""
    return -(-metered_bytes(packing) // UNIT)


def metered_bytes(packing: Packing) -> Indices:
    """The metered size of each request in bytes (int64, one entry a request)."""
    own = _dimension_bytes(packing) + _measure_bytes(packing)
    return TIMESTAMP_BYTES + own


def _dimension_bytes(packing: Packing) -> Indices:
    """Dimensions: once a request where it shares them, else once a record."""
    total = np.zeros(len(packing.starts), np.int64)
    for place, name in enumerate(packing.records.dimension_names):
        dictionary = packing.records.dimension(name).dictionary
        lengths = len(name.encode()) + pc.binary_length(dictionary).to_numpy()
        sizes = lengths[packing.indices(name)[packing.rows]]
        shared = packing.shared_dimensions[place]
        total += np.where(shared, sizes[packing.starts], np.add.reduceat(sizes, packing.starts))
    return total


def _measure_bytes(packing: Packing) -> Indices:
    """Measure names and values; a name that all records share counts once."""
    records = packing.records
    sizes = _value_bytes(records)
    names = np.array([len(name.encode()) for name in records.measure_names])
    if records.model is RecordModel.MULTI:
        present = np.column_stack([column.is_valid() for column in records.measure_columns])
        rows = ((sizes + names) * present).sum(axis=1)[packing.rows]
        return len(records.kind) + np.add.reduceat(rows, packing.starts)
    name_sizes = names[packing.measures]
    shared = packing.shared_names
    return np.add.reduceat(sizes[packing.rows, packing.measures], packing.starts) + np.where(
        shared, name_sizes[packing.starts], np.add.reduceat(name_sizes, packing.starts)
    )


def _value_bytes(records: Records) -> Indices:
    """The size of each value: one row a row of the batch, one column a measure."""
    sizes = np.full((records.batch.num_rows, len(records.measure_names)), NUMBER_BYTES)
    for place, column in enumerate(records.measure_columns):
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            sizes[:, place] = pc.fill_null(lengths, 0).to_numpy()
    return sizes
