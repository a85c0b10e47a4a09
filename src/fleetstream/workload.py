"""The workload: what the fleet emits, as a pure function of seed, series and time.

A *block* is a fixed run of :data:`BLOCK` consecutive series of the unfiltered fleet, the last one
shorter. Its random numbers come from NumPy's counter-based Philox generator, whose key is the seed
and whose counter starts at (timestamp, block, kind). A block is always drawn for all its series and
then narrowed to those that the fleet keeps. So a value depends on the seed, the host scale, its own
series and the timestamp, and on nothing else: not on filters, concurrency, order, or the machine
that generates it.

A *batch* is a block at a timestamp: a :class:`pyarrow.RecordBatch` with one row a series. Its
columns are the eight dimensions (``dictionary<int32, string>``), ``time`` (``timestamp[us]``, UTC)
and one a measure (``double``, ``int64`` or ``dictionary<int32, string>``), null where a value is
missing. Its schema's metadata names the ``kind`` of its series.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.distributions import Choice, Column, host_loads
from fleetstream.fleet import Fleet, Kind, SeriesTable
from fleetstream.measures import CPU_MEASURES, DataType, Measure, measures_of
from fleetstream.records import batch_schema
from fleetstream.signals import MICROSECONDS, Signal

BLOCK = 5_000
"""Series in a block: enough that drawing a column costs more than asking for it."""

MANY = 8
"""Blocks for each share of a workload that are enough to share them out whole."""

MAX_SEED = 2**64 - 1

_STREAMS = {Kind.METRICS: 0, Kind.EVENTS: 1}


class Purpose(IntEnum):
    """What random numbers are for; each purpose has a stream of its own."""

    VALUES = 0
    DISORDER = 1


@dataclass(frozen=True, slots=True)
class Block:
    """The series of one block that the fleet keeps: the rows ``[start, stop)`` of its table."""

    kind: Kind
    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Workload:
    """What a fleet emits.

    ``seed`` is a whole number from 0 to 2⁶⁴ − 1; ``signal`` overlays the CPU load;
    ``missing_cpu`` is the probability, in per cent, that all CPU values of a host are missing at a
    timestamp. Raises :class:`ValueError` with a sentence for what is out of range.
    """

    def __init__(
        self,
        fleet: Fleet,
        seed: int,
        signal: Signal | None = None,
        missing_cpu: float = 0.0,
    ) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"The seed is {seed}, but must be a whole number from 0 to 2^64 - 1.")
        if not 0 <= missing_cpu <= 100:
            raise ValueError(
                f"The percentage of missing CPU values is {missing_cpu:g}, but must be from 0 to "
                "100."
            )
        self.fleet = fleet
        self.seed = seed
        self.signal = signal
        self.missing_cpu = missing_cpu
        self.blocks = tuple(block for table in fleet.tables.values() for block in _blocks_of(table))
        self._loads = host_loads(fleet.hosts.hosts)
        self._schemas = {kind: batch_schema(kind) for kind in Kind}

    @property
    def series(self) -> int:
        """How many hosts and processes there are."""
        return sum(len(table) for table in self.fleet.tables.values())

    @property
    def values_per_sweep(self) -> int:
        """Values in a sweep when none is missing."""
        tables = self.fleet.tables.items()
        return sum(len(table) * len(measures_of(kind)) for kind, table in tables)

    def share(self, number: int, count: int) -> list[Block]:
        """The ``number``-th (from 0) of ``count`` equal shares of all series.

        Of many blocks it is every so-many-th; of few, a piece of each, though each is drawn as a
        whole for all shares then.
        """
        if len(self.blocks) >= MANY * count:
            return list(self.blocks[number::count])
        pieces = []
        for block in self.blocks:
            start = block.start + len(block) * number // count
            stop = block.start + len(block) * (number + 1) // count
            if start < stop:
                pieces.append(Block(block.kind, block.number, start, stop))
        return pieces

    def sweep(self, timestamp: int) -> Iterator[pa.RecordBatch]:
        """All batches at ``timestamp`` (microseconds of Unix time), hosts first."""
        return (self.batch(block, timestamp) for block in self.blocks)

    def batch(self, block: Block, timestamp: int) -> pa.RecordBatch:
        """The batch of ``block`` at ``timestamp`` (microseconds of Unix time)."""
        table = self.fleet.tables[block.kind]
        draws = self.draws(block, timestamp)
        measures = measures_of(block.kind)
        for measure in measures:
            draws.columns[measure.name] = measure.rounded(measure.distribution.values(draws))

        missing = self._missing(block.kind, draws)
        dimensions = table.dimensions.slice(block.start, len(block))
        time = np.full(len(block), timestamp).view("datetime64[us]")
        return pa.RecordBatch.from_arrays(
            [
                *dimensions.columns,
                pa.array(time),
                *(_arrow(measure, draws.columns[measure.name], missing) for measure in measures),
            ],
            schema=self._schemas[block.kind],
        )

    def draws(
        self, block: Block, timestamp: int, purpose: Purpose = Purpose.VALUES
    ) -> "BlockDraws":
        """The random numbers of ``block`` at ``timestamp`` (microseconds of Unix time)."""
        table = self.fleet.tables[block.kind]
        rows = slice(block.start, block.stop)
        stream = _STREAMS[block.kind] + len(_STREAMS) * purpose
        counter = [0, timestamp, block.number, stream]
        philox = np.random.Philox(key=self.seed, counter=np.array(counter, np.uint64))
        loads = self._loads if block.kind is Kind.METRICS else np.empty(0, np.uint8)
        return BlockDraws(
            random=np.random.Generator(philox),
            width=min(BLOCK, table.unfiltered - block.number * BLOCK),
            rows=_narrowing(table.numbers[rows] - block.number * BLOCK),
            hosts=table.hosts[rows],
            loads=loads[rows],
            signal=self.signal,
            seconds=timestamp / MICROSECONDS,
        )

    def _missing(self, kind: Kind, draws: "BlockDraws") -> npt.NDArray[np.bool_] | None:
        """Which hosts have no CPU values; drawn last, so that nothing else depends on it."""
        if kind is not Kind.METRICS or not self.missing_cpu:
            return None
        return draws.uniform() * 100 < self.missing_cpu


@dataclass(slots=True)
class BlockDraws:
    """The random numbers and surroundings of one block at one timestamp.

    Drawn for all series of the block, in the order of asking, and narrowed to those kept.
    """

    random: np.random.Generator
    width: int
    rows: slice | npt.NDArray[np.int64]
    hosts: npt.NDArray[np.int64]
    loads: npt.NDArray[np.uint8]
    signal: Signal | None
    seconds: float
    columns: dict[str, Column] = field(default_factory=dict)

    def uniform(self) -> Column:
        """Numbers from 0 to 1, one a series."""
        return self.random.random(self.width)[self.rows]

    def normal(self) -> Column:
        """Standard normal numbers, one a series."""
        return self.random.standard_normal(self.width)[self.rows]

    def overlay(self, uniform: Column) -> Column | None:
        """The signal at the timestamp, ``uniform`` being its noise; None where there is none."""
        return self.signal.values(self.seconds, uniform) if self.signal else None


def _blocks_of(table: SeriesTable) -> Iterator[Block]:
    """The blocks that hold at least one series of the table."""
    numbers, starts = np.unique(table.numbers // BLOCK, return_index=True)
    stops = [*starts[1:].tolist(), len(table)]
    for number, start, stop in zip(numbers.tolist(), starts.tolist(), stops, strict=True):
        yield Block(table.kind, number, start, stop)


def _narrowing(places: npt.NDArray[np.int64]) -> slice | npt.NDArray[np.int64]:
    """Places in a block as a slice where they have no gaps, since slicing copies nothing."""
    if places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _arrow(measure: Measure, column: Column, missing: npt.NDArray[np.bool_] | None) -> pa.Array:
    """A drawn column in its Arrow type, null where CPU values are missing."""
    if isinstance(measure.distribution, Choice):
        words = pa.array(measure.distribution.words)
        return pa.DictionaryArray.from_arrays(pa.array(column.astype(np.int32)), words)
    if measure.type is DataType.BIGINT:
        return pa.array(column.astype(np.int64))
    return pa.array(column, mask=missing if measure.name in CPU_MEASURES else None)
