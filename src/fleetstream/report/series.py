"""Series: the values of a few hosts or processes over time, out of a workload."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.fleet import Kind
from fleetstream.measures import CATALOGUE, Measure
from fleetstream.workload import Workload

Values = npt.NDArray[np.float64]


def measure_named(name: str) -> Measure:
    """The measure of that name; one that hosts and processes share is the hosts' one.

    `KIND.NAME`, such as `events.memory_free`, names either. Raises :class:`ValueError` with a
    sentence where there is none.
    """
    for measure in CATALOGUE:
        if name in (measure.name, f"{measure.kind}.{measure.name}"):
            return measure
    known = dict.fromkeys(measure.name for measure in CATALOGUE)
    raise ValueError(f"There is no measure {name!r}; choose among {', '.join(known)}.")


def values_over_time(
    workload: Workload, measure: Measure, series: int, timestamps: Sequence[int]
) -> Values:
    """The values of a measure for the first so many series of its kind.

    ``timestamps`` are microseconds of Unix time. One row a timestamp, one column a series; NaN
    where a value is missing; words as their places among the words of the measure's law.
    """
    found = []
    for timestamp in timestamps:
        columns = []
        for block in workload.blocks:
            if block.kind is measure.kind and block.start < series:
                rows = min(len(block), series - block.start)
                columns.append(_numbers(workload.batch(block, timestamp), measure.name, rows))
        found.append(np.concatenate(columns))
    return np.array(found)


def labels(workload: Workload, kind: Kind, series: int) -> list[str]:
    """Short names of the first so many series of a kind."""
    table = workload.fleet.tables[kind].dimensions.slice(0, series)
    names = ["silo", "instance_name"] + (["process"] if kind is Kind.EVENTS else [])
    columns = [table.column(name).to_pylist() for name in names]
    return [
        " ".join((parts[0], parts[1].split("-", 2)[2].partition(".")[0], *parts[2:]))
        for parts in zip(*columns, strict=True)
    ]


def _numbers(batch: pa.RecordBatch, name: str, rows: int) -> Values:
    column = batch.column(name).slice(0, rows)
    if pa.types.is_dictionary(column.type):
        column = column.indices
    numbers: Values = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return numbers
