"""Replay: delivers the records that an earlier run could not, file by file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop
from fleetstream.run.journal import Recorder
from fleetstream.run.undelivered import UndeliveredStore, read_undelivered, undelivered_files
from fleetstream.targets.sink import Sink


def replay(
    folder: Path,
    sink: Sink,
    ledger: Ledger,
    stop: Stop,
    *,
    concurrency: int,
    give_up_after: float,
) -> list[str]:
    """Deliver the records in the files of ``folder``; a file whose records are stored is removed.

    Where some of a file's records are not stored, they alone are kept, in a new file. Gives a
    sentence for each file that can't be read; such a file stays.
    """
    unreadable = []
    for path in undelivered_files(folder):
        recorder = Recorder(UndeliveredStore(folder))
        batches = _Batches(path)
        try:
            Pipeline(
                batches,
                sink,
                ledger,
                stop,
                concurrency=concurrency,
                give_up_after=give_up_after,
                watcher=recorder,
            ).run()
        except ValueError as error:
            unreadable.append(str(error))
        recorder.store.flush()
        losses = recorder.store.losses
        if batches.exhausted and not losses.failure:
            path.unlink()
        else:
            # The old file still holds everything.
            for kept in losses.files:
                kept.unlink()
        if stop.gently.is_set():
            break
    with contextlib.suppress(OSError):
        folder.rmdir()  # only if it is empty
    return unreadable


class _Batches:
    """The batches of a file; ``exhausted`` once all were taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.exhausted = False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from read_undelivered(self._path)
        self.exhausted = True
