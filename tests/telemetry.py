"""Large samples of what the fleet emits, and the columns of batches as plain arrays."""

from functools import cache

import numpy as np
import pyarrow as pa

from fleetstream.fleet import Fleet, Kind
from fleetstream.measures import CATALOGUE, Measure
from fleetstream.workload import Workload

TIMESTAMP = 1_700_000_000_000_000
"""A moment that tests agree on, in microseconds of Unix time."""

HOST_SCALE = 100
"""101,000 hosts and 121,200 processes: more than 100,000 values of every measure in a sweep."""


@cache
def sample(kind: Kind, seed: int = 20_261_124, timestamp: int = TIMESTAMP) -> pa.RecordBatch:
    """All series of a kind at one timestamp, in the order of their numbers."""
    return sweep_of(Workload(Fleet(HOST_SCALE), seed), kind, timestamp)


def sweep_of(workload: Workload, kind: Kind, timestamp: int = TIMESTAMP) -> pa.RecordBatch:
    """All series of a kind at one timestamp as one batch."""
    blocks = [block for block in workload.blocks if block.kind is kind]
    return pa.concat_batches([workload.batch(block, timestamp) for block in blocks])


def measure(kind: Kind, name: str) -> Measure:
    """An entry of the catalogue."""
    return next(each for each in CATALOGUE if (each.kind, each.name) == (kind, name))


def units(batch: pa.RecordBatch, kind: Kind, name: str) -> np.ndarray:
    """A column of numbers in units of their last decimal, so that sums are exact."""
    column = batch.column(name).to_numpy()
    return np.rint(column * 10 ** measure(kind, name).decimals).astype(np.int64)
