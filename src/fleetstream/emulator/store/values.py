"""The types of stored values: their DuckDB and Arrow types, and their metered sizes."""

from __future__ import annotations

from typing import Literal, NamedTuple

import pyarrow as pa

ValueType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "VARCHAR", "TIMESTAMP"]


class ValueStorage(NamedTuple):
    """How values of one type are held.

    ``arrow`` is the type of values on their way into a table: a TIMESTAMP is a number of
    nanoseconds since 1970 until it is written. ``size`` is what one value adds to the metered size
    of its record, in bytes; None stands for the length of the value's UTF-8 text.
    """

    duckdb: str
    arrow: pa.DataType
    size: int | None


STORAGE: dict[ValueType, ValueStorage] = {
    "DOUBLE": ValueStorage("DOUBLE", pa.float64(), 8),
    "BIGINT": ValueStorage("BIGINT", pa.int64(), 8),
    "BOOLEAN": ValueStorage("BOOLEAN", pa.bool_(), 1),
    "VARCHAR": ValueStorage("VARCHAR", pa.string(), None),
    "TIMESTAMP": ValueStorage("TIMESTAMP_NS", pa.int64(), 8),
}

MIN_TIME, MAX_TIME = -(2**63) + 2, 2**63 - 2
"""Range of timestamps in nanoseconds since 1970; DuckDB reads values outside as infinity."""
