"""Slices of time as views in DuckDB, all with the same columns."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from fleetstream.targets.columns import quoted
from fleetstream.verify.expectation import PARTIAL

THERE = "__there"
"""A column that is true in every row, and null where a join has found none."""


def view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    source: str | pa.Table | None,
) -> None:
    """Create a temporary view with ``columns``, by SQL type, and :data:`THERE`.

    ``source`` is a query, a table that may lack columns, or None for no rows.
    """
    if isinstance(source, str):
        origin, present = f"({source})", list(columns)
    else:
        rows = pa.table({THERE: pa.array([], pa.bool_())}) if source is None else source
        connection.register(f"{name}_rows", rows)
        origin, present = f"{name}_rows", rows.column_names
    listed = ", ".join(
        quoted(column) if column in present else f"NULL::{kind} AS {quoted(column)}"
        for column, kind in columns.items()
    )
    _create(connection, name, f"SELECT {listed} FROM {origin}")


def expected_view(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, str],
    expected: pa.Table | None,
    *,
    overlap: bool,
) -> None:
    """Create the view ``expected``, which has the column :data:`PARTIAL` too.

    With ``overlap``, a record that several runs have written is there once, and is not partial if
    it is settled in one of them.
    """
    name = "repeated" if overlap else "expected"
    view(connection, name, {**columns, PARTIAL: "BOOLEAN"}, expected)
    if overlap:
        key = ", ".join(map(quoted, columns))
        _create(
            connection,
            "expected",
            f"SELECT {key}, bool_and({PARTIAL}) AS {PARTIAL} FROM {name} GROUP BY {key}",
        )


def _create(connection: duckdb.DuckDBPyConnection, name: str, selected: str) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *, true AS {THERE} FROM ({selected})"
    )
