"""Records that were not stored, kept in Parquet files until they can be delivered.

A file holds records of one kind in the form of a batch (values that are not part of them null),
with four columns more: ``outcome`` (`undelivered` or `rejected`), ``reason``, ``record_index`` (its
place in its request) and ``existing_version`` (what the target has in its stead, where it says so).
Files appear under their names only when they are complete.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fleetstream.fleet import Kind
from fleetstream.generate.records import TIME, batch_schema, kind_of
from fleetstream.targets.sink import Delivery, Part, Request

DEFAULT_FOLDER = Path("fleetstream-undelivered")

FULL = 50_000
"""Rows kept in memory before a file is written."""

UNDELIVERED, REJECTED = "undelivered", "rejected"

_NOTES = {
    "outcome": pa.string(),
    "reason": pa.string(),
    "record_index": pa.int64(),
    "existing_version": pa.int64(),
}


@dataclass(slots=True)
class Losses:
    """What became of records that were not stored.

    ``files`` hold them; those that could not be written are counted in ``lost`` by timestamp, since
    they can be generated again, and ``failure`` says why.
    """

    files: list[Path] = field(default_factory=list)
    lost: Counter[int] = field(default_factory=Counter)
    failure: str | None = None

    def __add__(self, other: "Losses") -> "Losses":
        return Losses(
            self.files + other.files, self.lost + other.lost, self.failure or other.failure
        )


class UndeliveredStore:
    """Takes records that were not stored and writes them into files of a folder.

    The folder is made when there is something to write. Used from several threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.losses = Losses()
        self._lock = threading.Lock()
        self._kept: dict[Kind, list[pa.RecordBatch]] = {kind: [] for kind in Kind}
        self._rows = 0

    def undelivered(self, request: Request, reason: str) -> None:
        """Keep all records of a request."""
        index = 0
        for part in request.parts:
            self._keep(part, UNDELIVERED, reason, index, None)
            index += len(part)

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

    def flush(self) -> Losses:
        """Write everything kept; gives what has become of all so far."""
        with self._lock:
            self._flush()
            # A copy, since losses go on while it travels.
            return self.losses + Losses()

    def _keep(self, part: Part, outcome: str, reason: str, index: int, version: int | None) -> None:
        batch = part.batch()
        rows = batch.num_rows
        notes = [
            pa.array([outcome] * rows),
            pa.array([reason] * rows),
            pa.array([index] * rows, pa.int64()),
            pa.array([version] * rows, pa.int64()),
        ]
        schema = batch.schema
        for name, kind in _NOTES.items():
            schema = schema.append(pa.field(name, kind))
        noted = pa.RecordBatch.from_arrays([*batch.columns, *notes], schema=schema)
        with self._lock:
            self._kept[kind_of(batch)].append(noted)
            self._rows += rows
            if self._rows >= FULL:
                self._flush()

    def _flush(self) -> None:
        for kind, batches in self._kept.items():
            if batches:
                self._write(kind, batches)
                self._kept[kind] = []
        self._rows = 0

    def _write(self, kind: Kind, batches: Sequence[pa.RecordBatch]) -> None:
        name = f"{kind}-{time.time_ns()}-{os.getpid()}.parquet"
        unfinished = self.folder / f".{name}.unfinished"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_batches(batches), unfinished, compression="zstd")
            unfinished.rename(self.folder / name)
        except OSError as error:
            self.losses.failure = f"{self.folder}: {error.strerror or error}"
            for batch in batches:
                for timestamp in batch.column(batch.schema.get_field_index(TIME)):
                    self.losses.lost[int(timestamp.value)] += 1
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        else:
            self.losses.files.append(self.folder / name)


def undelivered_files(folder: Path) -> list[Path]:
    """The files of undelivered records in a folder, oldest first."""
    return sorted(folder.glob("*.parquet"), key=lambda path: path.name.split("-")[1:])


def read_undelivered(path: Path) -> Iterator[pa.RecordBatch]:
    """The records of a file as batches, each of one timestamp.

    Raises :class:`ValueError` with a sentence where the file does not hold undelivered records.
    """
    try:
        table = pq.ParquetFile(path).read()
        kind = Kind((table.schema.metadata or {}).get(b"kind", b"").decode())
        schema = batch_schema(kind)
        batches = table.select(schema.names).cast(schema).unify_dictionaries().combine_chunks()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is not a file of undelivered records: {str(error).splitlines()[0]}"
        ) from error
    keys = batches.select(schema.names[: schema.get_field_index(TIME) + 1])
    if any(column.null_count for column in keys.columns):
        raise ValueError(f"{path} is not a file of undelivered records: a dimension is missing.")
    for timestamp in batches.column(TIME).unique():
        rows = batches.filter(pc.equal(batches.column(TIME), timestamp))
        yield from rows.combine_chunks().to_batches()
