"""The journal: keeps the manifest of a run up to date while it goes on."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from fleetstream.run.ledger import Ledger
from fleetstream.run.manifest import Manifest, ledger_totals, write_manifest
from fleetstream.run.progress import Progress, ProgressTracker, together
from fleetstream.run.schedule import sweeps_left
from fleetstream.run.undelivered import Kept, UndeliveredStore
from fleetstream.targets.sink import Delivery, Request

SETTLE_EVERY = 5.0
"""Seconds between two checks of which sweeps are settled; undelivered records are written first."""


class Recorder:
    """Observes one pipeline: keeps what it does not deliver, and knows how far it has come."""

    def __init__(self, store: UndeliveredStore) -> None:
        self.store = store
        self._tracker = ProgressTracker()

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch goes to the sink, or is held back."""
        self._tracker.entered(batch)

    def released(self, batch: pa.RecordBatch) -> None:
        """A batch that was held back has gone to the sink."""
        self._tracker.released(batch)

    def swept(self, timestamp: int) -> None:
        """All batches up to the sweep at ``timestamp`` were entered."""
        self._tracker.swept(timestamp)

    def settled(self, request: Request) -> None:
        """Every record of a request has an outcome."""
        self._tracker.settled(request)

    def undelivered(self, request: Request, reason: str) -> None:
        """A request is given up; its records are kept."""
        self.store.undelivered(request, reason)

    def rejected(self, request: Request, delivery: Delivery) -> None:
        """The target refused records of a request; they are kept."""
        self.store.rejected(request, delivery)

    def progress(self) -> tuple[Progress, Kept]:
        """How far the pipeline has come; what it did not deliver until then is on disk."""
        progress = self._tracker.progress()
        return progress, self.store.flush()


class Journal:
    """Keeps the manifest of a run at ``path``, or nowhere if that is None.

    ``progress`` returns how far each pipeline of the run has come. A manifest that cannot be
    written does not end a run; ``failure`` says why it could not be written last.

    The schedule of a run with a start names its sweeps, so its manifest may lag behind: sweeps that
    it does not name yet are written again, with the same values, when the run is resumed.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: Path | None,
        ledger: Ledger,
        progress: Callable[[], Iterable[Progress]],
    ) -> None:
        self.manifest = manifest
        self.path = path
        self.failure: str | None = None
        self._ledger = ledger
        self._progress = progress
        self._checked = float("-inf")
        self._begun = list(manifest.unsettled)
        self._resumed = frozenset(manifest.unsettled)
        self._names_all_sweeps = manifest.spec.start is None

    def begin(self, timestamps: Sequence[int]) -> None:
        """Sweeps are about to begin; when this returns, the manifest or its schedule names them."""
        self._begun += [stamp for stamp in timestamps if stamp not in self._resumed]
        due = time.monotonic() - self._checked >= SETTLE_EVERY
        if due:
            self._settle()
        if due or self._names_all_sweeps:
            self._write()

    def close(self) -> None:
        """Write the manifest when the run has ended, finished or not."""
        self._settle()
        self.manifest.unsettled = list(self._begun)
        self.manifest.finished = sweeps_left(self.manifest) == 0
        self._write()

    def _settle(self) -> None:
        self._checked = time.monotonic()
        progress = together(self._progress())
        settled: list[int] = []
        unsettled: list[int] = []
        for timestamp in self._begun:
            (settled if progress.settled(timestamp) else unsettled).append(timestamp)
        self.manifest.settle(settled)
        self._begun = unsettled

    def _write(self) -> None:
        self.manifest.unsettled = list(self._begun)
        self.manifest.ledger = ledger_totals(self._ledger.totals())
        if self.path is None:
            return
        try:
            write_manifest(self.path, self.manifest)
            self.failure = None
        except OSError as error:
            self.failure = f"{self.path}: {error.strerror or error}"
