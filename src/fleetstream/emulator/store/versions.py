"""Duplicates: which of several records of the same series and time is stored.

The rules are those of the API reference ("WriteRecords", upserts): a higher version replaces the
record; the same values change nothing; other values without a higher version are rejected, with the
existing version. The reasons are worded as users of the service report them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

KEY_COLUMNS = ("series", "time", "version")


@dataclass(frozen=True)
class CurrentRecord:
    """The valid record of a series and time; ``row`` is None if it is stored already."""

    version: int
    values: Mapping[str, Any]
    row: int | None = None


@dataclass
class DuplicateResolution:
    """What to do with new rows, by row number.

    ``rejected`` holds the reason and the existing version. ``replaced`` holds the series and times
    of stored records to delete.
    """

    rejected: dict[int, tuple[str, int]] = field(default_factory=dict)
    unneeded: list[int] = field(default_factory=list)
    replaced: list[tuple[int, int]] = field(default_factory=list)

    @property
    def dropped(self) -> list[int]:
        """Rows that are not to be stored."""
        return [*self.rejected, *self.unneeded]


def resolve_duplicates(
    rows: pa.Table, stored: dict[tuple[int, int], CurrentRecord]
) -> DuplicateResolution:
    """Compare rows, in order, with each other and with the stored records of the same keys."""
    resolution = DuplicateResolution()
    current = dict(stored)
    names = [name for name in rows.column_names if name not in KEY_COLUMNS]
    columns = zip(*(rows[name].to_pylist() for name in (*KEY_COLUMNS, *names)), strict=True)
    for row, (series, time, version, *values) in enumerate(columns):
        present = {name: v for name, v in zip(names, values, strict=True) if v is not None}
        new = CurrentRecord(version, present, row)
        key = (series, time)
        old = current.get(key)
        if old is None:
            current[key] = new
        elif version > old.version:
            if old.row is None:
                resolution.replaced.append(key)
            else:
                resolution.unneeded.append(old.row)
            current[key] = new
        elif new.values == old.values:
            resolution.unneeded.append(row)
        else:
            resolution.rejected[row] = (_reason(version, old.version), old.version)
    return resolution


def _reason(version: int, existing: int) -> str:
    if version < existing:
        return (
            f"The record version {version} is lower than the existing version {existing}. A higher"
            " version is required to update the measure value."
        )
    return (
        "A record already exists with the same time, dimensions, measure name, and record version."
        " A higher record version must be specified in order to update the measure value."
        " Specifying record version is supported by the latest SDKs."
    )
