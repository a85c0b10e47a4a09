"""Labelled points as series, for formats that have one file per series."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.points import POINT_COLUMNS
from fleetstream.generate.schema import TIME

if TYPE_CHECKING:
    import duckdb

Span = tuple[int, int]
"""The first and the last of some timestamps, in microseconds."""

TOGETHER = 1_000_000
"""Points that are put in the order of their series at once."""

INDEX = "series.csv"
"""The file that says which file has which series."""


@dataclass(frozen=True)
class LabelledSeries:
    """Measures of a series over time.

    ``times`` are in microseconds, of shape (times). ``values`` and ``affected`` have the shape
    (times, measures); a missing value is NaN. ``incidents`` has the ids of the incidents of each
    affected point, by its time and measure.
    """

    dimensions: dict[str, str]
    measures: Sequence[str]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    affected: Booleans
    incidents: Mapping[tuple[int, int], Sequence[str]]

    def spans(self, measure: int) -> list[Span]:
        """Where incidents affect values of a measure that are there, in order of time.

        There is one span per incident, from the first such value to the last; spans that have a
        timestamp in common are joined.
        """
        found: dict[str, Span] = {}
        for row in np.flatnonzero(self.affected[:, measure] & self.present[:, measure]).tolist():
            time = int(self.times[row])
            for each in self.incidents[row, measure]:
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
        database.execute("CREATE TABLE kept AS SELECT * EXCLUDE (without_incidents) FROM points")
        by_row = "SELECT measure FROM kept GROUP BY measure ORDER BY min(rowid)"
        measures = [name for (name,) in database.execute(by_row).fetchall()]
        columns = ['"' + name.replace('"', '""') + '"' for name in names]
        key = f"struct_pack({', '.join(f'{name} := kept.{name}' for name in columns)})"
        database.execute(f"""
            CREATE TABLE series AS SELECT key, row_number() OVER (ORDER BY key) AS number
            FROM (SELECT DISTINCT {key} AS key FROM kept)
        """)
        keys = database.execute("SELECT key FROM series ORDER BY number").fetchall()
        for first, last in _groups(database, len(keys)):
            rows = database.sql(
                f"SELECT series.number, {TIME}, value, affected, incidents FROM kept JOIN series "
                f"ON {key} IS NOT DISTINCT FROM series.key WHERE series.number BETWEEN ? AND ? "
                "ORDER BY series.number, kept.rowid",
                params=(first, last),
            ).to_arrow_table()
            edges = rows["number"].to_numpy().searchsorted(range(first, last + 2))
            for number, (begin, end) in enumerate(pairwise(edges.tolist()), first):
                (dimensions,) = keys[number - 1]
                yield _series(dimensions, measures, rows.slice(begin, end - begin))


def _groups(database: "duckdb.DuckDBPyConnection", series: int) -> Iterator[tuple[int, int]]:
    """The first and last number of series that together have about :data:`TOGETHER` points."""
    ((points,),) = database.execute("SELECT count(*) FROM kept").fetchall()
    step = max(TOGETHER * series // max(points, 1), 1)
    for first in range(1, series + 1, step):
        yield first, min(first + step - 1, series)


def _series(dimensions: dict[str, str], measures: list[str], rows: pa.Table) -> LabelledSeries:
    """A series of rows that have the measures of a timestamp beside each other."""
    count = len(measures)
    affected = rows["affected"].to_numpy()
    places = np.flatnonzero(affected)
    incidents = dict(
        zip(places.tolist(), rows["incidents"].take(pa.array(places)).to_pylist(), strict=True)
    )
    return LabelledSeries(
        dimensions,
        measures,
        rows[TIME].cast(pa.int64()).to_numpy()[::count],
        rows["value"].to_numpy().reshape(-1, count),
        affected.reshape(-1, count),
        {divmod(place, count): ids for place, ids in incidents.items()},
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
