"""Reads a table of a DuckDB file, opened read-only."""

from collections.abc import Sequence

import duckdb

from fleetstream.generate.schema import TIME
from fleetstream.targets.columns import quoted
from fleetstream.targets.duckdb.sink import DuckDBSink
from fleetstream.targets.sink import TargetUnusable, first_line


class DuckDBReader:
    """Reads the table that a sink would write to."""

    slice_values = 250_000

    def __init__(self, sink: DuckDBSink) -> None:
        self.name = sink.name
        self._path = sink.path
        self._table = sink.table
        self._columns = sink.columns.all

    def open(self) -> None:
        """Open the file, and check that the table has the columns of the record model."""
        if not self._path.is_file():
            raise TargetUnusable(f"There is no file {str(self._path)!r}; name the one to verify.")
        try:
            self.connection = duckdb.connect(self._path, read_only=True)
            rows = self.connection.execute(f"DESCRIBE {self._table}").fetchall()
        except duckdb.Error as error:
            raise TargetUnusable(f"{self.name} cannot be read: {first_line(error)}") from error
        missing = self._columns.keys() - {row[0] for row in rows}
        if missing:
            raise TargetUnusable(
                f"{self.name} has no column {min(missing)!r}, so it is not what the run of this "
                "manifest has written; name another with --table-name."
            )

    def times_after(self, timestamp: int) -> Sequence[int]:
        """The timestamps after one, in microseconds."""
        rows = self.connection.execute(
            f"SELECT DISTINCT epoch_us({TIME}) FROM {self._table} "
            f"WHERE {TIME} > make_timestamp(?) ORDER BY 1",
            [timestamp],
        ).fetchall()
        return [row[0] for row in rows]

    def held(self, begin: int | None, end: int | None) -> str:
        """A query; records without a time count as the earliest."""
        bounds = []
        if begin is not None:
            bounds.append(f"{TIME} >= make_timestamp({begin})")
        if end is not None:
            bounds.append(f"{TIME} < make_timestamp({end})")
        where = " AND ".join(bounds) or "true"
        if begin is None:
            where = f"({where}) OR {TIME} IS NULL"
        listed = ", ".join(map(quoted, self._columns))
        return f"SELECT {listed} FROM {self._table} WHERE {where}"

    def close(self) -> None:
        """Close the file."""
        self.connection.close()
