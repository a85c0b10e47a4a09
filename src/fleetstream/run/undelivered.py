"""Records that were not stored, kept in Parquet files until they can be delivered.

A file has records of one kind in the form of a batch (values that are not part of them null), with
four more columns: ``outcome`` (``undelivered`` or ``rejected``), ``reason``, ``record_index`` (its
place in its request) and ``existing_version`` (the version that the target has instead, where it
says so). Files appear under their names only when they are complete.
"""

import contextlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from fleetstream.generate.records import RecordRange, timestamps_of
from fleetstream.generate.schema import TIME, generator_version_of, kind_of
from fleetstream.run.manifest import check_generator
from fleetstream.targets.sink import Delivery, Request

ROWS_IN_MEMORY = 50_000
"""Rows kept in memory before a file is written."""

UNDELIVERED, REJECTED = "undelivered", "rejected"

_EXTRA_COLUMNS = {
    "outcome": pa.string(),
    "reason": pa.string(),
    "record_index": pa.int64(),
    "existing_version": pa.int64(),
}


@dataclass(slots=True)
class Kept:
    """Where the records are that were not stored.

    ``files`` hold them. Rows that could not be written there are counted in ``lost`` by timestamp,
    since they can be generated again, and ``failure`` says why.
    """

    files: list[Path] = field(default_factory=list)
    lost: Counter[int] = field(default_factory=Counter)
    failure: str | None = None

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.files + other.files, self.lost + other.lost, self.failure or other.failure)


class UndeliveredStore:
    """Writes records that were not stored into files of a folder, created when it is needed.

    Used from several threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = Kept()
        self._lock = threading.Lock()
        self._waiting: dict[str, list[pa.RecordBatch]] = defaultdict(list)
        self._rows = 0

    def undelivered(self, request: Request, reason: str) -> None:
        """Keep all records of a request."""
        index = 0
        for each in filter(len, request.ranges):
            self._keep(each, UNDELIVERED, reason, index, None)
            index += len(each)

    def rejected(self, request: Request, delivery: Delivery) -> None:
        """Keep the records of a request that the target refused."""
        for rejection in delivery.rejections:
            self._keep(
                request.record(rejection.index),
                REJECTED,
                rejection.reason,
                rejection.index,
                rejection.existing_version,
            )

    def flush(self) -> Kept:
        """Write everything that waits; returns where all records are so far."""
        with self._lock:
            self._flush()
            # A copy, since more may be kept while it travels to another process.
            return self.kept + Kept()

    def _keep(
        self, records: RecordRange, outcome: str, reason: str, index: int, version: int | None
    ) -> None:
        batch = records.batch()
        extra = dict(zip(_EXTRA_COLUMNS, (outcome, reason, index, version), strict=True))
        for name, value in extra.items():
            column = pa.array([value] * batch.num_rows, _EXTRA_COLUMNS[name])
            batch = batch.append_column(name, column)
        with self._lock:
            self._waiting[kind_of(batch.schema)].append(batch)
            self._rows += batch.num_rows
            if self._rows >= ROWS_IN_MEMORY:
                self._flush()

    def _flush(self) -> None:
        for kind, batches in self._waiting.items():
            self._write(kind, batches)
        self._waiting.clear()
        self._rows = 0

    def _write(self, kind: str, batches: Sequence[pa.RecordBatch]) -> None:
        from pyarrow import parquet

        name = f"{kind}-{time.time_ns()}-{os.getpid()}.parquet"
        unfinished = self.folder / f".{name}.unfinished"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            parquet.write_table(pa.Table.from_batches(batches), unfinished, compression="zstd")
            unfinished.rename(self.folder / name)
        except OSError as error:
            self.kept.failure = f"{self.folder}: {error.strerror or error}"
            for batch in batches:
                self.kept.lost.update(timestamps_of(batch).tolist())
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        else:
            self.kept.files.append(self.folder / name)


def undelivered_files(folder: Path) -> list[Path]:
    """The files of undelivered records in a folder, oldest first."""
    return sorted(folder.glob("*.parquet"), key=lambda path: path.name.rsplit("-", 2)[1:])


def undelivered_schema(path: Path) -> pa.Schema:
    """The schema of the batches in a file.

    Raises ValueError where the file does not hold undelivered records of this generator version.
    """
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        kind_of(schema)
        version = generator_version_of(schema)
        extra = [schema.get_field_index(name) for name in _EXTRA_COLUMNS]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _not_undelivered(path, str(error).splitlines()[0]) from error
    if min(extra) < 0 or schema.get_field_index(TIME) < 1:
        raise _not_undelivered(path, "columns are missing")
    check_generator(version, f"The values in {path} were made")
    return pa.schema(
        [column for column in schema if column.name not in _EXTRA_COLUMNS], schema.metadata
    )


def read_undelivered(path: Path) -> Iterator[pa.RecordBatch]:
    """The records of a file as batches. Raises as :func:`undelivered_schema` does."""
    from pyarrow import parquet

    schema = undelivered_schema(path)
    try:
        table = parquet.ParquetFile(path).read(columns=schema.names)
        rows = table.cast(schema).unify_dictionaries().combine_chunks()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_undelivered(path, str(error).splitlines()[0]) from error
    keys = rows.select(schema.names[: schema.get_field_index(TIME) + 1])
    if any(column.null_count for column in keys.columns):
        raise _not_undelivered(path, "a dimension or time is null")
    yield from rows.to_batches()


def _not_undelivered(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} is not a file of undelivered records: {reason}.")
