"""Deletes records at the end of their retention."""

from __future__ import annotations

import logging
import threading
from functools import partial

from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

INTERVAL_SECONDS = 60.0
"""How often records are deleted; queries do not return them as soon as their retention ends."""

_log = logging.getLogger(__name__)


class RetentionJob:
    """Deletes expired records at regular intervals, and whenever the clock is set."""

    def __init__(self, store: TimestreamStore, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestream-retention", daemon=True)
        store.clock.on_change(self.delete_expired)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread; the writer must still be running."""
        self._closing.set()
        self._thread.join()

    def delete_expired(self) -> None:
        """Delete all records whose retention has ended."""
        for table in self._store.catalog.tables():
            if self._closing.is_set():
                return
            expire = partial(self._store.expire, table.database, table.name)
            self._writer.run(expire).result()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.delete_expired()
            except Exception:
                _log.exception("Expired records could not be deleted.")
            self._closing.wait(INTERVAL_SECONDS)
