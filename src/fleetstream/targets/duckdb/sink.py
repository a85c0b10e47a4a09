"""Writes to a table of a DuckDB file.

The table has the columns that Amazon Timestream would show, so a query with quoted column names
gives the same answer in both. As in Timestream, a table gets the columns that it lacks.

Rows are written many at a time, since DuckDB is several times faster with large inserts.
"""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, RecordRange
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import TableColumns, as_table, quoted
from fleetstream.targets.deduplication import Addition, RecentWrites, add_absent
from fleetstream.targets.sink import Delivery, Request, TargetLost, TargetUnusable, first_line
from fleetstream.targets.waiting import WaitingRecords

VALUES_PER_INSERT = {RecordModel.SINGLE: 250_000, RecordModel.MULTI: 500_000}
"""Values in an insert: as few as cost less than 5 % of the speed of inserts of a million values,
since progress shows with every insert. It takes about 0.1 s."""

LONGEST_WAIT = 1.0
"""Seconds that values wait for more before they are inserted with the next batch."""

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "preserve_insertion_order": False,
    "checkpoint_threshold": "64MB",
}
"""Without an order to keep, DuckDB inserts on all cores. Each checkpoint compresses again what has
not filled a row group yet, and with the default of 16 MB most inserts would cause one."""

DEFAULT_SCHEMA = "main"
DEFAULT_TABLE = "telemetry"


