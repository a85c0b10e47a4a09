"""The local Timestream in other people's tests.

``local_timestream`` and ``timestream_database`` are context managers, for ``unittest`` and other
frameworks. ``fleetstream.pytest_plugin`` has fixtures for pytest.
"""

from fleetstream.testing.database import (
    TelemetryTable,
    TimestreamDatabase,
    local_timestream,
    timestream_database,
)

__all__ = ["TelemetryTable", "TimestreamDatabase", "local_timestream", "timestream_database"]
