"""Comparison of expected and held records, in DuckDB.

One full join on the columns that identify a record counts everything; the records themselves are
queried only where something is wrong.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from fleetstream.generate.schema import TIME
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, quoted
from fleetstream.verify.expectation import PARTIAL
from fleetstream.verify.findings import EXAMPLES, Fault, Findings, WrongRecord
from fleetstream.verify.views import THERE, expected_view, view

_BOTH = f"expected.{THERE} AND held.{THERE}"


class Comparison:
    """Compares tables with the columns of the DuckDB target, on one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: TableColumns) -> None:
        self.findings = Findings()
        self._connection = connection
        self._columns = columns.all
        self._key = list(columns.key)
        self._values = list(columns.values)
        on = " AND ".join(
            f"expected.{quoted(name)} IS NOT DISTINCT FROM held.{quoted(name)}"
            for name in self._key
        )
        self._joined = f"expected FULL JOIN held ON {on}"
        self._differs = " OR ".join(
            f"expected.{name} IS DISTINCT FROM held.{name}" for name in map(quoted, self._values)
        )
        self._wrong = {
            Fault.MISSING: f"held.{THERE} IS NULL AND NOT expected.{PARTIAL}",
            Fault.EXTRA: f"expected.{THERE} IS NULL",
            Fault.DIFFERENT: f"{_BOTH} AND ({self._differs})",
        }

    def compare(self, expected: pa.Table | None, held: str | pa.Table, *, overlap: bool) -> bool:
        """Compare a slice, and add to the findings; returns whether nothing is wrong in it.

        ``expected`` is a table from :meth:`~fleetstream.verify.expectation.Expectation.table`;
        ``held`` is a query or a table. ``overlap`` says that a record may be expected twice.
        """
        expected_view(self._connection, self._columns, expected, overlap=overlap)
        view(self._connection, "held", self._columns, held)
        absent = f"held.{THERE} IS NULL AND expected.{PARTIAL}"
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
        self._count(faults, records, partial, absences, pairs + faults[Fault.EXTRA])
        return not any(faults.values())

    def _count(
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
                room = EXAMPLES - len(findings.examples[fault])
                findings.examples[fault] += self._examples(fault, room) if room else []

    def _examples(self, fault: Fault, limit: int) -> list[WrongRecord]:
        """The first records with a fault, by time and series."""
        if fault is Fault.DUPLICATE:
            key = ", ".join(map(quoted, self._key))
            same = " AND ".join(
                f"held.{quoted(name)} IS NOT DISTINCT FROM expected.{quoted(name)}"
                for name in self._key
            )
            rows = self._rows(
                f"SELECT {key}, count(*) AS times FROM held SEMI JOIN expected ON {same} "
                f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {TIME}, {key} LIMIT {limit}"
            )
            return [self._wrong_record(row, f"there {row['times']} times") for row in rows]
        key = ", ".join(
            f"coalesce(held.{quoted(name)}, expected.{quoted(name)}) AS {quoted(name)}"
            for name in self._key
        )
        values = ", ".join(
            f"{side}.{quoted(name)} AS {quoted(f'{side} {name}')}"
            for name in self._values
            for side in ("held", "expected")
        )
        order = ", ".join(map(quoted, (TIME, *self._key)))
        rows = self._rows(
            f"SELECT {key}, {values} FROM {self._joined} WHERE {self._wrong[fault]} "
            f"ORDER BY {order} LIMIT {limit}"
        )
        detail = self._details[fault]
        return [self._wrong_record(row, detail(row)) for row in rows]

    @property
    def _details(self) -> dict[Fault, Callable[[dict[str, Any]], str]]:
        return {
            Fault.MISSING: lambda row: f"must be {self._shown(row, 'expected')}",
            Fault.EXTRA: lambda row: f"is {self._shown(row, 'held')}",
            Fault.DIFFERENT: self._difference,
        }

    def _shown(self, row: dict[str, Any], side: str) -> str:
        """The value of a record, or how many values it has."""
        values = {
            name: row[f"{side} {name}"]
            for name in self._values
            if row[f"{side} {name}"] is not None
        }
        if len(values) == 1:
            return repr(next(iter(values.values())))
        return f"a record of {len(values)} values"

    def _difference(self, row: dict[str, Any]) -> str:
        parts = []
        for name in self._values:
            held, expected = row[f"held {name}"], row[f"expected {name}"]
            if held != expected:
                label = "" if name.startswith("measure_value::") else f"{name} "
                parts.append(f"{label}is {held!r}, must be {expected!r}")
        return "; ".join(parts)

    def _row(self, query: str) -> Sequence[int]:
        # Fetched in full, since an unfinished result would block the next query.
        (row,) = self._connection.execute(query).fetchall()
        return tuple(row)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        result = self._connection.execute(query)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _wrong_record(self, row: dict[str, Any], detail: str) -> WrongRecord:
        time = row[TIME]
        names = [name for name in self._key if name not in (TIME, MEASURE_NAME)]
        return WrongRecord(
            time.isoformat(sep=" ") if isinstance(time, datetime) else "no time",
            "/".join(row[name] for name in names if row[name] is not None),
            row[MEASURE_NAME] or "no measure name",
            detail,
        )
