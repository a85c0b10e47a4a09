"""Writes files into a folder or bucket, for data lakes and for loading elsewhere.

Files are written whole, with many rows each, and never changed. The name of a file has the range of
its timestamps, so a run that repeats part of another reads only the files that may hold the same
records.
"""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, RecordRange
from fleetstream.targets.deduplication import Addition, RecentWrites, add_absent, time_range
from fleetstream.targets.file_storage import Storage, StoredFile
from fleetstream.targets.sink import (
    Delivery,
    Rejection,
    Request,
    TargetLost,
    TargetUnusable,
    Unavailable,
    first_line,
)
from fleetstream.targets.waiting import WaitingRecords

VALUES_PER_REQUEST = 2_000_000
"""About how many values a request has. Readers of data lakes are slow with many small files; but
all values of a request wait in memory, 16 bytes or so each."""

LONGEST_WAIT = 60.0
"""Seconds that values wait for more, where the run pauses between sweeps."""


class FileFormat(Protocol):
    """How records are written to files and read back.

    Its tables have the columns ``key``, which identify a record and include the time
    (``timestamp[us]``), and columns of values.
    """

    @property
    def name(self) -> str:
        """The format, for people."""
        ...

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        ...

    @property
    def key(self) -> Sequence[str]:
        """The columns that identify a record; a table may lack some."""
        ...

    def prepare(self, storage: Storage) -> None:
        """Write what accompanies the files. May raise OSError."""
        ...

    def tables(self, ranges: Sequence[RecordRange]) -> Iterator[tuple[str, pa.Table, Indices]]:
        """Records as tables: the folder of each, and the index of each row's record."""
        ...

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """The rows of each file to write, and its folder below that of the table."""
        ...

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        """Write rows to a file."""
        ...

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file from ``first`` to ``last``, both included (microseconds)."""
        ...


class FileSink:
    """Writes files of a format into a storage.

    Several processes and machines may write to one storage if they write different series: a record
    is not written again if it was there when the sink was opened, or if this sink wrote it.
    """

    concurrency = 1
    exclusive = False
    window = None

    def __init__(
        self, storage: Storage, file_format: FileFormat, model: RecordModel, query: str | None
    ) -> None:
        self.storage = storage
        self.format = file_format
        self._query = query
        self._files: list[StoredFile] = []
        self._recent = RecentWrites(self._may_hold)
        self._waiting = WaitingRecords(model)

    @property
    def name(self) -> str:
        return f"{self.format.name}, {self.storage.name}"

    def open(self) -> None:
        """List the files. Raises TargetUnusable where none can be written."""
        try:
            self.storage.prepare()
            self.format.prepare(self.storage)
            self._files = self.storage.files(self.format.suffix)
        except OSError as error:
            raise TargetUnusable(
                f"{self.name} cannot be written to: {first_line(error)}"
            ) from error

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """Everything that waits, once it is enough for large files."""
        self._waiting.add(batch)
        return self.flush() if self._waiting.values >= VALUES_PER_REQUEST else ()

    def pause(self) -> Iterable[Request]:
        """Everything that waits, once it has waited long enough."""
        return self.flush() if self._waiting.seconds >= LONGEST_WAIT else ()

    def flush(self) -> Iterable[Request]:
        return self._waiting.take()

    def send(self, request: Request) -> Delivery:
        """Write the files of a request. After a failure it can be sent again."""
        keys = self._recent.keys_of(request.ranges)
        rejections: list[Rejection] = []
        unchanged = 0
        try:
            for folder, rows, indices in self.format.tables(request.ranges):
                new = rows
                if not keys.all_new:
                    new, addition = self._absent(folder, rows)
                    unchanged += addition.unchanged
                    rejections += [
                        Rejection(int(indices[each.index]), each.reason)
                        for each in addition.rejections
                    ]
                for inner, part in self.format.partitions(new):
                    self._write("/".join(filter(None, (folder, inner))), part)
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            # Some of the files may exist, so the next attempt has to look for these records.
            self._recent = RecentWrites(self._may_hold)
            if self.storage.may_recover(error):
                raise Unavailable("storage failed", str(error)) from error
            raise TargetLost(
                f"{self.storage.name} takes no more files: {first_line(error)} Those that it has "
                "are complete."
            ) from error
        self._recent.remember(keys)
        rejections.sort(key=lambda rejection: rejection.index)
        return Delivery(tuple(rejections), unchanged)

    def close(self) -> None:
        """Nothing is open between requests."""

    def query_hint(self) -> str | None:
        """A query with this Python, where the files are local."""
        if self._query is None:
            return None
        code = f"import duckdb; duckdb.sql({self._query!r}).show(max_rows=50)"
        return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"

    def _write(self, folder: str, rows: pa.Table) -> None:
        if not len(rows):
            return
        first, last = time_range(rows)
        file = self.storage.add(
            folder, self.format.suffix, first, last, lambda stream: self.format.write(rows, stream)
        )
        self._files.append(file)

    def _may_hold(self, timestamps: Indices) -> Booleans:
        """Which of these timestamps are in the range of a file."""
        held = np.zeros(len(timestamps), np.bool_)
        for file in self._files:
            held |= (timestamps >= file.first) & (timestamps <= file.last)
        return held

    def _absent(self, folder: str, rows: pa.Table) -> tuple[pa.Table, Addition]:
        """Those rows that no file has yet, and what became of the others."""
        first, last = time_range(rows)
        there = [
            self.format.read(self.storage, file, first, last)
            for file in self._files
            if file.path.startswith(folder) and file.first <= last and first <= file.last
        ]
        held = pa.concat_tables([rows.slice(0, 0), *there], promote_options="permissive")
        with duckdb.connect() as connection:
            connection.register("held", held.select(rows.column_names))
            connection.execute("CREATE TABLE there AS SELECT *, true AS __old FROM held")
            addition = add_absent(connection, "there", rows, self.format.key)
            added = connection.sql("SELECT * EXCLUDE (__old) FROM there WHERE __old IS NULL")
            new: pa.Table = added.to_arrow_table()
        return new.cast(rows.schema), addition
