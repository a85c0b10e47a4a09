"""Time series of a table: their identities, numbers and latest timestamps.

A series is the set of all records with the same dimensions and measure name.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class SeriesIdentity:
    """One time series.

    ``dimensions`` are names and values, sorted by name. Two series are the same if their ``key`` is
    equal. ``size`` is the metered size of the dimensions and the measure name, in bytes.
    """

    measure_name: str
    dimensions: tuple[tuple[str, str], ...]
    key: bytes
    size: int


class SeriesIndex:
    """Numbers a table's series, and knows the latest timestamp of each.

    A record that is later than everything in its series cannot be a duplicate, so most writes need
    no lookup of stored records. The index takes about 200 bytes per series, and nothing per record.
    No record of the table is before ``earliest``, in nanoseconds since 1970.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self.latest: npt.NDArray[np.int64] = np.full(1024, _NEVER)
        self.earliest = np.iinfo(np.int64).max

    @classmethod
    def load(
        cls, connection: duckdb.DuckDBPyConnection, series_table: str, points_table: str
    ) -> SeriesIndex:
        index = cls()
        rows = connection.execute(f"SELECT series, key FROM {series_table}").fetchall()
        index._numbers = {key: number for number, key in rows}
        index._reserve(len(rows))
        found = connection.execute(
            "SELECT series, epoch_ns(min(time)) AS first, epoch_ns(max(time)) AS last"
            f" FROM {points_table} GROUP BY series"
        ).fetchnumpy()
        index.latest[found["series"]] = found["last"]
        index.earliest = int(found["first"].min(initial=index.earliest))
        return index

    def number(self, series: SeriesIdentity | None) -> int | None:
        """The series' number; None for an unknown series, or for None."""
        return self._numbers.get(series.key) if series is not None else None

    def add(self, series: SeriesIdentity) -> int:
        """Number a new series."""
        number = self._numbers[series.key] = len(self._numbers)
        self._reserve(number + 1)
        return number

    def extend(self, series: npt.NDArray[np.int32], times: npt.NDArray[np.int64]) -> None:
        """Take note of records with these series and times."""
        np.maximum.at(self.latest, series, times)
        self.earliest = int(times.min(initial=self.earliest))

    def _reserve(self, count: int) -> None:
        missing = count - len(self.latest)
        if missing > 0:
            added = np.full(max(missing, len(self.latest)), _NEVER)
            self.latest = np.concatenate([self.latest, added])
