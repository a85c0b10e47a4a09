"""Readers: what a target holds, stretch by stretch of time."""

from collections.abc import Sequence
from typing import Protocol

import duckdb
import pyarrow as pa

from fleetstream.records import RecordModel
from fleetstream.sinks.targets import TargetOptions, open_sink


class Reader(Protocol):
    """Reads a target; all of it raises :class:`~fleetstream.sinks.TargetUnusable`."""

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
        """Where queries that :meth:`held` gives are run, and tables are compared."""
        ...

    def open(self) -> None:
        """Make sure that the target can be read."""
        ...

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after one that have records, in microseconds, ascending."""
        ...

    def held(self, begin: int | None, end: int | None) -> str | pa.Table:
        """The records from ``begin`` until before ``end`` (µs, None: without bound).

        A query or a table with the columns of :mod:`fleetstream.sinks.duckdb.layout`; a table may
        lack columns that no record has.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...


def open_reader(options: TargetOptions, model: RecordModel) -> Reader:
    """The reader of a target, not opened yet; raises as its sink would.

    Raises :class:`ValueError` with a sentence where the target keeps nothing.
    """
    sink = open_sink(options, model)
    scheme = options.url.partition(":")[0]
    if scheme == "duckdb":
        from fleetstream.sinks.duckdb import DuckDBSink
        from fleetstream.verify.duckdb_reader import DuckDBReader

        assert isinstance(sink, DuckDBSink)
        return DuckDBReader(sink, model)
    if scheme == "timestream":
        from fleetstream.sinks.timestream import TimestreamSink
        from fleetstream.verify.timestream_reader import TimestreamReader

        assert isinstance(sink, TimestreamSink)
        return TimestreamReader(sink.account, sink.name, model)
    raise ValueError(f"{options.url!r} keeps nothing, so there is nothing to verify.")
