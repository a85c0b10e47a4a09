"""Labelled points as series, for formats that have one file per series."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.points import POINT_COLUMNS
from fleetstream.generate.schema import TIME

Span = tuple[int, int]
"""The first and the last of some timestamps, in microseconds."""

INDEX = "series.csv"
"""The file that says which file has which series."""


@dataclass(frozen=True)
class LabelledSeries:
    """Measures of a series over time.

    ``times`` are in microseconds, of shape (times). ``values`` and ``affected`` have the shape
    (times, measures); a missing value is NaN. ``incidents`` has the ids of the incidents of each
    point, of the same shape as nested lists.
    """

    dimensions: dict[str, str]
    measures: Sequence[str]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    affected: Booleans
    incidents: Sequence[Sequence[Sequence[str]]]

    def spans(self, measure: int) -> list[Span]:
        """Where incidents affect values of a measure that are there, in order of time.

        There is one span per incident, from the first such value to the last; spans that have a
        timestamp in common are joined.
        """
        found: dict[str, Span] = {}
        for row in np.flatnonzero(self.affected[:, measure] & self.present[:, measure]).tolist():
            time = int(self.times[row])
            for each in self.incidents[row][measure]:
                found[each] = (found.get(each, (time, time))[0], time)
        joined: list[Span] = []
        for first, last in sorted(found.values()):
            if joined and first <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        return joined

    @property
    def present(self) -> Booleans:
        """Which values are there."""
        return ~np.isnan(self.values)


def labelled_series(points: pa.RecordBatchReader) -> Iterator[LabelledSeries]:
    """The series of labelled points, in the order of their dimensions.

    Keeps all points in memory. Raises ValueError where their values are words.
    """
    if points.schema.field("value").type != pa.float64():
        raise ValueError("Only numbers can be written in this format; choose other measures.")
    import duckdb

    names = [name for name in points.schema.names if name not in (*POINT_COLUMNS, TIME)]
    with duckdb.connect() as database:
        database.register("points", points)
        database.execute("CREATE TABLE kept AS FROM points")
        by_row = "SELECT measure FROM kept GROUP BY measure ORDER BY min(rowid)"
        measures = [name for (name,) in database.execute(by_row).fetchall()]
        columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        lists = ", ".join(
            f"list({each} ORDER BY rowid)"
            for each in (f"epoch_us({TIME})", "value", "affected", "incidents")
        )
        found = database.execute(
            f"SELECT {columns}, {lists} FROM kept GROUP BY ALL ORDER BY {columns}"
        )
        while row := found.fetchone():
            yield _series(dict(zip(names, row, strict=False)), measures, *row[len(names) :])


def _series(dimensions: dict[str, str], measures: list[str], *lists: list[Any]) -> LabelledSeries:
    """A series of lists that have the measures of a timestamp beside each other."""
    times, values, affected, incidents = lists
    count = len(measures)
    return LabelledSeries(
        dimensions,
        measures,
        np.array(times[::count], np.int64),
        np.array(values, np.float64).reshape(-1, count),
        np.array(affected, np.bool_).reshape(-1, count),
        [incidents[row : row + count] for row in range(0, len(incidents), count)],
    )


def new_folder(path: Path) -> None:
    """Create a folder for files of series. Raises ValueError where it has files already."""
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise ValueError(f"The folder {path} is not empty; name a new one.")


def write_csv(path: Path, head: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Write a file of rows, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def number_text(value: float) -> str:
    """A value as a decimal number, without a fraction where it is whole."""
    return repr(value).removesuffix(".0")


def plain_name(text: str) -> str:
    """A text as a part of a file's name: letters, digits, and hyphens in place of others."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")
