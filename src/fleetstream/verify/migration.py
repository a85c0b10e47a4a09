"""Comparison of two targets that hold the same runs: whether a migration lost or changed a value.

Each slice of time is read from both targets and generated again. So a record that is missing in
both is found as well, and of two different values it is known which one the run has written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from fleetstream.generate.schema import TIME
from fleetstream.run.control import Control
from fleetstream.run.interruptible import interruptible
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, quoted
from fleetstream.targets.reader import Reader
from fleetstream.targets.registry import TargetOptions, open_reader
from fleetstream.verify.comparison import Comparison
from fleetstream.verify.expectation import PARTIAL, Expectation, Slice
from fleetstream.verify.findings import EXAMPLES, Fault
from fleetstream.verify.held import held_records
from fleetstream.verify.migration_findings import (
    EXPECTED,
    PLACES,
    Discrepancy,
    MigrationFindings,
    Side,
)
from fleetstream.verify.views import THERE, expected_view, view

_TIMES = "__times"
"""The column of how often a record is there."""

_VALUES = "__values"
"""The column of how many values it has."""

_WRITTEN, _DUE, _ABSENT = "__written", "__due", "__absent"
"""Columns that say whether a run has written a record, whether both sides must have it, and whether
neither has it, which is right since its sweep was interrupted."""


@contextmanager
def opened_targets(
    expectation: Expectation,
    source: TargetOptions,
    destination: TargetOptions,
    layout: str | None = None,
) -> Iterator[tuple[Reader, Reader]]:
    """Open readers of two targets, and close them at the end.

    ``layout`` is that of the destination, None for the one that fleetstream writes. Raises
    ValueError where a target is not understood or both are the same, TargetUnusable where one
    cannot be read.
    """
    if layout is None and (source.url, source.given) == (destination.url, destination.given):
        raise ValueError(f"{source.url!r} would be compared with itself; name another destination.")
    model, schemas = expectation.record_model, expectation.columns.schemas
    readers = (
        interruptible(lambda: open_reader(source, model, schemas)),
        interruptible(lambda: open_reader(destination, model, schemas, layout)),
    )
    with ExitStack() as opened:
        for reader in readers:
            interruptible(reader.open)
            opened.callback(reader.close)
        yield readers


def compare_targets(
    expectation: Expectation,
    source: Reader,
    destination: Reader,
    control: Control,
    advance: Callable[[int], None] = lambda _values: None,
) -> MigrationFindings:
    """Compare what two open readers read with each other and with what is expected.

    ``advance`` is called with the number of values compared since the last call. Ends early when
    the control is asked to stop. Raises TargetUnusable where a target cannot be read.
    """
    readers = {Side.SOURCE: source, Side.DESTINATION: destination}
    alone = {
        side: Comparison(reader.connection, expectation.columns) for side, reader in readers.items()
    }
    with closing(duckdb.connect()) as connection:
        together = _SideBySide(connection, expectation.columns)
        findings = together.findings
        findings.names = {side: reader.name for side, reader in readers.items()}
        for part in expectation.slices(_Both(source, destination)):
            if control.gently.is_set():
                return findings
            expected = expectation.table(part)
            held = {
                side: held_records(reader, part, expectation.columns)
                for side, reader in readers.items()
            }
            if all(
                _is_certain(part) and alone[side].compare(expected, held[side], overlap=False)
                for side in Side
            ):
                _count_clean(findings, expected, expectation.columns)
            else:
                tables = {side: _table(readers[side], held[side]) for side in Side}
                together.compare(expected, tables, overlap=part.overlap)
            advance(expectation.values(part))
    findings.finished = True
    return findings


def _is_certain(part: Slice) -> bool:
    """Whether each record of a slice must be there once: then either side can be compared alone.

    That takes a third of the time.
    """
    return not part.overlap and not any(sweep.partial for sweep in part.sweeps)


def _count_clean(
    findings: MigrationFindings, expected: pa.Table | None, columns: TableColumns
) -> None:
    """Add a slice of which both sides have exactly what is expected."""
    if expected is None:
        return
    present = [expected[name] for name in columns.values if name in expected.column_names]
    values = sum(len(expected) - column.null_count for column in present)
    findings.expected += len(expected)
    for side in Side:
        findings.records[side] += len(expected)
        findings.values[side] += values


class _Both:
    """Two readers, as far as slices of time depend on them."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers
        self.slice_values = min(reader.slice_values for reader in readers)

    def times_after(self, timestamp: int) -> Sequence[int]:
        return sorted({each for reader in self._readers for each in reader.times_after(timestamp)})


