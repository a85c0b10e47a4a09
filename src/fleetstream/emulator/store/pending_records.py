"""The records of one WriteRecords request before they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fleetstream.emulator.store.catalog import TableDefinition
from fleetstream.emulator.store.series import SeriesIdentity
from fleetstream.emulator.store.values import ValueType


class RecordRejected(Exception):
    """A record cannot be stored; the message is the reason that the API returns."""


@dataclass
class ColumnTexts:
    """The values of one column as a request has them, and the indexes of their records."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass
class PendingRecords:
    """The records of one request for one table; lists have one entry per record.

    ``table`` is the table as it was when the request was read. ``series`` is None for a record
    without a valid series, which is rejected. ``times`` are nanoseconds since 1970, and ``units``
    the records' time units in nanoseconds. ``sizes`` are the metered sizes in bytes without the
    values. ``values`` are texts, by name and type of their columns. ``measures`` are the measure
    names with the types that they are written with.

    Records from ``earliest`` until before ``latest`` are accepted; those from
    ``memory_store_start`` on go to the memory store, earlier ones to the magnetic store. All three
    are nanoseconds since 1970. ``rejections`` has RejectedRecord structures of the API, by index of
    the record.
    """

    table: TableDefinition
    series: list[SeriesIdentity | None]
    times: list[int]
    units: list[int]
    versions: list[int]
    sizes: list[int]
    values: dict[tuple[str, ValueType], ColumnTexts]
    measures: set[tuple[str, str]]
    earliest: int
    latest: int
    memory_store_start: int
    rejections: dict[int, dict[str, Any]] = field(default_factory=dict)

    def reject(self, index: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a record; of several reasons, the first one is returned to the client."""
        rejection: dict[str, Any] = {"RecordIndex": index, "Reason": reason}
        if existing_version is not None:
            rejection["ExistingVersion"] = existing_version
        self.rejections.setdefault(index, rejection)

    def rejected_records(self) -> list[dict[str, Any]]:
        """The API's RejectedRecords, sorted by index."""
        return [self.rejections[index] for index in sorted(self.rejections)]

    def records_ingested(self) -> dict[str, int]:
        """The API's RecordsIngested: accepted records, in total and per store."""
        total = len(self.times) - len(self.rejections)
        memory = sum(
            time >= self.memory_store_start and index not in self.rejections
            for index, time in enumerate(self.times)
        )
        return {"Total": total, "MemoryStore": memory, "MagneticStore": total - memory}
