"""Reads Parquet files of a folder or bucket, those alone that may hold a stretch of time."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.targets.files import FilesSink
from fleetstream.targets.files.storage import StoredFile
from fleetstream.targets.layout import COLUMNS
from fleetstream.targets.sink import TargetUnusable

_EARLIEST, _LATEST = 0, 2**62
"""Microseconds; no timestamp lies beyond them."""


class FilesReader:
    """Reads the files that a sink of files would write."""

    slice_values = 1_000_000

    def __init__(self, sink: FilesSink, model: RecordModel) -> None:
        self.name = sink.name
        self._storage = sink.storage
        self._form = sink.form
        self._columns = COLUMNS[model]

    def open(self) -> None:
        """List the files."""
        try:
            self._files = self._storage.files(self._form.suffix)
        except OSError as error:
            raise TargetUnusable(f"{self.name} can't be read: {error}") from error
        if not self._files:
            raise TargetUnusable(f"{self.name} has no {self._form.suffix} files to verify.")
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after one, in microseconds."""
        found: set[int] = set()
        for file in self._files:
            if file.last > timestamp:
                times = self._read(file, timestamp + 1, _LATEST)[TIME].unique().cast(pa.int64())
                found.update(times.to_pylist())
        return sorted(found)

    def held(self, begin: int | None, end: int | None) -> pa.Table:
        """A table of all records of a stretch."""
        first = _EARLIEST if begin is None else begin
        last = _LATEST if end is None else end - 1
        there = [
            self._read(file, first, last)
            for file in self._files
            if file.first <= last and first <= file.last
        ]
        if not there:
            return pa.table({TIME: pa.array([], pa.timestamp("us"))})
        return pa.concat_tables(there, promote_options="permissive")

    def close(self) -> None:
        """Nothing but memory is held."""
        self.connection.close()

    def _read(self, file: StoredFile, first: int, last: int) -> pa.Table:
        try:
            rows = self._form.read(self._storage, file, first, last)
        except (OSError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise TargetUnusable(f"{self.name}: {file.path} can't be read: {reason}") from error
        return rows.select([name for name in self._columns if name in rows.column_names])
