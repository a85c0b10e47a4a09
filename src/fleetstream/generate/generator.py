"""The generator: batches of any series at any timestamps.

A *batch* is a :class:`pyarrow.RecordBatch` of series of one kind at one or more timestamps,
ordered by timestamp and then by series. Its columns are the dimensions
(``dictionary<int32, string>``), ``time`` (``timestamp[us]``, UTC) and the measures (``double``,
``int64``, ``dictionary<int32, string>``, ``bool`` or ``timestamp[us]``), null where a value is
missing.
:mod:`fleetstream.generate.schema` describes the schema's metadata.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import IncidentChoice, ScheduledIncident, Shard
from fleetstream.generate.incident_sources import incident_sources
from fleetstream.generate.instances import Instances, Population
from fleetstream.generate.keys import Booleans, Numbers
from fleetstream.generate.labels import Label, labels_of
from fleetstream.generate.lattice import Times
from fleetstream.generate.lost_connections import lost_connections
from fleetstream.generate.moments import MILLISECOND
from fleetstream.generate.occurrences import IncidentSource
from fleetstream.generate.rows import Indices
from fleetstream.generate.schema import batch_schema
from fleetstream.generate.signals import Signal
from fleetstream.generate.topology import SeriesTable, Topology
from fleetstream.generate.values import Evaluator, undefined_values
from fleetstream.model import DataType, Measure, Model
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.model.incidents import concerns

ROWS = 16_384
"""Rows of a chunk: enough that array operations cost more than calling them, and few enough that
the arrays fit the processor's cache."""

