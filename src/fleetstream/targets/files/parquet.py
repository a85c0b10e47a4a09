"""Parquet: the columns of the DuckDB table, Hive-partitioned by day and region."""

from collections.abc import Iterator, Sequence
from typing import IO
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.schema import TIME
from fleetstream.targets.files.storage import Storage, StoredFile
from fleetstream.targets.layout import COLUMNS, in_columns
from fleetstream.targets.sink import Part

SUFFIX = ".parquet"

ROW_GROUP = 262_144
"""Rows of a row group: DuckDB and Spark read each on a core; statistics of time prune them."""

REGION, DAY = "region", "day"

_DAY = 86_400 * MICROSECONDS

_ARROW_TYPES = {
    "VARCHAR": pa.dictionary(pa.int32(), pa.string()),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
}


class Parquet:
    """One table with all columns of the model; the region stands in the path alone."""

    suffix = SUFFIX
    name = "Parquet"

    def __init__(self, model: RecordModel) -> None:
        self._model = model
        self._schema = pa.schema(
            [(name, _ARROW_TYPES[kind]) for name, kind in COLUMNS[model].items()]
        )

    def prepare(self, storage: Storage) -> None:
        """Nothing stands beside the files."""

    def tables(self, parts: Sequence[Part]) -> Iterator[tuple[str, pa.Table, Sequence[int]]]:
        """The records as one table, under no folder, with the index of each row's record."""
        rows = in_columns(parts, self._model)
        absent = {
            field.name: pa.nulls(len(rows), field.type)
            for field in self._schema
            if field.name not in rows.column_names
        }
        for name, column in absent.items():
            rows = rows.append_column(name, column)
        yield "", rows.select(self._schema.names).cast(self._schema), range(len(rows))

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows by day and region, each ordered by time, and their folders."""
        days = rows[TIME].cast(pa.int64()).to_numpy() // _DAY
        regions = rows[REGION].unify_dictionaries().combine_chunks()
        codes = regions.indices.to_numpy()
        for day in np.unique(days):
            of_day = days == day
            date = np.datetime64(int(day), "D")
            for code in np.unique(codes[of_day]):
                places = np.flatnonzero(of_day & (codes == code))
                kept = rows.drop_columns(REGION).take(pa.array(places))
                region = quote(regions.dictionary[int(code)].as_py(), safe="")
                folder = f"{DAY}={date}/{REGION}={region}"
                yield folder, kept.take(pc.sort_indices(kept[TIME]))

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        """Write rows into a file."""
        pq.write_table(
            rows.unify_dictionaries(), stream, compression="zstd", row_group_size=ROW_GROUP
        )

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file between two timestamps, themselves included (µs); any column."""
        bounds = [
            (TIME, ">=", pa.scalar(first, pa.timestamp("us"))),
            (TIME, "<=", pa.scalar(last, pa.timestamp("us"))),
        ]
        words = [field.name for field in self._schema if pa.types.is_dictionary(field.type)]
        rows = pq.read_table(
            storage.full(file.path),
            filesystem=storage.filesystem,
            filters=bounds,
            partitioning=None,
            read_dictionary=words,
        )
        if REGION in file.partition and REGION not in rows.column_names:
            region = pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(rows), np.int32)), pa.array([file.partition[REGION]])
            )
            rows = rows.append_column(REGION, region)
        return rows
