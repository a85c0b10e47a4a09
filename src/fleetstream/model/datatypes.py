"""Data types of measures, and the Arrow type that stores each: the only place that maps them."""

from enum import StrEnum

import pyarrow as pa


class DataType(StrEnum):
    """Data types under Amazon Timestream's names, which are SQL names in DuckDB too."""

    DOUBLE = "DOUBLE"
    BIGINT = "BIGINT"
    VARCHAR = "VARCHAR"
    BOOLEAN = "BOOLEAN"
    TIMESTAMP = "TIMESTAMP"

    @property
    def arrow(self) -> pa.DataType:
        """The type of a column with values of this type."""
        return _ARROW[self]

    @classmethod
    def of(cls, arrow: pa.DataType) -> "DataType":
        """The data type of an Arrow column; strings may be dictionary-encoded."""
        if pa.types.is_dictionary(arrow) or pa.types.is_string(arrow):
            return cls.VARCHAR
        if pa.types.is_boolean(arrow):
            return cls.BOOLEAN
        if pa.types.is_timestamp(arrow):
            return cls.TIMESTAMP
        return cls.BIGINT if pa.types.is_integer(arrow) else cls.DOUBLE


WORDS = pa.dictionary(pa.int32(), pa.string())
"""The Arrow type of dimensions and of VARCHAR measures."""

TIMESTAMPS = pa.timestamp("us")
"""The Arrow type of times: microseconds of Unix time, UTC."""

_ARROW = {
    DataType.DOUBLE: pa.float64(),
    DataType.BIGINT: pa.int64(),
    DataType.VARCHAR: WORDS,
    DataType.BOOLEAN: pa.bool_(),
    DataType.TIMESTAMP: TIMESTAMPS,
}
