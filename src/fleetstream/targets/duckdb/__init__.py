"""DuckDB, the embedded database: one table with the columns that Amazon Timestream would show.

Under the single-measure model these are the dimensions, ``measure_name``, ``time`` and one
``measure_value::TYPE`` column a type; under the multi-measure model one column a measure instead.
So a query with quoted column names gives the same answer here and there. As in Timestream, a table
grows the columns that it lacks.

Rows are written many at a time, since DuckDB takes a large insert several times faster than small
ones.
"""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from fleetstream.generate.records import RecordModel, Records
from fleetstream.targets.sink import Delivery, Part, Request, TargetLost, TargetUnusable
from fleetstream.targets.duckdb.once import WrittenOnce
from fleetstream.targets.layout import COLUMNS, in_columns

FULL = 1_000_000
"""Values in an insert, about: more would gain no speed."""

SETTINGS: dict[str, str | bool | int | float | list[str]] = {"preserve_insertion_order": False}
"""Without an order to keep, DuckDB inserts on all cores."""

DEFAULT_SCHEMA = "main"
DEFAULT_TABLE = "telemetry"

__all__ = ["DEFAULT_SCHEMA", "DEFAULT_TABLE", "DuckDBSink"]


class DuckDBSink:
    """Writes to a table of a DuckDB file, made if it is not there.

    ``path`` is the file, ``table`` the quoted name of the table.
    """

    concurrency = 1
    exclusive = True
    window = None

    def __init__(
        self,
        path: Path,
        model: RecordModel,
        schema: str = DEFAULT_SCHEMA,
        table: str = DEFAULT_TABLE,
    ) -> None:
        self.path = path
        self._model = model
        self.table = f"{_quoted(schema)}.{_quoted(table)}"
        self._schema = schema
        self._name = table
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._waiting: list[Part] = []
        self._waiting_values = 0

    @property
    def name(self) -> str:
        """The file and the table."""
        return f"DuckDB, {self._schema}.{self._name} in {self.path}"

    def open(self) -> None:
        """Open the file and make or extend the table.

        Raises :class:`ValueError` where the path can't be a DuckDB file, and
        :class:`~fleetstream.targets.TargetUnusable` where the file or the table can't be used.
        """
        if not self.path.parent.is_dir():
            raise ValueError(
                f"There is no folder {str(self.path.parent)!r} to write {self.path.name!r} in; "
                "make it first, or name another path."
            )
        if self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a folder, but must be a DuckDB file.")
        try:
            self._connection = duckdb.connect(self.path, config=SETTINGS)
        except duckdb.IOException as error:
            raise _explain(self.path, error) from error
        except duckdb.Error as error:
            raise ValueError(
                f"{str(self.path)!r} can't be opened as a DuckDB file: {_first_line(error)}"
            ) from error
        try:
            self._make_schema(self._connection)
            self._make_table(self._connection)
        except duckdb.Error as error:
            raise TargetUnusable(
                f"The table {self.table} in {self.path} can't be written to: {_first_line(error)}"
            ) from error
        self._once = WrittenOnce(self._connection, self.table)

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Everything that waits, as soon as it is enough for an insert."""
        records = Records(batch, self._model)
        part = Part(records, 0, len(records))
        self._waiting.append(part)
        self._waiting_values += part.values
        if self._waiting_values >= FULL:
            yield from self.flush()

    def pause(self) -> Iterable[Request]:
        """Everything that waits."""
        return self.flush()

    def flush(self) -> Iterable[Request]:
        """Everything that waits."""
        parts, self._waiting, self._waiting_values = tuple(self._waiting), [], 0
        return [Request(parts, None)] if parts else []

    def send(self, request: Request) -> Delivery:
        """Insert the records of a request in one transaction."""
        rows = in_columns(request.parts, self._model)
        try:
            return Delivery(self._once.insert(rows, [part.records for part in request.parts]))
        except duckdb.Error as error:
            self._leave_log()
            raise TargetLost(
                f"{self.path} takes no more rows: {_first_line(error)} What it holds is intact."
            ) from error

    def close(self) -> None:
        """Close the file; it can be read from other processes then."""
        if self._connection is not None:
            self._connection.close()

    def query_hint(self) -> str | None:
        """A query with this Python."""
        average = '"measure_value::double"' if self._model is RecordModel.SINGLE else "cpu_user"
        query = (
            f"SELECT measure_name, count(*) AS records, round(avg({average}), 2) AS mean "
            f"FROM {self.table} GROUP BY ALL ORDER BY ALL"
        )
        code = (
            f"import duckdb; duckdb.connect({_literal(str(self.path))}, read_only=True)"
            f".sql({_literal(query)}).show(max_rows=50)"
        )
        return f"{shlex.quote(_interpreter())} -c {shlex.quote(code)}"

    def _leave_log(self) -> None:
        """Have closing leave the write-ahead log, which the next one to open the file takes in.

        Writing it into the file while the disk is full can crash DuckDB, and this process with it.
        """
        assert self._connection is not None
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")

    def _make_schema(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the schema if need be, and see to it that the table's name is unambiguous."""
        found = connection.execute("SELECT current_database()").fetchone()
        catalog = str(found[0]) if found else ""
        schema = f"{_quoted(catalog)}.{_quoted(self._schema)}"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if catalog.lower() == self._schema.lower():
            # A catalog is named after its file, and DuckDB wants to be told which of the two.
            self.table = f"{schema}.{_quoted(self._name)}"

    def _make_table(self, connection: duckdb.DuckDBPyConnection) -> None:
        columns = COLUMNS[self._model]
        listed = ", ".join(f"{_quoted(name)} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TABLE IF NOT EXISTS {self.table} ({listed})")
        present = {
            row[0]: row[1] for row in connection.execute(f"DESCRIBE {self.table}").fetchall()
        }
        for name, kind in columns.items():
            if name not in present:
                connection.execute(f"ALTER TABLE {self.table} ADD COLUMN {_quoted(name)} {kind}")
            elif present[name] != kind:
                raise TargetUnusable(
                    f"The table {self.table} in {self.path} has a column {name!r} of type "
                    f"{present[name]}, where {kind} is needed; name another table with "
                    "--table-name."
                )


def _explain(path: Path, error: duckdb.IOException) -> Exception:
    """What an I/O error at opening means."""
    text = str(error)
    if "lock" in text:
        return TargetUnusable(
            f"{str(path)!r} is open in another process; close it there, or name another file."
        )
    if "not a valid DuckDB" in text:
        return ValueError(
            f"{str(path)!r} is not a DuckDB file; name another path, since it would be lost."
        )
    return ValueError(f"{str(path)!r} can't be written: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """A text as Python writes it, in double quotes, since the shell's are single ones."""
    return json.dumps(text, ensure_ascii=False)


def _interpreter() -> str:
    """This Python, by a path that is as short as may be."""
    executable = Path(sys.executable)
    here = Path.cwd()
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else str(executable)
