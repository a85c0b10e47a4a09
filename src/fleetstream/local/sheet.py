"""The rows of one WriteRecords request, by column, on their way into a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.local.catalog import Table
from fleetstream.local.requests import ScalarType
from fleetstream.local.series import Series


@dataclass
class Sheet:
    """What one request asks to be stored, and what of it is rejected.

    Rows are records that can be stored as far as the request alone tells; `indexes` says which
    records they are, counted from 0. `times` are nanoseconds since 1970. `values` has, by a
    column's name and type, an array with a value or null for each row; the values of TIMESTAMP
    columns are nanoseconds since 1970 too. `measures` are the measure names with the types they
    come with. `kept` turns False for a row that is not to be stored.
    """

    table: Table
    records: int
    indexes: list[int]
    series: list[Series]
    times: npt.NDArray[np.int64]
    versions: npt.NDArray[np.int64]
    values: dict[tuple[str, ScalarType], pa.Array]
    measures: set[tuple[str, str]]
    memory_from: int
    """The time, in nanoseconds since 1970, from which on records go to the memory store."""
    kept: npt.NDArray[np.bool_]
    rejections: dict[int, dict[str, Any]] = field(default_factory=dict)

    def reject(self, row: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a row, unless it has been rejected before."""
        self.kept[row] = False
        self.reject_record(self.indexes[row], reason, existing_version)

    def reject_record(self, index: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a record that has no row, unless it has been rejected before."""
        rejection: dict[str, Any] = {"RecordIndex": index, "Reason": reason}
        if existing_version is not None:
            rejection["ExistingVersion"] = existing_version
        self.rejections.setdefault(index, rejection)

    def rejected(self) -> list[dict[str, Any]]:
        """All rejections, as the API gives them, by record."""
        return [self.rejections[index] for index in sorted(self.rejections)]

    def ingested(self) -> dict[str, int]:
        """RecordsIngested: how many records were taken, and into which store."""
        taken = self.records - len(self.rejections)
        if not self.rejections:
            memory = int(np.count_nonzero(self.times >= self.memory_from))
        else:
            memory = sum(
                int(time) >= self.memory_from
                for index, time in zip(self.indexes, self.times, strict=True)
                if index not in self.rejections
            )
        return {"Total": taken, "MemoryStore": memory, "MagneticStore": taken - memory}
