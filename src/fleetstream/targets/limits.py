"""What a target cannot hold of a fleet, found before anything is written."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import now
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType, Measure
from fleetstream.targets.columns import MEASURE_NAME, value_column

NUMBER_BYTES, BOOLEAN_BYTES = 8, 1


@dataclass(frozen=True, slots=True)
class KindSize:
    """The largest of a kind's series and records in bytes.

    ``series`` is that of the names and values of all dimensions of one series; ``single`` of the
    name and value of one measure, ``multi`` of those of all measures.
    """

    series: int
    single: int
    multi: int


def kind_size(generator: Generator, key: str) -> KindSize:
    """The sizes of a kind; dimensions that change over time count as they are now."""
    alive = generator.dimensions(key, now())
    series = max(_longest(generator.tables[key].dimensions), _longest(alive))
    measures = [_measure_size(each) for each in generator.model.kinds[key].measures]
    return KindSize(series, max(measures, default=0), sum(measures))


def table_problems(generator: Generator, record_model: RecordModel) -> Iterator[str]:
    """Why the fleet does not fit the columns of one table, as sentences."""
    kinds = generator.model.kinds
    columns = [MEASURE_NAME, TIME, *generator.model.dimensions]
    if record_model is RecordModel.SINGLE:
        columns += [value_column(each) for each in DataType]
    else:
        yield from type_problems(generator, "share a column of the table")
        for measure in {each.name for kind in kinds.values() for each in kind.measures}:
            if measure in generator.model.dimensions:
                yield (
                    f"{measure!r} is a dimension and a measure, which would share a column of the "
                    "table; rename one, or use --record-model single."
                )
        columns += dict.fromkeys(each.name for kind in kinds.values() for each in kind.measures)
    seen: dict[bytes, str] = {}
    for name in columns:
        other = seen.setdefault(name.encode().lower(), name)  # of ASCII alone, as DuckDB does
        if other != name:
            yield f"The names {other!r} and {name!r} differ only in case; rename one."
    for name in generator.model.dimensions:
        if name == MEASURE_NAME or name in map(value_column, DataType):
            yield f"The table has a column {name!r} itself; rename the dimension."


def type_problems(generator: Generator, reason: str) -> Iterator[str]:
    """Measures that have another type in another kind, though they ``reason``."""
    types: dict[str, DataType] = {}
    for kind in generator.model.kinds.values():
        for measure in kind.measures:
            other = types.setdefault(measure.name, measure.type)
            if other is not measure.type:
                yield (
                    f"The measure {measure.name!r} is {other} in one kind and {measure.type} in "
                    f"another, but they {reason}; rename one."
                )


def _longest(table: pa.RecordBatch) -> int:
    """The most bytes of a row's names and values."""
    import pyarrow.compute as pc  # slow to import, and only some targets have such a limit

    sizes = np.zeros(table.num_rows, np.int64)
    for name, column in zip(table.schema.names, table.columns, strict=True):
        words = pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False)
        sizes += len(name.encode()) + words[column.indices.to_numpy()]
    return int(sizes.max(initial=0))


def _measure_size(measure: Measure) -> int:
    value = BOOLEAN_BYTES if measure.type is DataType.BOOLEAN else NUMBER_BYTES
    if measure.texts:
        value = max(len(word.encode()) for word in measure.texts)
    return len(measure.name.encode()) + value
