"""What runs must have written, generated again, slice by slice of time."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.run.manifest import Manifest
from fleetstream.run.spec import RunSpec
from fleetstream.targets.columns import TableColumns, as_table

PARTIAL = "__partial"
"""The column that says whether a record's sweep was interrupted, so that it may be missing."""


class HeldTimes(Protocol):
    """What slices of time depend on of a :class:`~fleetstream.targets.reader.Reader`."""

    @property
    def slice_values(self) -> int:
        """About how many values are best read at once."""
        ...

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after ``timestamp`` that have records, in microseconds, ascending."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class ExpectedSweep:
    """A sweep of the ``run``-th manifest; ``partial`` if it was interrupted or never settled."""

    timestamp: int
    run: int
    partial: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """All times from ``begin`` until before ``end`` (µs; None: without bound), and their sweeps.

    ``overlap`` says that several runs may have written the same record.
    """

    begin: int | None
    end: int | None
    sweeps: tuple[ExpectedSweep, ...]
    overlap: bool


class Expectation:
    """What the runs of ``manifests`` must have written to one table.

    Raises ValueError where their record models differ, since one table cannot hold both.
    """

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.manifests = manifests
        self._generators = [manifest.spec.generator() for manifest in manifests]
        models = {manifest.spec.record_model for manifest in manifests}
        if len(models) > 1:
            raise ValueError(
                "These runs have different record models, so they cannot have written to one "
                "table; verify them one by one."
            )
        schemas = (schema for each in self._generators for schema in each.schemas.values())
        distinct = {schema.to_string(show_schema_metadata=True): schema for schema in schemas}
        self.columns = TableColumns(models.pop(), tuple(distinct.values()))

    @property
    def record_model(self) -> RecordModel:
        return self.columns.model

    @property
    def total(self) -> int:
        """About how many values there are in all."""
        return sum(
            (manifest.sweeps + len(manifest.unsettled)) * generator.values_per_sweep
            for manifest, generator in zip(self.manifests, self._generators, strict=True)
        )

    def values(self, part: Slice) -> int:
        """About how many values a slice has."""
        return sum(self._generators[sweep.run].values_per_sweep for sweep in part.sweeps)

    def slices(self, reader: HeldTimes) -> Iterator[Slice]:
        """All of time, from the earliest on, in slices of the size that the reader prefers.

        A run that was killed may have written sweeps of its history that its manifest does not name
        yet; the reader is asked which timestamps it holds.
        """
        begin: int | None = None
        sweeps: list[ExpectedSweep] = []
        values, overlap = 0, False
        for timestamp, together in groupby(self._sweeps(reader), attrgetter("timestamp")):
            if values >= reader.slice_values:
                yield Slice(begin, timestamp, tuple(sweeps), overlap)
                begin, sweeps, values, overlap = timestamp, [], 0, False
            runs = []
            for sweep in together:
                sweeps.append(sweep)
                runs.append(sweep.run)
                values += self._generators[sweep.run].values_per_sweep
            overlap = overlap or not self._disjoint(runs)
        yield Slice(begin, None, tuple(sweeps), overlap)

    def table(self, part: Slice) -> pa.Table | None:
        """The records of a slice in the columns of the target, and :data:`PARTIAL`; None if none.

        Columns that no record has are left out.
        """
        ranges: list[RecordRange] = []
        partial: list[bool] = []
        for (run, is_partial), sweeps in groupby(
            sorted(part.sweeps, key=attrgetter("run", "partial")), attrgetter("run", "partial")
        ):
            for batch in self._batches(run, [sweep.timestamp for sweep in sweeps]):
                records = Records(batch, self.record_model)
                ranges.append(RecordRange(records, 0, len(records)))
                partial.append(is_partial)
        if not ranges:
            return None
        flags = np.repeat(partial, [len(each) for each in ranges])
        return as_table(ranges, self.record_model).append_column(PARTIAL, pa.array(flags))

    def _batches(self, run: int, timestamps: Sequence[int]) -> Iterator[pa.RecordBatch]:
        generator = self._generators[run]
        size = generator.timestamps_per_batch()
        for first in range(0, len(timestamps), size):
            yield from generator.batches(timestamps[first : first + size])

    def _disjoint(self, runs: Sequence[int]) -> bool:
        """Whether no two of the runs have a series in common: different parts of one fleet."""
        if len(runs) == 1:
            return True
        specs = [self.manifests[run].spec for run in runs]
        shards = {spec.shard for spec in specs}
        counts = {shard.count for shard in shards if shard}
        different = None not in shards and len(shards) == len(specs)
        return different and len(counts) == 1 and len({_fleet(spec) for spec in specs}) == 1

    def _sweeps(self, reader: HeldTimes) -> Iterator[ExpectedSweep]:
        """All sweeps by time; one that is both settled and interrupted counts as settled."""
        each = (self._sweeps_of(run, reader) for run in range(len(self.manifests)))
        for _, same in groupby(heapq.merge(*each), attrgetter("timestamp", "run")):
            yield next(same)

    def _sweeps_of(self, run: int, reader: HeldTimes) -> Iterator[ExpectedSweep]:
        manifest = self.manifests[run]
        settled = [
            (ExpectedSweep(stamp, run, partial=False) for stamp in series.timestamps())
            for series in manifest.swept
        ]
        unsettled = sorted({*manifest.unsettled, *_unnamed(manifest, reader)})
        cut = (ExpectedSweep(stamp, run, partial=True) for stamp in unsettled)
        return heapq.merge(*settled, cut)


def _unnamed(manifest: Manifest, reader: HeldTimes) -> Sequence[int]:
    """Timestamps of a run's history that its manifest does not name, but the target holds."""
    spec = manifest.spec
    if manifest.finished or spec.start is None or spec.interval is None:
        return ()
    return [
        timestamp
        for timestamp in reader.times_after(max(manifest.last, spec.start - 1))
        if timestamp % spec.interval == 0 and (spec.end is None or timestamp < spec.end)
    ]


def _fleet(spec: RunSpec) -> tuple[object, ...]:
    """What determines the series of the whole that a run takes a part of."""
    choices = (spec.set, spec.include, spec.exclude)
    return spec.model, *(tuple(sorted(each.items())) for each in choices)