def _table(reader: Reader, held: str | pa.Table) -> pa.Table:
    if isinstance(held, str):
        return reader.connection.sql(held).to_arrow_table()
    return held


class _SideBySide:
    """Compares slices of both targets, in one full join of three tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: TableColumns) -> None:
        self.findings = MigrationFindings()
        self._connection = connection
        self._columns = columns.all
        self._key = list(columns.key)
        self._values = list(columns.values)
        self._wrong = {
            (side, fault): wrong for side in Side for fault, wrong in self._faults(side).items()
        }

    def compare(
        self, expected: pa.Table | None, held: Mapping[Side, pa.Table], *, overlap: bool
    ) -> None:
        """Compare a slice, and add to the findings."""
        expected_view(self._connection, self._columns, expected, overlap=overlap)
        for side, table in held.items():
            view(self._connection, f"{side}_held", self._columns, table)
            self._aggregate(side)
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW joined AS {self._join()}")
        totals = {f"{side}.records": f"sum({side}{_TIMES})" for side in Side}
        totals |= {f"{side}.values": f"sum({side}{_VALUES})" for side in Side}
        totals |= {each: f"count(*) FILTER ({each})" for each in (_DUE, _ABSENT)}
        for (side, fault), wrong in self._wrong.items():
            what = f"sum({side}{_TIMES} - 1)" if fault is Fault.DUPLICATE else "count(*)"
            totals[f"{side}.{fault}"] = f"{what} FILTER ({wrong})"
        listed = ", ".join(f"{what} AS {quoted(name)}" for name, what in totals.items())
        (found,) = self._rows(f"SELECT {listed} FROM joined")
        self._count({name: int(number or 0) for name, number in found.items()})

    def _count(self, found: Mapping[str, int]) -> None:
        findings = self.findings
        findings.expected += found[_DUE]
        findings.absent += found[_ABSENT]
        for side in Side:
            findings.records[side] += found[f"{side}.records"]
            findings.values[side] += found[f"{side}.values"]
        for side, fault in self._wrong:
            count = found[f"{side}.{fault}"]
            if count:
                findings.faults[side, fault] += count
                findings.series[side, fault] |= self._series(side, fault)
                examples = findings.examples[side, fault]
                examples += self._examples(side, fault, EXAMPLES - len(examples))

    def _aggregate(self, side: Side) -> None:
        """A view with one row per record of a side, and how often it is there."""
        key = ", ".join(map(quoted, self._key))
        values = ", ".join(f"first({name}) AS {name}" for name in map(quoted, self._values))
        counted = " + ".join(f"count({name})" for name in map(quoted, self._values))
        self._connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {side} AS SELECT {key}, {values}, count(*) AS {_TIMES}, "
            f"{counted} AS {_VALUES}, true AS {THERE} FROM {side}_held GROUP BY {key}"
        )

    def _join(self) -> str:
        """A query that has each record once, with what is expected and what the sides hold."""
        names = [quoted(name) for name in self._key]
        first, second = Side
        selected = [f"coalesce({EXPECTED}.{n}, {first}.{n}, {second}.{n}) AS {n}" for n in names]
        for place in PLACES:
            selected += [
                f"{place}.{quoted(name)} AS {quoted(f'{place} {name}')}" for name in self._values
            ]
        for side in Side:
            selected.append(f"{side}.{_TIMES} AS {side}{_TIMES}")
            selected.append(f"{side}.{_VALUES} AS {side}{_VALUES}")
        anywhere = f"({first}.{THERE} IS NOT NULL OR {second}.{THERE} IS NOT NULL)"
        selected += [
            f"{EXPECTED}.{THERE} AS {_WRITTEN}",
            f"{EXPECTED}.{THERE} AND (NOT {EXPECTED}.{PARTIAL} OR {anywhere}) AS {_DUE}",
            f"{EXPECTED}.{PARTIAL} AND NOT {anywhere} AS {_ABSENT}",
        ]
        one = [f"{EXPECTED}.{n} IS NOT DISTINCT FROM {first}.{n}" for n in names]
        other = [
            f"coalesce({EXPECTED}.{n}, {first}.{n}) IS NOT DISTINCT FROM {second}.{n}"
            for n in names
        ]
        return (
            f"SELECT {', '.join(selected)} FROM {EXPECTED} FULL JOIN {first} "
            f"ON {' AND '.join(one)} FULL JOIN {second} ON {' AND '.join(other)}"
        )

    def _faults(self, side: Side) -> dict[Fault, str]:
        """Conditions on the columns of :meth:`_join`."""
        differs = " OR ".join(
            f"{quoted(f'{side} {name}')} IS DISTINCT FROM {quoted(f'expected {name}')}"
            for name in self._values
        )
        return {
            Fault.MISSING: f"{_DUE} AND {side}{_TIMES} IS NULL",
            Fault.EXTRA: f"{_WRITTEN} IS NULL AND {side}{_TIMES} IS NOT NULL",
            Fault.DIFFERENT: f"{_WRITTEN} AND {side}{_TIMES} IS NOT NULL AND ({differs})",
            Fault.DUPLICATE: f"{side}{_TIMES} > 1",
        }

    def _series(self, side: Side, fault: Fault) -> set[int]:
        """Hashes of the series, of dimensions and measure name, that have a fault."""
        names = ", ".join(quoted(name) for name in self._key if name != TIME)
        rows = self._rows(
            f"SELECT DISTINCT hash({names}) AS series FROM joined WHERE {self._wrong[side, fault]}"
        )
        return {row["series"] for row in rows}

    def _examples(self, side: Side, fault: Fault, limit: int) -> list[Discrepancy]:
        """The first records with a fault, by time and series."""
        if not limit:
            return []
        order = ", ".join(map(quoted, (TIME, *self._key)))
        rows = self._rows(
            f"SELECT * FROM joined WHERE {self._wrong[side, fault]} ORDER BY {order} LIMIT {limit}"
        )
        return [self._discrepancy(side, fault, row) for row in rows]

    def _discrepancy(self, side: Side, fault: Fault, row: dict[str, Any]) -> Discrepancy:
        there = {str(each): row[f"{each}{_TIMES}"] is not None for each in Side}
        there[EXPECTED] = row[_WRITTEN] is not None
        names = [name for name in self._values if _shown(fault, row, name)]
        time = row[TIME]
        dimensions = [name for name in self._key if name not in (TIME, MEASURE_NAME)]
        return Discrepancy(
            side=side,
            fault=fault,
            time=time.isoformat(sep=" ") if isinstance(time, datetime) else "",
            series={name: row[name] for name in dimensions if row[name] is not None},
            measure_name=row[MEASURE_NAME] or "",
            values={
                place: {name: row[f"{place} {name}"] for name in names} if there[place] else None
                for place in PLACES
            },
            times=row[f"{side}{_TIMES}"] or 0,
        )

    def _rows(self, query: str) -> list[dict[str, Any]]:
        # Fetched in full, since an unfinished result would block the next query.
        result = self._connection.execute(query)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _shown(fault: Fault, row: Mapping[str, Any], name: str) -> bool:
    """Whether a column of values says something about a record."""
    values = [row[f"{place} {name}"] for place in PLACES]
    if fault is Fault.DIFFERENT:
        return len(set(map(repr, values))) > 1
    return any(value is not None for value in values)
