"""The journal: watches a run and keeps its manifest up to date."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from fleetstream.run.ledger import Ledger, Tally, Totals
from fleetstream.run.manifest import Manifest, write_manifest
from fleetstream.run.outstanding import Outstanding, Standing
from fleetstream.run.undelivered import Losses, UndeliveredStore
from fleetstream.targets.sink import Delivery, Request

SETTLE_EVERY = 10.0
"""Seconds between two looks at which sweeps are settled; undelivered records are written first."""

WRITE_EVERY = 1.0
"""Seconds between two manifests of a run whose timestamps are known beforehand."""


class Recorder:
    """Watches one pipeline: keeps what it does not deliver, and knows how far it has come."""

    def __init__(self, store: UndeliveredStore) -> None:
        self.store = store
        self._outstanding = Outstanding()
        self.swept = self._outstanding.swept
        self.entered: Callable[[pa.RecordBatch], None] = self._outstanding.entered
        self.released: Callable[[pa.RecordBatch], None] = self._outstanding.released
        self.settled: Callable[[Request], None] = self._outstanding.settled

    def undelivered(self, request: Request, reason: str) -> None:
        """Keep the records of a request that is given up."""
        self.store.undelivered(request, reason)

    def rejected(self, request: Request, delivery: Delivery) -> None:
        """Keep the records of a request that the target refused."""
        self.store.rejected(request, delivery)

    def standing(self) -> Standing:
        """How far the pipeline has come; what it did not deliver until then is on disk."""
        return self.progress()[0]

    def progress(self) -> tuple[Standing, Losses]:
        """How far the pipeline has come, and what became of what it did not deliver until then."""
        standing = self._outstanding.standing()
        return standing, self.store.flush()


class Journal:
    """Keeps the manifest of a run at ``path``, or nowhere if that is None.

    ``standings`` tells how far each pipeline of the run has come. A manifest that can't be written
    does not end a run: ``failure`` says why, and the summary tells.

    A run with a start names its sweeps by its pace alone, so its manifest may lag behind: sweeps
    that it does not name yet are written again, with the same values, when the run is resumed.
    """

    def __init__(
        self,
        manifest: Manifest,
        path: Path | None,
        ledger: Ledger,
        standings: Callable[[], Iterable[Standing]],
    ) -> None:
        self.manifest = manifest
        self.path = path
        self.failure: str | None = None
        self._ledger = ledger
        self._standings = standings
        self._looked = time.monotonic()
        self._written = 0.0
        self._named = set(manifest.unsettled)
        pace = manifest.pace
        self._write_every = WRITE_EVERY if pace and pace.start is not None else 0.0

    def begin(self, timestamp: int) -> None:
        """A sweep is about to begin; when this returns, the manifest or its pace names it."""
        if timestamp not in self._named:
            self._named.add(timestamp)
            self.manifest.unsettled.append(timestamp)
        if time.monotonic() - self._looked >= SETTLE_EVERY:
            self._settle()
        if time.monotonic() - self._written >= self._write_every:
            self._write()

    def close(self, *, finished: bool) -> None:
        """The run is over; ``finished`` if it did all that it was to do."""
        self._settle()
        self.manifest.finished = finished and not self.manifest.unsettled
        self._write()

    def _settle(self) -> None:
        self._looked = time.monotonic()
        standings = list(self._standings())
        begun, self.manifest.unsettled = self.manifest.unsettled, []
        for timestamp in begun:
            if all(standing.settled(timestamp) for standing in standings):
                self._named.discard(timestamp)
                self.manifest.settle(timestamp)
            else:
                self.manifest.unsettled.append(timestamp)

    def _write(self) -> None:
        self._written = time.monotonic()
        self.manifest.ledger = ledger_facts(self._ledger.totals())
        if self.path is None:
            return
        try:
            write_manifest(self.path, self.manifest)
        except OSError as error:
            self.failure = f"{self.path}: {error.strerror or error}"


def ledger_facts(totals: Totals) -> dict[str, Any]:
    """The totals of a ledger, ready for JSON."""
    facts: dict[str, Any] = {"adds_up": totals.adds_up}
    for each in fields(totals):
        figure = getattr(totals, each.name)
        if isinstance(figure, Tally):
            figure = {"records": figure.records, "values": figure.values}
        facts[each.name] = dict(figure) if isinstance(figure, Counter) else figure
    return facts
