"""Metering: what a request costs, as Amazon Timestream counts it.

From the developer guide, "Metering and cost optimization", "Writes": a record's size is 8 bytes of
timestamp, plus the UTF-8 lengths of its dimensions' names and values and of its measures' names,
plus its values (8 bytes for DOUBLE, BIGINT and TIMESTAMP, 1 for BOOLEAN, their length for VARCHAR).
Common attributes count once per request. A request is counted in units of 1 KiB, rounded up.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Indices, Records
from fleetstream.targets.timestream.dimensions import DimensionSets
from fleetstream.targets.timestream.packing import Packing

UNIT = 1_024
"""Bytes of a metered write."""

TIMESTAMP_BYTES = 8
NUMBER_BYTES, BOOLEAN_BYTES = 8, 1


def metered_writes(packing: Packing, dimensions: DimensionSets) -> Indices:
    """How many metered writes each request counts for (int64)."""
    return -(-metered_bytes(packing, dimensions) // UNIT)


def metered_bytes(packing: Packing, dimensions: DimensionSets) -> Indices:
    """The metered size of each request in bytes (int64)."""
    own = np.add.reduceat(dimensions.own_bytes * packing.segment_lengths, packing.first_segments)
    times = np.where(packing.shared_times, 1, packing.stops - packing.starts)
    values = _multi if packing.records.model is RecordModel.MULTI else _single
    return TIMESTAMP_BYTES * times + dimensions.common_bytes + own + values(packing)


def _multi(packing: Packing) -> Indices:
    """Measure names and values; all records share their own name."""
    records = packing.records
    sizes = np.zeros(records.batch.num_rows, np.int64)
    for name, values in zip(records.measure_names, records.measure_columns, strict=True):
        sizes += (len(name.encode()) + _value_bytes(values)) * _present(values)
    return len(records.kind.encode()) + packing.per_request(sizes[packing.rows])


def _single(packing: Packing) -> Indices:
    """Measure names and values; a name that all records of a request share counts once."""
    records = packing.records
    names = _name_bytes(records)[packing.measures]
    values = np.empty((records.batch.num_rows, len(records.measure_names)), np.int64)
    for place, column in enumerate(records.measure_columns):
        values[:, place] = _value_bytes(column)
    all_names = packing.per_request(names)
    return packing.per_request(values[packing.rows, packing.measures]) + np.where(
        packing.shared_names, names[packing.starts], all_names
    )


def _name_bytes(records: Records) -> Indices:
    return np.array([len(name.encode()) for name in records.measure_names])


def _value_bytes(values: pa.Array) -> Indices | int:
    """The size of each value, or one size for all of them."""
    if pa.types.is_boolean(values.type):
        return BOOLEAN_BYTES
    if not pa.types.is_dictionary(values.type):
        return NUMBER_BYTES
    lengths = pc.binary_length(values.dictionary).to_numpy().astype(np.int64)
    indices = values.indices.fill_null(0) if values.null_count else values.indices
    sizes: Indices = lengths[indices.to_numpy()]
    return sizes


def _present(values: pa.Array) -> Indices | int:
    """1 where there is a value and 0 where there is none, or 1 for all of them."""
    if not values.null_count:
        return 1
    present: Indices = values.is_valid().to_numpy(zero_copy_only=False).astype(np.int64)
    return present