class DuckDBSink:
    """Writes to a table of a DuckDB file; both are created if they do not exist.

    ``path`` is the file, ``table`` the quoted name of the table.
    """

    concurrency = 1
    exclusive = True
    window = None

    def __init__(
        self,
        path: Path,
        model: RecordModel,
        schemas: Sequence[pa.Schema],
        schema: str = DEFAULT_SCHEMA,
        table: str = DEFAULT_TABLE,
    ) -> None:
        self.path = path
        self.columns = TableColumns(model, tuple(schemas))
        self._model = model
        self.table = f"{quoted(schema)}.{quoted(table)}"
        self._schema = schema
        self._name = table
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._waiting = WaitingRecords(model)

    @property
    def name(self) -> str:
        """The file and the table."""
        return f"DuckDB, {self._schema}.{self._name} in {self.path}"

    def open(self) -> None:
        """Open the file, and create or extend the table.

        Raises ValueError where the path cannot be a DuckDB file, TargetUnusable where the file or
        the table cannot be used.
        """
        if not self.path.parent.is_dir():
            raise ValueError(
                f"There is no folder {str(self.path.parent)!r} to write {self.path.name!r} in; "
                "create it, or name another path."
            )
        if self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a folder, but must be a DuckDB file.")
        try:
            self._connection = duckdb.connect(self.path, config=SETTINGS)
        except duckdb.IOException as error:
            raise _explain(self.path, error) from error
        except duckdb.Error as error:
            raise ValueError(
                f"{str(self.path)!r} cannot be opened as a DuckDB file: {first_line(error)}"
            ) from error
        try:
            self._make_schema(self._connection)
            self._make_table(self._connection)
        except duckdb.Error as error:
            raise TargetUnusable(
                f"The table {self.table} in {self.path} cannot be written to: {first_line(error)}"
            ) from error
        self._recent = RecentWrites(self._holds)

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """Everything that waits, as soon as it is enough for an insert, or has waited enough."""
        self._waiting.add(batch)
        enough = self._waiting.values >= VALUES_PER_INSERT[self._model]
        return self.flush() if enough or self._waiting.seconds >= LONGEST_WAIT else ()

    def pause(self) -> Iterable[Request]:
        """Everything that waits."""
        return self.flush()

    def flush(self) -> Iterable[Request]:
        """Everything that waits."""
        return self._waiting.take()

    def send(self, request: Request) -> Delivery:
        """Insert the records of a request in one transaction."""
        rows = as_table(request.ranges, self._model)
        try:
            addition = self._insert(rows, request.ranges)
        except duckdb.Error as error:
            self._leave_log()
            raise TargetLost(
                f"{self.path} takes no more rows: {first_line(error)} What it holds is intact."
            ) from error
        return Delivery(addition.rejections, addition.unchanged)

    def close(self) -> None:
        """Close the file, which other processes can read then."""
        if self._connection is not None:
            self._connection.close()

    def query_hint(self) -> str | None:
        """A query with this Python."""
        doubles = [name for name, kind in self.columns.values.items() if kind == DataType.DOUBLE]
        mean = f", round(avg({quoted(doubles[0])}), 2) AS mean" if doubles else ""
        query = (
            f"SELECT measure_name, count(*) AS records{mean} "
            f"FROM {self.table} GROUP BY ALL ORDER BY ALL"
        )
        code = (
            f"import duckdb; duckdb.connect({_literal(str(self.path))}, read_only=True)"
            f".sql({_literal(query)}).show(max_rows=50)"
        )
        return f"{shlex.quote(_interpreter())} -c {shlex.quote(code)}"

    def _insert(self, rows: pa.Table, ranges: Sequence[RecordRange]) -> Addition:
        """Add the records of ``ranges``, which are ``rows``, in one transaction.

        Adds nothing and raises duckdb.Error where the database fails.
        """
        assert self._connection is not None
        keys = self._recent.keys_of(ranges)
        addition = Addition((), 0)
        with self._connection.cursor() as cursor:
            cursor.begin()
            try:
                if keys.all_new:
                    cursor.register("incoming", rows)
                    cursor.execute(f"INSERT INTO {self.table} BY NAME SELECT * FROM incoming")
                else:
                    addition = add_absent(cursor, self.table, rows, list(self.columns.key))
                cursor.commit()
            except duckdb.Error:
                with contextlib.suppress(duckdb.Error):  # a commit that fails has rolled back
                    cursor.rollback()
                raise
        self._recent.remember(keys)
        return addition

    def _holds(self, timestamps: Indices) -> Booleans:
        """Which of some timestamps (ascending) the table has records of."""
        assert self._connection is not None
        found = self._connection.execute(
            f"SELECT DISTINCT epoch_us({TIME}) AS held FROM {self.table} "
            f"WHERE {TIME} BETWEEN make_timestamp(?) AND make_timestamp(?)",
            [int(timestamps[0]), int(timestamps[-1])],
        ).fetchnumpy()
        return np.isin(timestamps, found["held"])

    def _leave_log(self) -> None:
        """Leave the write-ahead log when the file is closed; the next open writes it to the file.

        Writing it while the disk is full can crash DuckDB, and this process with it.
        """
        assert self._connection is not None
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")

    def _make_schema(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the schema if it does not exist, and make the table's name unambiguous."""
        found = connection.execute("SELECT current_database()").fetchone()
        catalog = str(found[0]) if found else ""
        schema = f"{quoted(catalog)}.{quoted(self._schema)}"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if catalog.lower() == self._schema.lower():
            # A catalog is named after its file, so the name alone could mean either.
            self.table = f"{schema}.{quoted(self._name)}"

    def _make_table(self, connection: duckdb.DuckDBPyConnection) -> None:
        columns = self.columns.all
        listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {self.table} ({listed})")
        present = {
            row[0]: row[1] for row in connection.execute(f"DESCRIBE {self.table}").fetchall()
        }
        for name, kind in columns.items():
            if name not in present:
                connection.execute(f"ALTER TABLE {self.table} ADD COLUMN {quoted(name)} {kind}")
            elif present[name] != kind:
                raise TargetUnusable(
                    f"The table {self.table} in {self.path} has a column {name!r} of type "
                    f"{present[name]}, where {kind} is needed; name another table with "
                    "--table-name."
                )


def _explain(path: Path, error: duckdb.IOException) -> Exception:
    """The exception to raise for an I/O error while opening."""
    text = str(error)
    if "lock" in text:
        return TargetUnusable(
            f"{str(path)!r} is open in another process; close it there, or name another file."
        )
    if "not a valid DuckDB" in text:
        return ValueError(
            f"{str(path)!r} is not a DuckDB file, and would be overwritten; name another path."
        )
    return TargetUnusable(f"{str(path)!r} cannot be written: {first_line(error)}")


def _literal(text: str) -> str:
    """A Python literal in double quotes, since the shell's are single quotes."""
    return json.dumps(text, ensure_ascii=False)


def _interpreter() -> str:
    """The path of this Python, relative where that is shorter."""
    executable = Path(sys.executable)
    here = Path.cwd()
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else str(executable)
