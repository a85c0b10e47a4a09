"""Labelled series in the form of the Numenta Anomaly Benchmark, NAB.

NAB's corpus is a folder of CSV files ``timestamp,value`` in folders, and its labels are a JSON file
that maps each file to windows of two timestamps, both of which the file must have
(``nab/corpus.py`` and ``nab/labeler.py`` of github.com/numenta/NAB).
"""

import json
from pathlib import Path

import pyarrow as pa

from fleetstream.generate.moments import MICROSECONDS, to_datetime
from fleetstream.report.labels.labelled_series import (
    INDEX,
    LabelledSeries,
    labelled_series,
    new_folder,
    number_text,
    plain_name,
    write_csv,
)

DATA, WINDOWS = "data", "labels/combined_windows.json"


def write_nab(points: pa.RecordBatchReader, folder: Path) -> int:
    """Write labelled points into a new folder; returns the number of files with data.

    It gets ``data/MEASURE/SERIES.csv``, ``labels/combined_windows.json``, and ``series.csv``, which
    has the dimensions of each file. Values that are missing have no row. Raises ValueError where
    the folder has files, OSError where it cannot be written.
    """
    new_folder(folder)
    windows: dict[str, list[list[str]]] = {}
    index: list[list[str]] = []
    names: list[str] = []
    for series in labelled_series(points):
        names = list(series.dimensions)
        for number, measure in enumerate(series.measures):
            name = _unused(f"{measure}/{_file_name(series)}", windows)
            _write_data(folder / DATA / name, series, number)
            spans = series.spans(number)
            windows[name] = [[_moment(each, fraction=True) for each in span] for span in spans]
            index.append([name, measure, *series.dimensions.values()])
    (folder / WINDOWS).parent.mkdir()
    (folder / WINDOWS).write_text(json.dumps(windows, indent=4) + "\n")
    write_csv(folder / INDEX, ["file_name", "measure", *names], iter(index))
    return len(windows)


def _write_data(path: Path, series: LabelledSeries, measure: int) -> None:
    present = series.present[:, measure]
    times, values = series.times[present], series.values[present, measure]
    fraction = bool((times % MICROSECONDS).any())
    texts = (_moment(time, fraction=fraction) for time in times.tolist())
    rows = zip(texts, map(number_text, values.tolist()), strict=True)
    write_csv(path, ["timestamp", "value"], rows)


def _moment(time: int, *, fraction: bool) -> str:
    """A timestamp in UTC as NAB writes it, without a time zone."""
    form = "%Y-%m-%d %H:%M:%S.%f" if fraction else "%Y-%m-%d %H:%M:%S"
    return to_datetime(time).strftime(form)


def _file_name(series: LabelledSeries) -> str:
    return "_".join(plain_name(text) for text in series.dimensions.values() if text)


def _unused(name: str, used: dict[str, list[list[str]]]) -> str:
    """A name of a CSV file that is not used yet."""
    number, found = 2, f"{name}.csv"
    while found in used:
        number, found = number + 1, f"{name}_{number}.csv"
    return found
