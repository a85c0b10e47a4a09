"""The records of one WriteRecords request, as columns, before they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.emulator.store.catalog import TableDefinition
from fleetstream.emulator.store.series import SeriesIdentity
from fleetstream.emulator.store.values import ValueType


class RecordRejected(Exception):
    """A record can't be stored; the message is the reason that the API returns."""


@dataclass
class PendingRecords:
    """The records of one request for one table; arrays have one entry per record.

    Attributes:
        table: The table as it was when the request was read.
        series: None for a record without a valid series, which is rejected.
        times: Nanoseconds since 1970.
        versions: The records' versions.
        values: By column name and type, one value or null per record. The values of TIMESTAMP
            columns are nanoseconds since 1970.
        measures: The measure names with the types that they are written with.
        memory_store_start: Records from this time on, in nanoseconds since 1970, go to the memory
            store; earlier ones go to the magnetic store.
        accepted: False for a record that is not to be stored.
        rejections: RejectedRecord structures of the API, by index of the record.

    """

    table: TableDefinition
    series: list[SeriesIdentity | None]
    times: npt.NDArray[np.int64]
    versions: npt.NDArray[np.int64]
    values: dict[tuple[str, ValueType], pa.Array]
    measures: set[tuple[str, str]]
    memory_store_start: int
    accepted: npt.NDArray[np.bool_]
    rejections: dict[int, dict[str, Any]] = field(default_factory=dict)

    def reject(self, index: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a record; of several reasons, the first one is returned to the client."""
        self.accepted[index] = False
        rejection: dict[str, Any] = {"RecordIndex": index, "Reason": reason}
        if existing_version is not None:
            rejection["ExistingVersion"] = existing_version
        self.rejections.setdefault(index, rejection)

    def rejected_records(self) -> list[dict[str, Any]]:
        """The API's RejectedRecords, sorted by index."""
        return [self.rejections[index] for index in sorted(self.rejections)]

    def records_ingested(self) -> dict[str, int]:
        """The API's RecordsIngested: accepted records, in total and per store."""
        accepted = np.ones(len(self.series), np.bool_)
        accepted[list(self.rejections)] = False
        total = int(np.count_nonzero(accepted))
        memory = int(np.count_nonzero(accepted & (self.times >= self.memory_store_start)))
        return {"Total": total, "MemoryStore": memory, "MagneticStore": total - memory}
