"""Estimate: what a run would send to Amazon Timestream, counted as the ledger of a run counts it.

Sweeps are generated, packed and metered as in a run, and only the sending is left out. So a count
over all sweeps of a run agrees with its ledger exactly, unless requests have to be repeated. Where
there are too many sweeps for that, some drawn at random stand for all, and the result says how far
off it may be.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from math import ceil

import numpy as np
import numpy.typing as npt

from fleetstream.generate.records import RecordModel
from fleetstream.targets.sink import Request
from fleetstream.targets.timestream.assembly import Assembly
from fleetstream.workload import Workload

Counts = npt.NDArray[np.int64]

SAMPLED_VALUES = 3_000_000
"""Values generated for an estimate, about, where that is within the bounds on sweeps."""

FEWEST_SWEEPS, MOST_SWEEPS = 5, 1_000
"""Sweeps generated for an estimate, unless there are fewer."""

CONFIDENCE = 2.776
"""Standard errors to either side at 95 % confidence: Student's t for five sweeps, and more than
enough for more of them."""


@dataclass(frozen=True, slots=True)
class Load:
    """What Amazon Timestream is sent; the names are those of a ledger's totals."""

    requests: int
    records: int
    values: int
    bytes_sent: int
    metered_writes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What ``sweeps`` sweeps send, found from ``generated`` of them.

    ``margin`` is how far ``total`` may be off at 95 % confidence: zero for what was the same in all
    that were generated, and for everything if these were all.
    """

    sweeps: int
    generated: int
    total: Load
    margin: Load


@dataclass(frozen=True, slots=True)
class Table:
    """Where records would go; the lengths of these names count into the bytes sent."""

    database: str
    name: str


def estimate(
    workload: Workload,
    model: RecordModel,
    table: Table,
    timestamps: Sequence[int],
    *,
    processes: int = 1,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Estimate:
    """What sweeps at ``timestamps`` (microseconds of Unix time) send from so many processes.

    ``track`` is given what is gone through, one item a generated sweep, and yields it.
    """
    parts = [
        (Assembly(table.database, table.name, model), workload.share(number, processes))
        for number in range(processes)
    ]
    places = _places(workload, len(timestamps))
    counts = np.zeros((len(places), len(fields(Load))), np.int64)
    for count, place in zip(counts, track(places), strict=True):
        for assembly, blocks in parts:
            for block in blocks:
                for request in assembly.prepare(workload.batch(block, timestamps[place])):
                    count += _counted(request)
            for request in assembly.flush():
                count += _counted(request)
    return _scaled(counts, len(timestamps))


def _places(workload: Workload, sweeps: int) -> list[int]:
    """Which of so many sweeps are generated: all if they are few, else some drawn at random."""
    affordable = SAMPLED_VALUES // max(workload.values_per_sweep, 1)
    wanted = min(max(affordable, FEWEST_SWEEPS), MOST_SWEEPS)
    if sweeps <= wanted:
        return list(range(sweeps))
    return random.Random(workload.seed).sample(range(sweeps), wanted)  # noqa: S311 - no secret


def _counted(request: Request) -> tuple[int, int, int, int, int]:
    """A request in the order of a load's fields."""
    return 1, request.records, request.values, request.size, request.writes


def _scaled(counts: Counts, sweeps: int) -> Estimate:
    """The total of all sweeps from the counts of some: one row a sweep, one column a field."""
    generated = len(counts)
    if generated == sweeps:
        total, margin = counts.sum(axis=0), np.zeros(counts.shape[1])
    else:
        total = counts.mean(axis=0) * sweeps
        unseen = 1 - generated / sweeps
        margin = CONFIDENCE * counts.std(axis=0, ddof=1) * (unseen / generated) ** 0.5 * sweeps
    return Estimate(
        sweeps, generated, Load(*map(round, total.tolist())), Load(*map(ceil, margin.tolist()))
    )
