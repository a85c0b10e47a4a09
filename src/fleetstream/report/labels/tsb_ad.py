"""Labelled series in the form of the TSB-AD benchmark.

A file has a column per measure, ``Data`` if there is one only, and a final column ``Label``. Its
name is ``INDEX_DATASET_id_ID_DOMAIN_tr_TRAIN_1st_FIRST.csv``, where TRAIN is the number of rows to
train with and FIRST the first row that is anomalous, counted from 0 (``Datasets/README.md`` and
``TSB_AD/main.py`` of github.com/TheDatumOrg/TSB-AD).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.points import Rows
from fleetstream.report.labels.labelled_series import (
    INDEX,
    LabelledSeries,
    labelled_series,
    new_folder,
    number_text,
    plain_name,
    write_csv,
)

DOMAIN = "Synthetic"
"""One of TSB-AD's domains."""

UNIVARIATE, MULTIVARIATE = "TSB-AD-U", "TSB-AD-M"
"""The folders of series with one measure and with several."""


class SeriesFiles(NamedTuple):
    """How many series have a file, and how many have none since no incident affects them."""

    written: int
    unaffected: int


def write_tsb_ad(points: pa.RecordBatchReader, folder: Path, dataset: str) -> SeriesFiles:
    """Write labelled points into a new folder, under the name of a data set.

    It gets one file per series, and ``series.csv``, which lists the files with their dimensions.
    A row is labelled where a value of any of its measures is affected. Rows with a missing value
    are left out, as TSB-AD's programs do, and so are series without a label. Raises ValueError
    where the folder has files, OSError where it cannot be written.
    """
    new_folder(folder)
    index: list[list[str]] = []
    names: list[str] = []
    unaffected = 0
    for series in labelled_series(points):
        complete = np.flatnonzero(series.present.all(axis=1))
        labels: Booleans = np.logical_or.reduce(series.affected[complete], axis=1)
        if not labels.any():
            unaffected += 1
            continue
        names = list(series.dimensions)
        number = len(index) + 1
        name = _file_name(number, dataset, int(np.argmax(labels)))
        kind = UNIVARIATE if len(series.measures) == 1 else MULTIVARIATE
        _write_data(folder / kind / name, series, complete, labels)
        index.append([name, *series.dimensions.values()])
    write_csv(folder / INDEX, ["file_name", *names], iter(index))
    return SeriesFiles(len(index), unaffected)


def _file_name(number: int, dataset: str, first: int) -> str:
    """The name of a file whose row ``first`` is its first anomaly; half of those before train."""
    about = f"{number:03}_{plain_name(dataset)}_id_{number}_{DOMAIN}"
    return f"{about}_tr_{first // 2}_1st_{first}.csv"


def _write_data(path: Path, series: LabelledSeries, rows: Rows, labels: Booleans) -> None:
    head = ["Data"] if len(series.measures) == 1 else list(series.measures)
    pairs = zip(series.values[rows].tolist(), labels.astype(int).tolist(), strict=True)
    lines = ([*map(number_text, values), label] for values, label in pairs)
    write_csv(path, [*head, "Label"], lines)
