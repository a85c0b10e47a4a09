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

    Each record is a row. `series` has None for one without a valid series, which is rejected.
    `times` are nanoseconds since 1970. `values` has, by a column's name and type, an array with a
    value or null for each row; the values of TIMESTAMP columns are nanoseconds since 1970 too.
    `measures` are the measure names with the types they come with. `kept` turns False for a row
    that is not to be stored.
    """

    table: Table
    series: list[Series | None]
    times: npt.NDArray[np.int64]
    versions: npt.NDArray[np.int64]
    values: dict[tuple[str, ScalarType], pa.Array]
    measures: set[tuple[str, str]]
    memory_from: int
    """The time, in nanoseconds since 1970, from which on records go to the memory store."""
    kept: npt.NDArray[np.bool_]
    rejections: dict[int, dict[str, Any]] = field(default_factory=dict)

    def reject(self, row: int, reason: str, existing_version: int | None = None) -> None:
        """Reject a record, unless it has been rejected before."""
        self.kept[row] = False
        rejection: dict[str, Any] = {"RecordIndex": row, "Reason": reason}
        if existing_version is not None:
            rejection["ExistingVersion"] = existing_version
        self.rejections.setdefault(row, rejection)

    def rejected(self) -> list[dict[str, Any]]:
        """All rejections, as the API gives them, by record."""
        return [self.rejections[index] for index in sorted(self.rejections)]

    def ingested(self) -> dict[str, int]:
        """RecordsIngested: how many records were taken, and into which store."""
        taken = np.ones(len(self.series), np.bool_)
        taken[list(self.rejections)] = False
        total = int(np.count_nonzero(taken))
        memory = int(np.count_nonzero(taken & (self.times >= self.memory_from)))
        return {"Total": total, "MemoryStore": memory, "MagneticStore": total - memory}
