"""Reads the files of a folder or bucket, only those that may hold the wanted timestamps."""

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from fleetstream.generate.schema import TIME
from fleetstream.targets.file_sink import FileFormat
from fleetstream.targets.file_storage import Storage, StoredFile
from fleetstream.targets.sink import TargetUnusable, first_line

_EARLIEST, _LATEST = 0, 2**62
"""Microseconds; all timestamps are between them."""


class FileReader:
    """Reads what a :class:`~fleetstream.targets.file_sink.FileSink` wrote, in its ``columns``."""

    slice_values = 1_000_000

    def __init__(self, storage: Storage, file_format: FileFormat, columns: Iterable[str]) -> None:
        self.name = f"{file_format.name}, {storage.name}"
        self._storage = storage
        self._format = file_format
        self._columns = tuple(columns)

    def open(self) -> None:
        """List the files. Raises TargetUnusable where there are none."""
        try:
            self._files = self._storage.files(self._format.suffix)
        except OSError as error:
            raise TargetUnusable(f"{self.name} cannot be read: {first_line(error)}") from error
        if not self._files:
            raise TargetUnusable(f"{self.name} has no {self._format.suffix} files to verify.")
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        found: set[int] = set()
        for file in self._files:
            if file.last > timestamp:
                times = self._read(file, timestamp + 1, _LATEST)[TIME].unique().cast(pa.int64())
                found.update(times.to_pylist())
        return sorted(found)

    def held(self, begin: int | None, end: int | None) -> pa.Table:
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
        self.connection.close()

    def _read(self, file: StoredFile, first: int, last: int) -> pa.Table:
        try:
            rows = self._format.read(self._storage, file, first, last)
        except (OSError, pa.ArrowException) as error:
            raise TargetUnusable(
                f"{self.name}: {file.path} cannot be read: {first_line(error)}"
            ) from error
        return rows.select([name for name in self._columns if name in rows.column_names])
