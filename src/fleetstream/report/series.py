"""Values of a measure over time, from a generator."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.generator import ROWS, Chunk, Generator
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.records import timestamps_of
from fleetstream.model import DataType, Measure, Model
from fleetstream.model.suggestions import suggested

Values = npt.NDArray[np.float64]


def find_measure(model: Model, name: str) -> tuple[str, Measure]:
    """A measure and the key of its kind, by ``NAME`` or ``KIND.NAME``.

    Of several measures of the same name, ``NAME`` is the one of the first kind. Raises ValueError
    where there is none.
    """
    measures = [(key, measure) for key, kind in model.kinds.items() for measure in kind.measures]
    for key, measure in measures:
        if name in (measure.name, f"{key}.{measure.name}"):
            return key, measure
    known = list(dict.fromkeys(measure.name for _, measure in measures))
    raise ValueError(f"There is no measure {name!r}; {suggested(name, known)}")


def first_measure(generator: Generator) -> tuple[str, Measure]:
    """The first measure of the first kind that has series, and the key of the kind."""
    first = next(iter(generator.tables))
    kind = next((key for key, table in generator.tables.items() if len(table)), first)
    return kind, generator.model.kinds[kind].measures[0]


def words_of(measure: Measure) -> tuple[str, ...]:
    """The words that a measure's values stand for, none where they are numbers."""
    return ("false", "true") if measure.type is DataType.BOOLEAN else measure.texts


def unit_of(measure: Measure) -> str:
    """The unit of the numbers of :func:`values_over_time`."""
    return "seconds before" if measure.type is DataType.TIMESTAMP else measure.unit


def values_over_time(
    generator: Generator, kind: str, measure: str, series: int, timestamps: Sequence[int]
) -> Values:
    """The values of a measure for the first ``series`` series of a kind.

    ``timestamps`` are in microseconds. One row per timestamp, one column per series, or per slot
    where series have a life cycle; NaN where a value is missing or nothing is alive; words and
    truth values as indices into :func:`words_of` the measure, times as seconds before that of the
    measurement.
    """
    columns = [np.empty((len(timestamps), 0))]
    for start in range(0, series, ROWS):
        chunk = Chunk(kind, start, min(start + ROWS, series))
        step = max(ROWS // len(chunk), 1)
        rows = [
            _matrix(generator, chunk, measure, timestamps[first : first + step])
            for first in range(0, len(timestamps), step)
        ]
        columns.append(np.concatenate([*rows, np.empty((0, len(chunk)))]))
    return np.concatenate(columns, axis=1)


def _matrix(generator: Generator, chunk: Chunk, measure: str, timestamps: Sequence[int]) -> Values:
    """The values of a chunk, of shape (timestamps, rows of the chunk)."""
    values = _numbers(generator.batch(chunk, timestamps), measure)
    instances = generator.instances(chunk, timestamps)
    if instances.slots is None:
        return values.reshape(-1, len(chunk))
    alive = instances.alive
    times, found = np.nonzero(np.ones(instances.grid.shape, np.bool_) if alive is None else alive)
    matrix = np.full((len(timestamps), len(chunk)), np.nan)
    matrix[times, instances.slots[found]] = values
    return matrix


def _numbers(batch: pa.RecordBatch, name: str) -> Values:
    column = batch.column(batch.schema.get_field_index(name))
    if pa.types.is_timestamp(column.type):
        stored = column.view(pa.int64()).cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
        before: Values = (timestamps_of(batch) - stored) / MICROSECONDS
        return before
    if pa.types.is_dictionary(column.type):
        column = column.indices
    numbers: Values = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    return numbers
