"""The interface of targets that can be read back, to verify what they hold."""

from collections.abc import Sequence
from typing import Protocol

import duckdb
import pyarrow as pa


class Reader(Protocol):
    """Reads the table that the sink of the same target writes. Its methods raise TargetUnusable."""

    @property
    def name(self) -> str:
        """The target, for people."""
        ...

    @property
    def slice_values(self) -> int:
        """About how many values are best read at once."""
        ...

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection on which queries from :meth:`held` run and tables are compared."""
        ...

    def open(self) -> None:
        """Make sure that the target can be read."""
        ...

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after ``timestamp`` that have records, in microseconds, ascending."""
        ...

    def held(self, begin: int | None, end: int | None) -> str | pa.Table:
        """The records from ``begin`` until before ``end`` (microseconds, None: without bound).

        A query or a table with the columns of :class:`~fleetstream.targets.columns.TableColumns`; a
        table may lack columns that no record has.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...
