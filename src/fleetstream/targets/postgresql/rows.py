"""Batches as rows of the tables: series with ids that follow from what they are, and values."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Bits, mix, name_key, word_keys
from fleetstream.generate.records import RecordRange, Records
from fleetstream.generate.schema import TIME
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.columns import MEASURE_NAME, constant_words, single_values
from fleetstream.targets.postgresql.limits import SERIES_ID

CACHED_ROWS = 16_000_000
"""Rows of batches whose series are kept: 128 MB."""

_TIMES = pa.timestamp("us", tz="UTC")


@dataclass(slots=True)
class BatchSeries:
    """The series of a batch's rows.

    ``identities`` has a number per row that follows from the row's dimensions; ``stored`` says that
    the table of series has them all.
    """

    records: Records
    identities: Bits
    stored: bool = False

    def table(self) -> pa.Table:
        """Each series once, in the columns of the table of series.

        Under the single-measure model each measure of a row is a series of its own.
        """
        identities, places = np.unique(self.identities, return_index=True)
        rows = pa.array(places)
        names = series_names(self.records)
        parts = []
        for name in names:
            columns = {SERIES_ID: pa.array(_ids(identities, name))}
            for dimension in self.records.dimension_names:
                columns[dimension] = self.records.dimension(dimension).take(rows)
            columns[MEASURE_NAME] = constant_words(name, len(rows))
            parts.append(pa.table(columns))
        return pa.concat_tables(parts).unify_dictionaries()


def series_names(records: Records) -> list[str]:
    """The measure names of a batch's series: its measures, or under the multi model its kind."""
    single = records.model is RecordModel.SINGLE
    return records.measure_names if single else [records.kind]


def _ids(identities: Bits, name: str) -> np.ndarray:
    return mix(identities + name_key(MEASURE_NAME, name)).view(np.int64)


class RowRenderer:
    """Finds the series of batches, and makes rows of values."""

    def __init__(self) -> None:
        self._series = ArrayCache[BatchSeries](CACHED_ROWS, lambda found: len(found.identities))

    def series(self, records: Records) -> BatchSeries:
        """The series of a batch. Batches of the same series share one object."""
        columns = [records.dimension(name) for name in records.dimension_names]
        key = (
            records.kind,
            *((address(each.dictionary), each.indices.to_numpy().tobytes()) for each in columns),
        )

        def make() -> BatchSeries:
            identities = np.zeros(records.batch.num_rows, np.uint64)
            for name, column in zip(records.dimension_names, columns, strict=True):
                keys = word_keys(name, column.dictionary.to_pylist())
                identities += keys[column.indices.to_numpy()]
            return BatchSeries(records, identities)

        return self._series.get(key, make)

    def values(self, series: BatchSeries, part: RecordRange) -> pa.Table:
        """Records in the columns of the table of values."""
        records = part.records
        rows = records.rows[part.start : part.stop]
        names = np.array([name_key(MEASURE_NAME, name) for name in series_names(records)])
        if records.model is RecordModel.SINGLE:
            keys = names[records.measures[part.start : part.stop]]
            values = single_values(part)
        else:
            keys = names[0]
            batch = part.batch()
            values = {name: _stored(batch.column(name)) for name in records.measure_names}
        ids = mix(series.identities[rows] + keys).view(np.int64)
        times = pa.array(records.timestamps[rows]).cast(_TIMES)
        return pa.table({SERIES_ID: pa.array(ids), TIME: times, **values})


def _stored(column: pa.Array) -> pa.Array:
    """A measure's column as it is copied into the table."""
    return column.cast(_TIMES) if pa.types.is_timestamp(column.type) else column


def parts_of(records: Records, values: int) -> Iterator[RecordRange]:
    """Ranges of a batch's records with up to about so many values."""
    per_record = 1 if records.model is RecordModel.SINGLE else len(records.measure_names)
    step = max(values // per_record, 1)
    for start in range(0, len(records), step):
        yield RecordRange(records, start, min(start + step, len(records)))
