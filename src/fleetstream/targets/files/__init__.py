"""Files: a folder or bucket of them, for lakes and for loading elsewhere.

Files are written whole, of many rows each, and never changed. What a file holds in time stands in
its name, so that a run that repeats part of another looks only into those that may hold it.
"""

import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Protocol

import duckdb
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.targets.files.storage import Storage, StoredFile
from fleetstream.targets.seen import Seen, add_absent
from fleetstream.targets.sink import (
    Delivery,
    Part,
    Rejection,
    Request,
    TargetLost,
    TargetUnusable,
    Unavailable,
)

FULL = 2_000_000
"""Values in a request, about: lakes like few large files, but all of them wait in memory."""

PATIENCE = 60.0
"""Seconds that values wait for more, where the clock makes pauses."""


class Form(Protocol):
    """What files look like."""

    @property
    def name(self) -> str:
        """Its name, for people."""
        ...

    @property
    def suffix(self) -> str:
        """What the names of its files end with."""
        ...

    def prepare(self, storage: Storage) -> None:
        """Write what stands beside the files."""
        ...

    def tables(self, parts: Sequence[Part]) -> Iterator[tuple[str, pa.Table, Sequence[int]]]:
        """Records as tables, each for a folder, with the index of each row's record."""
        ...

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """The rows of each file to write, and the folder for it."""
        ...

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        """Write rows into a file."""
        ...

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file between two timestamps, themselves included (µs)."""
        ...


class FilesSink:
    """Writes files of a ``form`` into a ``storage``.

    Several processes and machines may write to one storage, as long as they write other series: a
    record that is there already when the sink is opened, or was written by it, is not written
    again.
    """

    concurrency = 1
    exclusive = False
    window = None

    def __init__(self, storage: Storage, form: Form, model: RecordModel, query: str | None) -> None:
        self.storage = storage
        self.form = form
        self._model = model
        self._query = query
        self._files: list[StoredFile] = []
        self._seen = Seen(self._held_before)
        self._waiting: list[Part] = []
        self._waiting_values = 0
        self._waiting_since = 0.0

    @property
    def name(self) -> str:
        """The form and the place."""
        return f"{self.form.name}, {self.storage.name}"

    def open(self) -> None:
        """List what is there; raises :class:`TargetUnusable` where nothing can be written."""
        try:
            self.storage.prepare()
            self.form.prepare(self.storage)
            self._files = self.storage.files(self.form.suffix)
        except OSError as error:
            raise TargetUnusable(
                f"{self.name} can't be written to: {_first_line(error)}"
            ) from error

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Everything that waits, as soon as it is enough for files."""
        records = Records(batch, self._model)
        part = Part(records, 0, len(records))
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append(part)
        self._waiting_values += part.values
        if self._waiting_values >= FULL:
            yield from self.flush()

    def pause(self) -> Iterable[Request]:
        """Everything that waits, once it has waited long enough."""
        waited = time.monotonic() - self._waiting_since
        return self.flush() if self._waiting and waited >= PATIENCE else ()

    def flush(self) -> Iterable[Request]:
        """Everything that waits."""
        parts, self._waiting, self._waiting_values = tuple(self._waiting), [], 0
        return [Request(parts, None)] if parts else []

    def send(self, request: Request) -> Delivery:
        """Write the files of a request; a repetition after a fault finds those that are there."""
        look = self._seen.look(part.records for part in request.parts)
        times = (min(look.hashes), max(look.hashes))
        rejections: list[Rejection] = []
        try:
            for folder, rows, indices in self.form.tables(request.parts):
                new = rows
                if not look.all_new:
                    new, found = self._absent(folder, rows, *times)
                    rejections += [Rejection(indices[each.index], each.reason) for each in found]
                for inner, part in self.form.partitions(new):
                    self._write("/".join(filter(None, (folder, inner))), part, times)
        except (OSError, pa.ArrowException, duckdb.Error) as error:
            # Some of the files may be there, so that what comes again has to be looked up.
            self._seen = Seen(self._held_before)
            if self.storage.may_recover(error):
                raise Unavailable("storage failed", str(error)) from error
            raise TargetLost(
                f"{self.storage.name} takes no more files: {_first_line(error)} What is there is "
                "whole."
            ) from error
        self._seen.remember(look)
        return Delivery(tuple(sorted(rejections, key=lambda rejection: rejection.index)))

    def close(self) -> None:
        """Nothing is held."""

    def query_hint(self) -> str | None:
        """A query with this Python, where there is one."""
        if self._query is None:
            return None
        code = f"import duckdb; duckdb.sql({self._query!r}).show(max_rows=50)"
        return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"

    def _write(self, folder: str, rows: pa.Table, times: tuple[int, int]) -> None:
        if not len(rows):
            return
        file = self.storage.add(
            folder, self.form.suffix, *times, lambda stream: self.form.write(rows, stream)
        )
        self._files.append(file)

    def _held_before(self, timestamp: int) -> bool:
        return any(file.first <= timestamp <= file.last for file in self._files)

    def _absent(
        self, folder: str, rows: pa.Table, first: int, last: int
    ) -> tuple[pa.Table, tuple[Rejection, ...]]:
        """Those rows that no file has yet, and those that differ from what one has."""
        there = [
            self.form.read(self.storage, file, first, last)
            for file in self._files
            if file.path.startswith(folder) and file.first <= last and first <= file.last
        ]
        held = pa.concat_tables([rows.slice(0, 0), *there], promote_options="permissive")
        with duckdb.connect() as connection:
            connection.register("held", held.select(rows.column_names))
            connection.execute("CREATE TABLE there AS SELECT *, true AS __old FROM held")
            rejections = add_absent(connection, "there", rows)
            added = connection.sql("SELECT * EXCLUDE (__old) FROM there WHERE __old IS NULL")
            new: pa.Table = added.to_arrow_table()
        return new.cast(rows.schema), rejections


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return f"{text.splitlines()[0].rstrip('.')}."
