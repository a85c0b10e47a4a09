"""Comparison: expected and held records side by side, in DuckDB.

One full join on the columns that tell records from one another counts everything; only where
something is wrong are the records themselves asked for.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from fleetstream.fleet import DIMENSIONS
from fleetstream.generate.records import TIME, RecordModel
from fleetstream.targets.layout import COLUMNS, KEY_COLUMNS, MEASURE_NAME
from fleetstream.verify.expectation import PARTIAL
from fleetstream.verify.findings import SHOWN, Example, Fault, Findings

_THERE = "__there"
"""A column that is true in every row, and null where a join has found none."""

_BOTH = f"expected.{_THERE} AND held.{_THERE}"

_PLACES = {name: None for names in DIMENSIONS.values() for name in names}
"""All dimensions, each once."""


class Comparison:
    """Compares tables in the layout of the DuckDB sink, over one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: RecordModel) -> None:
        self.findings = Findings()
        self._connection = connection
        self._columns = COLUMNS[model]
        self._values = [name for name in self._columns if name not in KEY_COLUMNS]
        on = " AND ".join(
            f'expected."{name}" IS NOT DISTINCT FROM held."{name}"' for name in KEY_COLUMNS
        )
        self._joined = f"expected FULL JOIN held ON {on}"
        self._differs = " OR ".join(
            f'expected."{name}" IS DISTINCT FROM held."{name}"' for name in self._values
        )
        self._wrong = {
            Fault.MISSING: f"held.{_THERE} IS NULL AND NOT expected.{PARTIAL}",
            Fault.EXTRA: f"expected.{_THERE} IS NULL",
            Fault.DIFFERENT: f"{_BOTH} AND ({self._differs})",
        }

    def compare(self, expected: pa.Table | None, held: str | pa.Table, *, overlap: bool) -> None:
        """Compare a slice, and add to the findings.

        ``expected`` is as :meth:`~fleetstream.verify.expectation.Expectation.table` gives it;
        ``held`` is a query or a table. ``overlap`` says that a record may be expected twice.
        """
        self._view("expected", expected, distinct=overlap)
        self._view("held", held)
        absent = f"held.{_THERE} IS NULL AND expected.{PARTIAL}"
        counts = self._row(
            "SELECT "
            + ", ".join(f"count(*) FILTER ({wrong})" for wrong in self._wrong.values())
            + f", count(*) FILTER ({absent}), count(*) FILTER ({_BOTH}) FROM {self._joined}"
        )
        *wrong, absences, pairs = counts
        records, partial = self._row(f"SELECT count(*), count(*) FILTER ({PARTIAL}) FROM expected")
        faults = dict(zip(self._wrong, wrong, strict=True))
        # Every pair that a record makes beyond its first is a duplicate.
        faults[Fault.DUPLICATE] = pairs - (records - faults[Fault.MISSING] - absences)
        self._note(faults, records, partial, absences, pairs + faults[Fault.EXTRA])

    def _note(
        self, faults: dict[Fault, int], records: int, partial: int, absent: int, held: int
    ) -> None:
        findings = self.findings
        findings.expected += records - partial
        findings.partial += partial
        findings.absent += absent
        findings.held += held
        for fault, count in faults.items():
            if count:
                findings.faults[fault] += count
                room = SHOWN - len(findings.examples[fault])
                findings.examples[fault] += self._examples(fault, room) if room else []

    def _examples(self, fault: Fault, limit: int) -> list[Example]:
        """The first records with a fault, by time and series."""
        if fault is Fault.DUPLICATE:
            key = ", ".join(f'"{name}"' for name in KEY_COLUMNS)
            same = " AND ".join(
                f'held."{name}" IS NOT DISTINCT FROM expected."{name}"' for name in KEY_COLUMNS
            )
            rows = self._rows(
                f"SELECT {key}, count(*) AS times FROM held SEMI JOIN expected ON {same} "
                f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {TIME}, {key} LIMIT {limit}"
            )
            return [_example(row, f"there {row['times']} times") for row in rows]
        key = ", ".join(
            f'coalesce(held."{name}", expected."{name}") AS "{name}"' for name in KEY_COLUMNS
        )
        values = ", ".join(
            f'held."{name}" AS "held {name}", expected."{name}" AS "expected {name}"'
            for name in self._values
        )
        order = ", ".join(f'"{name}"' for name in (TIME, *KEY_COLUMNS))
        rows = self._rows(
            f"SELECT {key}, {values} FROM {self._joined} WHERE {self._wrong[fault]} "
            f"ORDER BY {order} LIMIT {limit}"
        )
        detail = self._details[fault]
        return [_example(row, detail(row)) for row in rows]

    @property
    def _details(self) -> dict[Fault, Callable[[dict[str, Any]], str]]:
        return {
            Fault.MISSING: lambda row: f"must be {self._shown(row, 'expected')}",
            Fault.EXTRA: lambda row: f"is {self._shown(row, 'held')}",
            Fault.DIFFERENT: self._difference,
        }

    def _shown(self, row: dict[str, Any], side: str) -> str:
        """The values of a record: the value alone where it has one."""
        values = {
            name: row[f"{side} {name}"]
            for name in self._values
            if row[f"{side} {name}"] is not None
        }
        if len(values) == 1:
            return repr(next(iter(values.values())))
        return f"a record of {len(values)} values"

    def _difference(self, row: dict[str, Any]) -> str:
        """Which values differ, and how."""
        parts = []
        for name in self._values:
            held, expected = row[f"held {name}"], row[f"expected {name}"]
            if held != expected:
                label = "" if name.startswith("measure_value::") else f"{name} "
                parts.append(f"{label}is {held!r}, must be {expected!r}")
        return "; ".join(parts)

    def _view(self, name: str, source: str | pa.Table | None, *, distinct: bool = False) -> None:
        """Make a temporary view of a slice that has all columns.

        With ``distinct``, a record that several runs have written is there once; where one of them
        is settled, so is the record.
        """
        columns = self._columns | ({PARTIAL: "BOOLEAN"} if name == "expected" else {})
        if isinstance(source, str):
            origin, present = f"({source})", list(columns)
        else:
            rows = pa.table({_THERE: pa.array([], pa.bool_())}) if source is None else source
            self._connection.register(f"{name}_rows", rows)
            origin, present = f"{name}_rows", rows.column_names
        listed = ", ".join(
            f'"{column}"' if column in present else f'NULL::{kind} AS "{column}"'
            for column, kind in columns.items()
        )
        selected = f"SELECT {listed} FROM {origin}"
        if distinct:
            key = ", ".join(f'"{column}"' for column in self._columns)
            selected = (
                f"SELECT {key}, bool_and({PARTIAL}) AS {PARTIAL} FROM ({selected}) GROUP BY {key}"
            )
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT *, true AS {_THERE} FROM ({selected})"
        )

    def _row(self, query: str) -> Sequence[int]:
        # Fetched in full, since an unfinished result would hold up the next query.
        (row,) = self._connection.execute(query).fetchall()
        return tuple(row)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        result = self._connection.execute(query)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _example(row: dict[str, Any], detail: str) -> Example:
    time = row[TIME]
    dimensions = [row[name] for name in _PLACES if row[name] is not None]
    return Example(
        time.isoformat(sep=" ") if isinstance(time, datetime) else "no time",
        "/".join(dimensions),
        row[MEASURE_NAME] or "no measure name",
        detail,
    )
