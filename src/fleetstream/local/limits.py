"""The limits of Timestream for LiveAnalytics (its developer guide, "Quotas")."""

MEMORY_HOURS_DEFAULT = 6
MEMORY_HOURS_MOST = 8_766
MAGNETIC_DAYS_DEFAULT = 73_000
MAGNETIC_DAYS_MOST = 73_000
FUTURE_MINUTES = 15

DATABASES = 500
TABLES = 50_000
DIMENSIONS_PER_TABLE = 128
MEASURE_NAMES_PER_TABLE = 8_192
MULTI_MEASURES_PER_TABLE = 1_024
MULTI_MEASURES_PER_RECORD = 256
TAGS_PER_RESOURCE = 200

RECORD_BYTES = 2_048
"""The most that a record has: time, dimensions, measure names and values."""
SERIES_BYTES = 2_048
"""The most that the names and values of one record's dimensions have together."""
DIMENSION_NAME_BYTES = 60
MEASURE_NAME_BYTES = 256
