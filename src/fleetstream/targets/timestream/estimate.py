"""Estimates what a run sends to Amazon Timestream, counted as the ledger of a run counts it.

Batches are generated, packed and metered as in a run; only sending is left out. So a count over all
timestamps of a history agrees with its ledger exactly, unless requests have to be repeated. A live
run may send a few requests less: where it falls behind, the last records of a sweep are sent with
those of the next. Where there are too many timestamps, a random sample is counted, and the result
states its margin of error.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from math import ceil

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import Disorder, RecordModel
from fleetstream.generate.disorder import DisorderedBatches
from fleetstream.generate.generator import Chunk, Generator
from fleetstream.generate.records import Indices
from fleetstream.targets.sink import Request
from fleetstream.targets.timestream.request_builder import RequestBuilder

SAMPLED_VALUES = 3_000_000
"""About how many values are generated for an estimate, within the bounds on samples."""

FEWEST_SAMPLES, MOST_SAMPLES = 5, 1_000
"""Samples that are counted for an estimate, unless there are fewer."""

CONFIDENCE = 2.776
"""Standard errors to either side at 95 % confidence: Student's t for five samples, and more than
enough for more of them."""


@dataclass(frozen=True, slots=True)
class TimestreamLoad:
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
    samples, and for everything where all sweeps were generated.
    """

    sweeps: int
    generated: int
    total: TimestreamLoad
    margin: TimestreamLoad


def estimate(
    generator: Generator,
    model: RecordModel,
    database: str,
    table: str,
    timestamps: Sequence[int],
    *,
    disorder: Disorder | None = None,
    batch_timestamps: int | None = None,
    processes: int = 1,
    track: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Estimate:
    """What a run at ``timestamps`` (microseconds of Unix time) sends from so many processes.

    ``batch_timestamps`` is how many consecutive timestamps the run generates at once; None for a
    live run, which generates one and sends all of its records before the next. The lengths of the
    names of database and table count into the bytes; ``disorder`` changes which records are sent
    together, and how many twice. ``track`` is called with the samples to count, and yields them.
    """
    groups = _Groups(timestamps, batch_timestamps or 1)
    samples = _samples(generator, groups)
    workers = [
        _Worker(
            RequestBuilder(database, table, model),
            generator.share(number, processes),
            generator,
            DisorderedBatches(generator, disorder or Disorder())
            if disorder or generator.loses_connections
            else None,
        )
        for number in range(processes)
    ]
    counts = np.zeros((len(samples), len(fields(TimestreamLoad))), np.int64)
    for place, sample in enumerate(track(samples)):
        last = place == len(samples) - 1
        for worker in workers:
            counts[place] += worker.count(
                groups[sample], flush=batch_timestamps is None or last, last=last
            )
    generated = sum(len(groups[sample]) for sample in samples)
    return _scaled(counts, generated, len(timestamps))


@dataclass(frozen=True, slots=True)
class _Groups:
    """Timestamps in groups of ``size``; the last one may be smaller.

    Groups are made when they are asked for, since there may be billions.
    """

    timestamps: Sequence[int]
    size: int

    def __len__(self) -> int:
        return -(-len(self.timestamps) // self.size)

    def __getitem__(self, place: int) -> Sequence[int]:
        return self.timestamps[place * self.size : (place + 1) * self.size]


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process of the run: its requests, and its share of the series."""

    builder: RequestBuilder
    chunks: Sequence[Chunk]
    generator: Generator
    disordered: DisorderedBatches | None

    def count(self, timestamps: Sequence[int], *, flush: bool, last: bool) -> Indices:
        """What a group of timestamps sends, in the order of the fields of TimestreamLoad."""
        counts = np.zeros(len(fields(TimestreamLoad)), np.int64)
        for batch in self._batches(timestamps, last=last):
            for request in self.builder.prepare(batch):
                counts += _counted(request)
        for request in self.builder.flush() if flush else ():
            counts += _counted(request)
        return counts

    def _batches(self, timestamps: Sequence[int], *, last: bool) -> Iterator[pa.RecordBatch]:
        yield from (self.disordered or self.generator).batches(timestamps, self.chunks)
        if last and self.disordered:
            yield from self.disordered.rest()


def _samples(generator: Generator, groups: _Groups) -> list[int]:
    """Which groups of timestamps are generated: all if they are few, else a random sample.

    They are in ascending order, since measurements that are held back are sent with later ones. A
    last group that is smaller than the others is not part of a sample.
    """
    values = max(generator.values_per_sweep, 1) * min(groups.size, max(len(groups.timestamps), 1))
    wanted = min(max(SAMPLED_VALUES // values, FEWEST_SAMPLES), MOST_SAMPLES)
    if len(groups) <= wanted:
        return list(range(len(groups)))
    whole = len(groups.timestamps) // groups.size
    chosen = random.Random(generator.seed)  # noqa: S311 - no secret
    return sorted(chosen.sample(range(whole), wanted))


def _counted(request: Request) -> tuple[int, int, int, int, int]:
    """A request in the order of the fields of TimestreamLoad."""
    return 1, request.records, request.values, request.size or 0, request.writes or 0


def _scaled(counts: Indices, generated: int, sweeps: int) -> Estimate:
    """The total of all sweeps from the counts of some: one row per sample, one column per field."""
    total, margin = counts.sum(axis=0), np.zeros(counts.shape[1])
    if generated < sweeps:
        groups = len(counts) * sweeps / generated
        total = counts.mean(axis=0) * groups
        unseen = 1 - generated / sweeps
        margin = CONFIDENCE * counts.std(axis=0, ddof=1) * (unseen / len(counts)) ** 0.5 * groups
    return Estimate(
        sweeps,
        generated,
        TimestreamLoad(*map(round, total.tolist())),
        TimestreamLoad(*map(ceil, margin.tolist())),
    )
