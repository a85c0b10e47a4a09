"""Labels of points: which values of a series incidents change, and which incidents these are.

A point is affected where its value differs from that of the same fleet without incidents; that is
the comparison itself, so it is exact by definition. The incidents of an affected point are those
that happen to it at that time and whose effects reach its measure.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.generator import Chunk, Generator
from fleetstream.generate.keys import Booleans
from fleetstream.generate.labels import Label
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.records import timestamps_of
from fleetstream.generate.rows import Indices
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType, Model, SeriesKind
from fleetstream.model.datatypes import TIMESTAMPS, WORDS
from fleetstream.model.incidents import Effect

POINT_COLUMNS = ("measure", "value", "without_incidents", "affected", "incidents")
"""The columns behind the dimensions and the time."""

Rows = npt.NDArray[np.intp]


class PointLabels:
    """Labels each point of some measures of a kind.

    ``calm`` is the same generator without incidents. Raises ValueError where a measure is unknown,
    or numbers and words are asked for together.
    """

    def __init__(
        self, generator: Generator, calm: Generator, kind: str, measures: Sequence[str]
    ) -> None:
        self._generator = generator
        self._calm = calm
        self._kind = kind
        self._measures = list(measures)
        described = generator.model.kinds[kind]
        self._reached = reached_by_incident(generator.model, kind)
        self._above: dict[str, Indices] = {}
        self.schema = pa.schema(
            [
                *(pa.field(name, WORDS) for name in described.dimensions),
                pa.field(TIME, TIMESTAMPS),
                pa.field("measure", WORDS),
                pa.field("value", _value_type(described, measures)),
                pa.field("without_incidents", _value_type(described, measures)),
                pa.field("affected", pa.bool_()),
                pa.field("incidents", pa.list_(pa.string())),
            ]
        )

    def batches(self, timestamps: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """One row per timestamp, series and measure, in this order within each batch."""
        size = self._generator.timestamps_per_batch()
        chunks = [chunk for chunk in self._generator.chunks if chunk.kind == self._kind]
        for first in range(0, len(timestamps), size):
            due = self._generator.due(self._kind, timestamps[first : first + size])
            for chunk in chunks if due else ():
                yield self._batch(chunk, due)

    def _batch(self, chunk: Chunk, timestamps: Sequence[int]) -> pa.RecordBatch:
        found = self._generator.batch(chunk, timestamps)
        labels = [
            label
            for label in self._generator.labels(timestamps[0], timestamps[-1] + 1)
            if not self._measures_of(label).isdisjoint(self._measures)
        ]
        calm = self._calm.batch(chunk, timestamps) if labels else found
        values = [_plain(found.column(name)) for name in self._measures]
        calm_values = [_plain(calm.column(name)) for name in self._measures]
        affected = [_differ(*pair) for pair in zip(values, calm_values, strict=True)]
        reasons = self._reasons(chunk, timestamps, found, labels, affected)
        # Columns have one measure after the other; rows are to have the measures of a point beside
        # each other.
        rows, count = found.num_rows, len(self._measures)
        order = pa.array(np.arange(rows * count).reshape(count, rows).T.reshape(-1))
        repeated = pa.array(np.repeat(np.arange(rows), count))
        measures = pa.array(np.tile(np.arange(count, dtype=np.int32), rows))
        known = [
            found.column(name).take(repeated) for name in self.schema.names[: -len(POINT_COLUMNS)]
        ]
        joined = (values, calm_values, [pa.array(each) for each in affected], reasons)
        return pa.RecordBatch.from_arrays(
            [
                *known,
                pa.DictionaryArray.from_arrays(measures, pa.array(self._measures)),
                *(pa.concat_arrays(each).take(order) for each in joined),
            ],
            schema=self.schema,
        )

    def _reasons(
        self,
        chunk: Chunk,
        timestamps: Sequence[int],
        batch: pa.RecordBatch,
        labels: Sequence[Label],
        affected: Sequence[Booleans],
    ) -> list[pa.Array]:
        """The incidents of each row, per measure: a list of ids, empty where it is not affected."""
        places = np.flatnonzero(np.logical_or.reduce(affected))
        series = self._series(chunk, timestamps)[places]
        times = timestamps_of(batch)[places]
        during = [(label, places[self._happens(label, series, times)]) for label in labels]
        return [
            _listed(
                [
                    (label.id, rows[changed[rows]])
                    for label, rows in during
                    if measure in self._measures_of(label)
                ],
                batch.num_rows,
            )
            for measure, changed in zip(self._measures, affected, strict=True)
        ]

    def _measures_of(self, label: Label) -> frozenset[str]:
        """The measures that an incident acts on."""
        return self._reached.get((label.incident, label.spread), frozenset())

    def _series(self, chunk: Chunk, timestamps: Sequence[int]) -> Rows:
        """The row of its kind that each row of a batch belongs to."""
        instances = self._generator.instances(chunk, timestamps)
        alive = instances.alive
        _, columns = np.nonzero(np.ones(instances.grid.shape, np.bool_) if alive is None else alive)
        return chunk.start + (columns if instances.slots is None else instances.slots[columns])

    def _happens(self, label: Label, series: Rows, times: npt.NDArray[np.int64]) -> Booleans:
        """Whether an incident happens to series at times."""
        level = self._generator.model.incidents[label.incident].level
        if level not in self._above:
            self._above[level] = self._generator.rows_above(self._kind, level)
        happens: Booleans = self._above[level][series] == label.row
        return happens & (times >= label.start) & (times < label.end)


def reached_by_incident(model: Model, kind: str) -> dict[tuple[str, int | None], frozenset[str]]:
    """The measures of a kind that each incident acts on, and where each of its spreads takes it."""
    described = model.kinds[kind]
    above = model.above(described.level)
    return {
        (name, spread): reached_measures(kind, described, incident.effects_of(spread))
        for name, incident in model.incidents.items()
        for spread in (None, *range(len(incident.spreads)))
        if incident.level in above
    }


def reached_measures(key: str, kind: SeriesKind, effects: Sequence[Effect]) -> frozenset[str]:
    """The measures of the kind with a key that effects act on, directly or through others."""
    changed: set[str] = set()
    dropped: set[str] = set()
    for effect in effects:
        if effect.driver in kind.driver_names:
            changed.add(str(effect.driver))
        elif effect.kind == key:
            targets = {effect.target} if effect.target else {each.name for each in kind.measures}
            if effect.drop:
                dropped |= targets
            else:
                changed |= targets
    for source in kind.evaluation_order:
        if source.expression is not None and source.expression.names & changed:
            changed.add(source.name)
    return frozenset((changed | dropped) & {each.name for each in kind.measures})


def _value_type(kind: SeriesKind, measures: Sequence[str]) -> pa.DataType:
    """The type of values. Raises ValueError for an unknown measure, and for numbers and words."""
    words = set()
    for name in measures:
        measure = kind.measure(name)
        if measure is None:
            known = ", ".join(each.name for each in kind.measures)
            raise ValueError(f"There is no measure {name!r} of these series; choose from {known}.")
        words.add(measure.type is DataType.VARCHAR)
    if len(words) > 1:
        raise ValueError(
            "Numbers and words cannot be in one column; ask for one of them at a time."
        )
    return pa.string() if words == {True} else pa.float64()


def _plain(column: pa.Array) -> pa.Array:
    """Values as doubles or text: truth as 1 and 0, times as seconds of Unix time."""
    if pa.types.is_timestamp(column.type):
        from pyarrow import compute

        return compute.divide(
            column.cast(pa.int64()).cast(pa.float64(), safe=False), float(MICROSECONDS)
        )
    is_words = pa.types.is_dictionary(column.type)
    return column.cast(pa.string() if is_words else pa.float64(), safe=False)


def _differ(values: pa.Array, others: pa.Array) -> Booleans:
    """Where two columns differ; a missing value differs from any other."""
    from pyarrow import compute  # takes a tenth of a short command's start

    differ = compute.fill_null(compute.not_equal(values, others), pa.scalar(value=False))
    differ = compute.or_(differ, compute.xor(values.is_null(), others.is_null()))
    found: Booleans = differ.to_numpy(zero_copy_only=False)
    return found


def _listed(found: Sequence[tuple[str, Rows]], count: int) -> pa.Array:
    """A list of texts per row, from the rows that each text belongs to."""
    rows = np.concatenate([np.empty(0, np.intp), *(each for _, each in found)])
    texts = np.repeat(np.arange(len(found)), [len(each) for _, each in found])
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=count))
    offsets = pa.array(np.concatenate(([0], ends)).astype(np.int32))
    ids = pa.array([text for text, _ in found], pa.string())
    return pa.ListArray.from_arrays(offsets, ids.take(pa.array(texts[order], pa.int64())))
