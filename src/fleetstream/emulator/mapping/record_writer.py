"""Writing many records to a table, by the rules of WriteRecords."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import msgspec

from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.shapes import WriteRecords
from fleetstream.emulator.api.write_records import read_records
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.pending_records import PendingRecords
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

RECORDS_PER_WRITE = 100


class RecordWriter:
    """Writes the API's Records, as JSON types, to one table."""

    def __init__(self, store: TimestreamStore, writer: Writer, database: str, table: str) -> None:
        self._store = store
        self._writer = writer
        self._names = {"DatabaseName": database, "TableName": table}

    def write(self, records: Sequence[dict[str, Any]]) -> dict[int, str]:
        """Write records; returns the reasons of those that were rejected, by index.

        Raises ResourceNotFoundException if the table does not exist.
        """
        reasons: dict[int, str] = {}
        writes: list[tuple[int, Future[PendingRecords]]] = []
        for start in range(0, len(records), RECORDS_PER_WRITE):
            part = records[start : start + RECORDS_PER_WRITE]
            try:
                writes.append((start, self._writer.write(self._read(part))))
            except ValidationException:
                # An invalid record fails its whole request, so each is written alone.
                for index, record in enumerate(part, start):
                    try:
                        writes.append((index, self._writer.write(self._read([record]))))
                    except ValidationException as error:
                        reasons[index] = error.message
        for start, write in writes:
            for rejection in write.result().rejected_records():
                reasons[start + rejection["RecordIndex"]] = rejection["Reason"]
        return reasons

    def _read(self, records: Sequence[dict[str, Any]]) -> PendingRecords:
        request = decode(msgspec.json.encode({**self._names, "Records": records}), WriteRecords)
        table = self._store.catalog.table(request.database_name, request.table_name)
        return read_records(request, table, self._store.clock.now())
