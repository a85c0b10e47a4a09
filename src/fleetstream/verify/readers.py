"""Readers: what a target holds, stretch by stretch of time."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from fleetstream.generate.records import RecordModel
from fleetstream.targets.registry import TargetOptions, open_sink


class Reader(Protocol):
    """Reads a target; all of it raises :class:`~fleetstream.targets.TargetUnusable`."""

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

        A query or a table with the columns of :mod:`fleetstream.targets.layout`; a table may
        lack columns that no record has.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...


def open_reader(options: TargetOptions, model: RecordModel) -> Reader:
    """The reader of a target, not opened yet; raises as its sink would.

    Raises :class:`ValueError` with a sentence where the target can't be read.
    """
    sink = open_sink(options, model)
    make = READERS.get(options.url.partition(":")[0])
    if make is None:
        raise ValueError(
            f"What {options.url!r} keeps can't be read again, so there is nothing to verify; load "
            "it into a target that can, and name that."
        )
    return make(sink, model)


def _duckdb(sink: Any, model: RecordModel) -> Reader:
    from fleetstream.verify.duckdb_reader import DuckDBReader

    return DuckDBReader(sink, model)


def _timestream(sink: Any, model: RecordModel) -> Reader:
    from fleetstream.verify.timestream_reader import TimestreamReader

    return TimestreamReader(sink.account, sink.name, model)


def _files(sink: Any, model: RecordModel) -> Reader:
    from fleetstream.verify.files_reader import FilesReader

    return FilesReader(sink, model)


def _influx(sink: Any, model: RecordModel) -> Reader:
    from fleetstream.verify.influx_reader import InfluxReader

    return InfluxReader(sink, model)


READERS: dict[str, Callable[[Any, RecordModel], Reader]] = {
    "duckdb": _duckdb,
    "timestream": _timestream,
    "parquet": _files,
    "s3": _files,
    "influx": _influx,
}
"""What makes the reader of a target, from its sink, by the part of its URL before the colon."""
