"""Replay: delivers the records that earlier runs could not, file by file."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from fleetstream.run.assembly import Parts, sink_of
from fleetstream.run.control import Control
from fleetstream.run.interruptible import interruptible
from fleetstream.run.journal import Recorder
from fleetstream.run.ledger import Ledger
from fleetstream.run.spec import RunSpec
from fleetstream.run.undelivered import (
    UndeliveredStore,
    read_undelivered,
    undelivered_files,
    undelivered_schema,
)
from fleetstream.targets.sink import Sink


@dataclass(slots=True)
class Replay:
    """The files of a folder and the target that their records go to, which is open.

    ``unreadable`` has an error message per file that cannot be read; such files stay.
    """

    spec: RunSpec
    folder: Path
    sink: Sink
    ledger: Ledger = field(default_factory=Ledger)
    control: Control = field(default_factory=Control)
    unreadable: list[str] = field(default_factory=list)

    def execute(self) -> int:
        """Deliver the records of all files; returns how many files are left.

        A file whose records are all stored is removed. Where some are not, they alone are kept, in
        a new file.
        """
        for path in undelivered_files(self.folder):
            self._deliver(path)
            if self.control.gently.is_set():
                break
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # only if it is empty
        return len(undelivered_files(self.folder))

    def _deliver(self, path: Path) -> None:
        store = UndeliveredStore(self.folder)
        recorder = Recorder(store)
        batches = _FileBatches(path)
        try:
            Parts(self.spec, self.sink, self.ledger, self.control, recorder).deliver(batches)
        except ValueError as error:
            self.unreadable.append(str(error))
        kept = store.flush()
        if batches.exhausted and not kept.failure:
            path.unlink()
        else:
            # The old file still holds everything.
            for file in kept.files:
                file.unlink()


def open_replay(spec: RunSpec, folder: Path) -> Replay:
    """The replay of a folder into the target of ``spec``; the caller closes its sink.

    Raises ValueError where there is nothing to replay, and as :func:`new_run` does.
    """
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder {str(folder)!r}; the summary of a run names the one it left."
        )
    files = undelivered_files(folder)
    if not files:
        raise ValueError(f"There are no undelivered records in {str(folder)!r}.")
    schemas: dict[str, pa.Schema] = {}
    errors: list[str] = []
    for path in files:
        try:
            schema = undelivered_schema(path)
            schemas[schema.to_string(show_schema_metadata=True)] = schema
        except ValueError as error:
            errors.append(str(error))
    if not schemas:
        raise ValueError(errors[0])
    sink = interruptible(lambda: sink_of(spec, schemas.values()))
    interruptible(sink.open)
    return Replay(spec, folder, sink)


class _FileBatches:
    """The batches of a file; ``exhausted`` when all were taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.exhausted = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from read_undelivered(self._path)
        self.exhausted = True
