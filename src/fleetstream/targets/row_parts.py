"""Rows of batches in the parts and the order in which requests have them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from fleetstream.generate.keys import word_keys
from fleetstream.generate.records import Indices, Records


def row_parts(records: Records, values: int) -> Iterator[slice]:
    """The rows of a batch in parts of about so many ``values``.

    In a batch that has the same series at each of its timestamps, parts begin where a timestamp
    does, so the same parts come again with each timestamp or batch.
    """
    rows = records.batch.num_rows
    most = max(values // max(len(records.measure_names), 1), 1)
    blocks = int(np.count_nonzero(np.diff(records.timestamps))) + 1
    block = max(rows // blocks, 1)
    step = block * (most // block) if block <= most else block
    for first in range(0, rows, step):
        last = min(first + step, rows)
        for start in range(first, last, most):
            yield slice(start, min(start + most, last))


def series_groups(names: list[str], columns: list[pa.DictionaryArray]) -> tuple[Indices, Indices]:
    """The rows in an order in which those of one series are together, and where each series starts.

    The last start is the number of rows. Rows of a series stay in their order.
    """
    identities = np.zeros(len(columns[0]) if columns else 0, np.uint64)
    for name, column in zip(names, columns, strict=True):
        identities += word_keys(name, column.dictionary.to_pylist())[column.indices.to_numpy()]
    order = np.argsort(identities, kind="stable")
    ordered = identities[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return order, np.append(starts, len(order))
