"""Limits of Timestream for LiveAnalytics (developer guide, "Quotas"), and of values in queries.

The service does not document the last ones. They keep a single value from filling the memory.
"""

DEFAULT_MEMORY_STORE_HOURS = 6
MAX_MEMORY_STORE_HOURS = 8_766
DEFAULT_MAGNETIC_STORE_DAYS = 73_000
MAX_MAGNETIC_STORE_DAYS = 73_000
MAX_FUTURE_MINUTES = 15

DATABASES = 500
TABLES = 50_000
DIMENSIONS_PER_TABLE = 128
MEASURE_NAMES_PER_TABLE = 8_192
MULTI_MEASURES_PER_TABLE = 1_024
MULTI_MEASURES_PER_RECORD = 256
TAGS_PER_RESOURCE = 200

RECORD_BYTES = 2_048
"""Size of one record: time, dimensions, measure names and values."""
SERIES_BYTES = 2_048
"""Size of the names and values of one record's dimensions."""
DIMENSION_NAME_BYTES = 60
MEASURE_NAME_BYTES = 256

ARRAY_ENTRIES = 10_000
"""Entries of an array that SEQUENCE or REPEAT makes, as in Trino."""
VALUE_ENTRIES = 1_000_000
"""Entries of an array that a function makes of others, with those of the arrays inside it.

The service refuses rows of more than a megabyte, so no result has as many.
"""
TEXT_BYTES = 100_000
"""Bytes of a text that a function makes of others; the service has values of up to 2,048."""
PATTERN_BYTES = 2_048
"""Bytes of a regular expression: matching one that is 100,000 bytes long takes many seconds."""
MATCHED_BYTES = 10_000
"""Bytes of a text in which all matches of a regular expression are found: DuckDB does so for 2,048
rows at once, and cannot be stopped meanwhile."""
