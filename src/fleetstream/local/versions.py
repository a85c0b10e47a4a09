"""Duplicates: which of several records of the same series and time is the one that counts.

The rules are those of the API's reference ("WriteRecords", upserts): a higher version replaces; the
same values change nothing; other values without a higher version are rejected with the version
that is there. The wordings of the reasons are those that clients of the service report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

KEY_COLUMNS = ("series", "time", "version")


@dataclass(frozen=True)
class Stored:
    """The record that counts for a series and time; `row` is its place if it is a new one."""

    version: int
    values: Mapping[str, Any]
    row: int | None = None


@dataclass
class Outcome:
    """What is to become of rows, by their place.

    `rejected` has reason and existing version; `superseded` are the series and times of stored
    records that are to be removed.
    """

    rejected: dict[int, tuple[str, int]] = field(default_factory=dict)
    unneeded: list[int] = field(default_factory=list)
    superseded: list[tuple[int, int]] = field(default_factory=list)

    @property
    def dropped(self) -> list[int]:
        """The rows that are not to be stored."""
        return [*self.rejected, *self.unneeded]


def settle(rows: pa.Table, stored: dict[tuple[int, int], Stored]) -> Outcome:
    """What becomes of rows, taken in order, when `stored` holds the records of the same keys."""
    outcome = Outcome()
    current = dict(stored)
    names = [name for name in rows.column_names if name not in KEY_COLUMNS]
    values = zip(*(rows[name].to_pylist() for name in (*KEY_COLUMNS, *names)), strict=True)
    for row, (series, time, version, *texts) in enumerate(values):
        new = Stored(
            version,
            {name: v for name, v in zip(names, texts, strict=True) if v is not None},
            row,
        )
        key = (series, time)
        old = current.get(key)
        if old is None:
            current[key] = new
        elif version > old.version:
            if old.row is None:
                outcome.superseded.append(key)
            else:
                outcome.unneeded.append(old.row)
            current[key] = new
        elif new.values == old.values:
            outcome.unneeded.append(row)
        else:
            outcome.rejected[row] = (_reason(version, old.version), old.version)
    return outcome


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
