"""A local Amazon Timestream for LiveAnalytics: its write and query APIs over DuckDB.

This package imports nothing else of fleetstream, and serves any client of Timestream.
"""

from fleetstream.emulator.local_timestream import LocalTimestream

__all__ = ["LocalTimestream"]
