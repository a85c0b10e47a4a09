"""Expectation: what must be there, generated again, slice by slice of time."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from fleetstream.generate.records import Records
from fleetstream.run.manifest import Manifest, Run
from fleetstream.targets.sink import Part
from fleetstream.targets.layout import in_columns

PARTIAL = "__partial"
"""The column that says whether a record's sweep was cut, so that the record may not be there."""


@dataclass(frozen=True, slots=True, order=True)
class Sweep:
    """A sweep of the ``run``-th manifest; ``partial`` if it was cut or never settled."""

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
    sweeps: tuple[Sweep, ...]
    overlap: bool


class Expectation:
    """What runs must have written.

    ``slice_values`` is about how many values a slice has; ``times_after`` gives the timestamps, in
    microseconds, that the target holds after one: a run that was killed may have written sweeps of
    its history which its manifest does not name yet.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        slice_values: int,
        times_after: Callable[[int], Sequence[int]],
    ) -> None:
        self._manifests = manifests
        self._workloads = [manifest.workload() for manifest in manifests]
        self._model = manifests[0].record_model
        self._slice_values = slice_values
        self._times_after = times_after

    @property
    def total(self) -> int:
        """About how many values there are in all."""
        return sum(
            (manifest.sweeps + len(manifest.unsettled)) * workload.values_per_sweep
            for manifest, workload in zip(self._manifests, self._workloads, strict=True)
        )

    def values(self, part: Slice) -> int:
        """About how many values a slice has."""
        return sum(self._workloads[sweep.run].values_per_sweep for sweep in part.sweeps)

    def slices(self) -> Iterator[Slice]:
        """All of time, from the earliest on."""
        begin: int | None = None
        sweeps: list[Sweep] = []
        values, overlap = 0, False
        for timestamp, together in groupby(self._sweeps(), attrgetter("timestamp")):
            if values >= self._slice_values:
                yield Slice(begin, timestamp, tuple(sweeps), overlap)
                begin, sweeps, values, overlap = timestamp, [], 0, False
            runs = []
            for sweep in together:
                sweeps.append(sweep)
                runs.append(sweep.run)
                values += self._workloads[sweep.run].values_per_sweep
            overlap = overlap or not self._apart(runs)
        yield Slice(begin, None, tuple(sweeps), overlap)

    def _apart(self, runs: Sequence[int]) -> bool:
        """Whether no two of the runs have a series in common: different parts of one fleet."""
        if len(runs) == 1:
            return True
        fleets = [self._manifests[run].fleet for run in runs]
        shards = {fleet.shard for fleet in fleets}
        counts = {shard.count for shard in shards if shard}
        wholes = [replace(fleet, shard=None) for fleet in fleets]
        different = None not in shards and len(shards) == len(fleets)
        return different and len(counts) == 1 and all(whole == wholes[0] for whole in wholes)

    def table(self, part: Slice) -> pa.Table | None:
        """The records of a slice in the columns of the target, and :data:`PARTIAL`; None if none.

        Columns that no record has are left out.
        """
        parts: list[Part] = []
        partial: list[bool] = []
        for sweep in part.sweeps:
            for batch in self._workloads[sweep.run].sweep(sweep.timestamp):
                records = Records(batch, self._model)
                parts.append(Part(records, 0, len(records)))
                partial.append(sweep.partial)
        if not parts:
            return None
        flags = np.repeat(partial, [len(each) for each in parts])
        return in_columns(parts, self._model).append_column(PARTIAL, pa.array(flags))

    def _sweeps(self) -> Iterator[Sweep]:
        """All sweeps by time; one that is settled and cut too is settled."""
        each = (self._sweeps_of(run) for run in range(len(self._manifests)))
        for _, same in groupby(heapq.merge(*each), attrgetter("timestamp", "run")):
            yield next(same)

    def _sweeps_of(self, run: int) -> Iterator[Sweep]:
        manifest = self._manifests[run]
        settled = [
            (Sweep(timestamp, run, partial=False) for timestamp in _timestamps(each))
            for each in manifest.swept
        ]
        cut = (Sweep(timestamp, run, partial=True) for timestamp in sorted(manifest.unsettled))
        unnamed = (Sweep(timestamp, run, partial=True) for timestamp in self._unnamed(manifest))
        return heapq.merge(*settled, cut, unnamed)

    def _unnamed(self, manifest: Manifest) -> Sequence[int]:
        """Timestamps of a run's history that its manifest does not name, but the target holds."""
        pace = manifest.pace
        if manifest.finished or pace is None or pace.start is None:
            return ()
        return [
            timestamp
            for timestamp in self._times_after(max(manifest.last, pace.start - 1))
            if timestamp % pace.step == 0 and (pace.end is None or timestamp < pace.end)
        ]


def _timestamps(run: Run) -> range:
    return range(run.first, run.first + run.step * run.count, run.step)