HISTORY_VALUES, HISTORY_ROWS = 800_000, 131_072
"""Values that are generated at once where there are several timestamps, and rows of a batch then:
the more, the fewer points of lattices and calls there are per value."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive series of a kind: the rows ``[start, stop)`` of its table."""

    kind: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Generator:
    """Generates the telemetry of a model.

    ``parameters`` sets parameters of the model; ``include`` and ``exclude`` are filters by
    dimension, as :mod:`fleetstream.generate.filters` describes; ``shard`` keeps one part of what
    they leave. ``seed`` is from 0 to 2⁶⁴ − 1. ``signal`` and ``missing_percent`` change the
    measures that the model's overlay names. ``step`` is the distance of timestamps in microseconds,
    which kinds with an interval need to find the first timestamp of each. ``incidents`` says which
    of the model's incidents happen, and ``scheduled`` when else, with absolute starts. With
    ``always_connected``, no series loses its connection. Raises ValueError for what is out of range
    or unknown.
    """

    def __init__(
        self,
        model: Model,
        seed: int,
        *,
        parameters: Mapping[str, int] | None = None,
        include: Mapping[str, Sequence[str]] | None = None,
        exclude: Mapping[str, Sequence[str]] | None = None,
        shard: Shard | None = None,
        signal: Signal | None = None,
        missing_percent: float = 0.0,
        step: int | None = None,
        incidents: IncidentChoice = IncidentChoice.ON,
        scheduled: Sequence[ScheduledIncident] = (),
        always_connected: bool = False,
    ) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"The seed is {seed}, but must be an integer from 0 to 2^64 - 1.")
        if not 0 <= missing_percent <= 100:
            raise ValueError(
                f"The percentage of missing values is {missing_percent:g}, but must be from 0 to "
                "100."
            )
        overlay = model.overlay
        if (signal and overlay.signal is None) or (missing_percent and not overlay.missing):
            raise ValueError(
                f"The model {model.name!r} does not say which measures a signal or missing values "
                "apply to; add them to its overlay."
            )
        _keep_freed_memory()
        self.model = model
        self.seed = seed
        self.signal = signal
        topology = Topology(model, parameters or {}, include or {}, exclude or {}, shard)
        self.level_sizes = topology.level_sizes
        self.schemas = {key: batch_schema(model, key) for key in model.kinds}
        self.evaluators = {
            key: Evaluator(key, kind, signal, overlay.signal, overlay.missing, missing_percent)
            for key, kind in model.kinds.items()
        }
        self._incidents = incident_sources(
            model,
            seed,
            topology,
            lambda level: Topology(model, parameters or {}, {}, {}, None, down_to=level),
            incidents,
            scheduled,
            is_filtered=bool(include or exclude),
            is_sharded=shard is not None,
        )
        self._topology = topology
        self._populations = {
            key: Population(model, key, topology, seed, self.evaluators[key], self._incidents)
            for key in model.kinds
        }
        self._lost = {} if always_connected else lost_connections(model, topology, seed)
        self.tables = {key: each.table for key, each in self._populations.items()}
        self.chunks = tuple(chunk for table in self.tables.values() for chunk in _chunks(table))
        self._step = step

    @property
    def loses_connections(self) -> bool:
        """Whether some measurements arrive later than they are made."""
        return bool(self._lost)

    @property
    def series(self) -> int:
        """How many series there are, of all kinds."""
        return sum(map(len, self.tables.values()))

    @property
    def values_per_sweep(self) -> int:
        """Values per timestamp when no value is missing and all series are alive and due."""
        kinds = self.model.kinds
        return sum(len(table) * len(kinds[key].measures) for key, table in self.tables.items())

    def timestamps_per_batch(self, shares: int = 1) -> int:
        """How many timestamps of history are generated at once; at least one.

        As many as make :data:`HISTORY_VALUES` values, but batches of at most :data:`HISTORY_ROWS`
        rows. ``shares`` is the number of shares that the series are divided into.
        """
        rows = [len(chunk) * self._due_share(chunk.kind) for chunk in self.chunks]
        kinds = [self.model.kinds[chunk.kind] for chunk in self.chunks]
        values = sum(count * len(kind.measures) for count, kind in zip(rows, kinds, strict=True))
        most = min(HISTORY_VALUES / max(values, 1), HISTORY_ROWS / max(rows, default=1))
        return max(int(most * shares), 1)

    def _due_share(self, kind: str) -> float:
        """The share of timestamps at which a kind is measured."""
        interval = self.model.kinds[kind].interval_us
        return 1.0 if interval is None else min((self._step or 1) / interval, 1.0)

    def share(self, number: int, count: int) -> tuple[Chunk, ...]:
        """The ``number``-th (from 0) of ``count`` nearly equal shares of the series."""
        shares: list[Chunk] = []
        for table in self.tables.values():
            start, stop = (len(table) * each // count for each in (number, number + 1))
            shares += _chunks(table, start, stop)
        return tuple(shares)

    def batches(
        self, timestamps: Sequence[int], chunks: Sequence[Chunk] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of chunks, by default of all series, at timestamps in microseconds.

        There is one per chunk, but none of a chunk without series at these timestamps, and several
        where series are replaced often.
        """
        for chunk in self.chunks if chunks is None else chunks:
            for batch, _ in self.measured(chunk, self.due(chunk.kind, timestamps)):
                yield batch

    def measured(
        self, chunk: Chunk, due: Sequence[int]
    ) -> Iterator[tuple[pa.RecordBatch, Instances]]:
        """The batches of a chunk at timestamps at which it is due.

        Each comes with its series; its rows are their cells that are alive.
        """
        population = self._populations[chunk.kind]
        for instances in population.parts(chunk.start, chunk.stop, due) if due else ():
            batch = self._batch(chunk, instances)
            if batch.num_rows:
                yield batch, instances

    def arrivals(self, chunk: Chunk, instances: Instances) -> Times | None:
        """When each cell of series of a chunk arrives at a target, in microseconds.

        Its shape is that of the grid; the time is that of the cell, or when the series has its
        connection again. None where all arrive when they are measured.
        """
        lost = self._lost.get(chunk.kind)
        if lost is None:
            return None
        slots = np.arange(len(chunk)) if instances.slots is None else instances.slots
        return lost.arrivals(instances.grid.timestamps[:, np.newaxis], chunk.start + slots)

    def batch(self, chunk: Chunk, timestamps: Sequence[int]) -> pa.RecordBatch:
        """The series of a chunk that are alive at timestamps in microseconds."""
        return self._batch(chunk, self.instances(chunk, timestamps))

    def _batch(self, chunk: Chunk, instances: Instances) -> pa.RecordBatch:
        evaluator, grid = self.evaluators[chunk.kind], instances.grid
        incidents = grid.active()
        values = evaluator.evaluate(grid, incidents)
        missing = evaluator.missing(grid, incidents)
        arrays = []
        for measure in self.model.kinds[chunk.kind].measures:
            lost = missing(measure)
            lost = None if lost is None else instances.flat(lost)
            flat = instances.flat(values[measure.name])
            if incidents or measure.expression is not None:  # what a law draws is a number
                undefined = undefined_values(measure, flat)
                if undefined is not None:
                    lost = undefined if lost is None else lost | undefined
                    flat = np.where(undefined, 0.0, flat)
            arrays.append(_arrow(measure, flat, lost))
        return pa.RecordBatch.from_arrays(
            [*instances.columns(), _timestamps(instances.times), *arrays],
            schema=self.schemas[chunk.kind],
        )

    def ends(self, chunk: Chunk, timestamps: Sequence[int]) -> pa.RecordBatch | None:
        """The series of a chunk that were there at a timestamp and are not at the next one.

        A row has the dimensions, the time of the latter, and no values; rows are ordered by time.
        Returns None where no series of the kind ever ends.
        """
        found = self.ends_with_arrivals(chunk, timestamps)
        return None if found is None else found[0]

    def ends_with_arrivals(
        self, chunk: Chunk, timestamps: Sequence[int]
    ) -> tuple[pa.RecordBatch, Times] | None:
        """As :meth:`ends`, with the time at which each end arrives at a target."""
        ends = self._populations[chunk.kind].ends(chunk.start, chunk.stop, timestamps)
        if ends is None:
            return None
        times = ends.times
        schema = self.schemas[chunk.kind]
        measures = [
            _nothing(schema.field(each.name), len(times))
            for each in self.model.kinds[chunk.kind].measures
        ]
        batch = pa.RecordBatch.from_arrays(
            [*ends.dimensions, _timestamps(times), *measures], schema=schema
        )
        lost = self._lost.get(chunk.kind)
        if lost is not None:
            times = lost.arrivals(times, chunk.start + ends.slots)
        return batch, times

    def dimensions(self, kind: str, timestamp: int) -> pa.RecordBatch:
        """The dimensions of the series of a kind that are alive at a time in microseconds."""
        if self.model.life_level(self.model.kinds[kind].level) is None:
            return self.tables[kind].dimensions
        schema = pa.schema(
            [self.schemas[kind].field(name) for name in self.model.kinds[kind].dimensions]
        )
        chunks = [chunk for chunk in self.chunks if chunk.kind == kind]
        columns = [self.instances(chunk, [timestamp]).columns() for chunk in chunks]
        parts = [pa.RecordBatch.from_arrays(each, schema=schema) for each in columns]
        table = pa.Table.from_batches(parts, schema)
        batches = table.unify_dictionaries().combine_chunks().to_batches()
        if not batches:
            return pa.RecordBatch.from_arrays(
                [pa.nulls(0, each.type) for each in schema], schema=schema
            )
        return batches[0]

    def labels(self, begin: int, end: int) -> list[Label]:
        """The incidents that affect any moment from ``begin`` until before ``end``, by start.

        Times are in microseconds. No values are generated. An incident of which filters keep no
        instance that it could affect is left out.
        """
        found: list[Label] = []
        for source in self._incidents:
            kinds = self._affected_kinds(source)
            chooses = not self._topology.filters.of_instances.keys().isdisjoint(kinds)
            found += [
                label
                for label in labels_of(source, self._topology, begin, end)
                if not chooses or self._affects(kinds, source.incident.level, label)
            ]
        return sorted(found, key=attrgetter("start", "id"))

    def _affected_kinds(self, source: IncidentSource) -> list[str]:
        """The kinds whose values incidents could affect."""
        return [
            key
            for key, kind in self.model.kinds.items()
            if source.incident.level in self.model.above(kind.level)
            and concerns(source.effects, key, kind.driver_names)
        ]

    def _affects(self, kinds: Sequence[str], level: str, label: Label) -> bool:
        """Whether filters keep a series of some kinds below the row of an incident."""
        return any(
            self._populations[key].holds(
                np.flatnonzero(self.rows_above(key, level) == label.row), label.start, label.end
            )
            for key in kinds
        )

    def instances(self, chunk: Chunk, timestamps: Sequence[int]) -> Instances:
        """The series of a chunk that are alive at any of the timestamps, and their cells."""
        return self._populations[chunk.kind].at(chunk.start, chunk.stop, timestamps)

    def rows_above(self, kind: str, level: str) -> Indices:
        """For each row of a kind's table, its row of a level above, or of the kind's own."""
        above = self._topology.above(self.model.kinds[kind].level, level)
        return above[self._topology.series(kind)]

    def due(self, kind: str, timestamps: Sequence[int]) -> Sequence[int]:
        """The timestamps at which a kind is measured: the first of each of its intervals."""
        interval = self.model.kinds[kind].interval_us
        if interval is None:
            return timestamps
        return [stamp for stamp in timestamps if stamp % interval < (self._step or 1)]


def _keep_freed_memory() -> None:
    """Let the C library keep what a batch frees for the next one, up to 62 MiB.

    glibc returns freed memory to the system, and page faults then cost more than the arithmetic,
    unless it has seen larger blocks come and go; see M_TRIM_THRESHOLD in mallopt(3).
    """
    np.empty(31 * 2**20, np.uint8)


def _chunks(table: SeriesTable, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
    """The chunks of a table's rows, all but the last of equal size."""
    stop = len(table) if stop is None else stop
    for first in range(start, stop, ROWS):
        yield Chunk(table.kind, first, min(first + ROWS, stop))


def _nothing(field: pa.Field, count: int) -> pa.Array:
    """A column without values."""
    if not pa.types.is_dictionary(field.type):
        return pa.nulls(count, field.type)
    # Its dictionary is not null, so that it can be unified with others.
    indices = pa.nulls(count, field.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, pa.array([], field.type.value_type))


def _timestamps(times: Times, missing: Booleans | None = None) -> pa.Array:
    """A column of times in microseconds, made from integers, which Arrow takes without a copy."""
    return pa.array(times, mask=missing).view(TIMESTAMPS)


def _arrow(measure: Measure, flat: Numbers, missing: Booleans | None) -> pa.Array:
    """A column in its Arrow type, null where it is missing."""
    if measure.type is DataType.DOUBLE:
        return pa.array(flat, mask=missing)
    if measure.type is DataType.BIGINT:
        return pa.array(flat.astype(np.int64), mask=missing)
    if measure.type is DataType.BOOLEAN:
        return pa.array(flat != 0, mask=missing)
    if measure.type is DataType.TIMESTAMP:
        milliseconds = np.rint(flat * 1e3).astype(np.int64)
        return _timestamps(milliseconds * MILLISECOND, missing)
    words = pa.array(flat.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(words, pa.array(measure.texts))
