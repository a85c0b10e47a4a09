"""UNLOAD: writing the result of a query to files in S3.

Syntax, options and files are those of the developer guide, "Using UNLOAD to export query results to
S3".
"""

from __future__ import annotations

from fleetstream.emulator.unload.execution import UNLOAD_COLUMNS, Unload
from fleetstream.emulator.unload.statement import is_unload, read_unload

__all__ = ["UNLOAD_COLUMNS", "Unload", "is_unload", "read_unload"]
