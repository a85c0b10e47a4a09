"""The table of DuckDB as Parquet files, partitioned as Hive does.

The folders are ``day=DATE/DIMENSION=VALUE`` where the schemas name a dimension to partition by, and
``day=DATE`` otherwise. Files do not have the columns that are in their paths.
"""

from collections.abc import Iterator, Sequence
from typing import IO
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.records import Indices, RecordRange
from fleetstream.generate.schema import TIME, partition_of
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import TableColumns, as_table, quoted
from fleetstream.targets.file_storage import Storage, StoredFile

ROWS_PER_GROUP = 262_144
"""Rows per row group: DuckDB and Spark read each on one core, and skip those whose range of times
they do not need."""

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the partition with rows that have no value of the dimension."""

DAY_COLUMN = "day"

_DAY = 86_400 * MICROSECONDS


class ParquetFormat:
    """Files with all columns of a table except the partition's."""

    suffix = ".parquet"
    name = "Parquet"

    def __init__(self, columns: TableColumns) -> None:
        self.columns = columns
        self.key = tuple(columns.key)
        partitions = [name for name in map(partition_of, columns.schemas) if name is not None]
        self._partition = partitions[0] if partitions else None
        self._schema = pa.schema(
            [(name, DataType(kind).arrow) for name, kind in columns.all.items()]
        )

    def query(self, root: str) -> str:
        """An SQL query for DuckDB that counts the records per partition."""
        escaped = root.replace("'", "''")
        columns = [DAY_COLUMN, *([quoted(self._partition)] if self._partition else [])]
        return (
            f"SELECT {', '.join(columns)}, count(*) AS records FROM "
            f"read_parquet('{escaped}/**/*.parquet', hive_partitioning=true) "
            "GROUP BY ALL ORDER BY ALL"
        )

    def prepare(self, storage: Storage) -> None:
        """Nothing accompanies the files."""

    def tables(self, ranges: Sequence[RecordRange]) -> Iterator[tuple[str, pa.Table, Indices]]:
        """All records as one table, in no folder of its own."""
        rows = as_table(ranges, self.columns.model)
        for field in self._schema:
            if field.name not in rows.column_names:
                rows = rows.append_column(field.name, pa.nulls(len(rows), field.type))
        yield "", rows.select(self._schema.names).cast(self._schema), np.arange(len(rows))

    def partitions(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows by day and by the partition's dimension, each ordered by time."""
        days = rows[TIME].cast(pa.int64()).to_numpy() // _DAY
        for day in np.unique(days):
            folder = f"{DAY_COLUMN}={np.datetime64(int(day), 'D')}"
            places = np.flatnonzero(days == day)
            of_day = rows if len(places) == len(rows) else rows.take(pa.array(places))
            for inner, part in self._by_dimension(of_day):
                yield folder + inner, part.take(pc.sort_indices(part[TIME]))

    def write(self, rows: pa.Table, stream: IO[bytes]) -> None:
        pq.write_table(
            rows.unify_dictionaries(), stream, compression="zstd", row_group_size=ROWS_PER_GROUP
        )

    def read(self, storage: Storage, file: StoredFile, first: int, last: int) -> pa.Table:
        """The rows of a file from ``first`` to ``last``; files of others may have any columns."""
        bounds = [
            (TIME, ">=", pa.scalar(first, TIMESTAMPS)),
            (TIME, "<=", pa.scalar(last, TIMESTAMPS)),
        ]
        words = [field.name for field in self._schema if pa.types.is_dictionary(field.type)]
        rows = pq.read_table(
            storage.full(file.path),
            filesystem=storage.filesystem,
            filters=bounds,
            partitioning=None,
            read_dictionary=words,
        )
        name = self._partition
        if name is not None and name in file.partition and name not in rows.column_names:
            word = file.partition[name]
            index = pa.scalar(None if word == NO_VALUE else 0, pa.int32())
            indices = pa.repeat(index, len(rows))
            rows = rows.append_column(name, pa.DictionaryArray.from_arrays(indices, [word]))
        return rows

    def _by_dimension(self, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """Rows by the partition's dimension, which they lose, and the folder of each group."""
        if self._partition is None:
            yield "", rows
            return
        words = rows[self._partition].unify_dictionaries().combine_chunks()
        codes = words.indices.fill_null(-1).to_numpy()
        rows = rows.drop_columns(self._partition)
        for code in np.unique(codes):
            word = NO_VALUE if code < 0 else quote(words.dictionary[int(code)].as_py(), safe="")
            part = rows.take(pa.array(np.flatnonzero(codes == code)))
            yield f"/{self._partition}={word}", part
