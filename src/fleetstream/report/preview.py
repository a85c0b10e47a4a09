"""The preview of a dry run: what would be written."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from fleetstream.fleet import DIMENSIONS, Kind, SeriesTable
from fleetstream.measures import measures_of
from fleetstream.generate.records import RecordModel
from fleetstream.workload import Workload

MAX_RECORDS = 100
"""Records in a request to Amazon Timestream, at most."""

EXCERPT = 5
"""Dimension sets shown of each kind on a terminal."""


def preview(workload: Workload, model: RecordModel) -> dict[str, Any]:
    """Counts and all dimension sets, ready for JSON."""
    tables = workload.fleet.tables
    return {
        "hosts": len(tables[Kind.METRICS]),
        "processes": len(tables[Kind.EVENTS]),
        "series": workload.series,
        "values_per_sweep": workload.values_per_sweep,
        "records_per_sweep": sum(_records(table, model) for table in tables.values()),
        "requests_per_sweep": sum(
            -(-_records(table, model) // MAX_RECORDS) for table in tables.values()
        ),
        "record_model": str(model),
        "seed": workload.seed,
        **{
            str(kind): {
                "dimensions": list(DIMENSIONS[kind]),
                "series": [list(row) for row in _rows(table, len(table))],
            }
            for kind, table in tables.items()
        },
    }


def preview_json(workload: Workload, model: RecordModel) -> str:
    """The preview as one JSON document."""
    return json.dumps(preview(workload, model))


def show_preview(workload: Workload, model: RecordModel) -> None:
    """Print the preview: an excerpt of the dimension sets on a terminal, else all of them."""
    console = Console(highlight=False)
    counts = Table.grid(padding=(0, 2))
    for name, value in preview_counts(workload, model):
        counts.add_row(name, value)
    console.print(counts)
    for kind, table in workload.fleet.tables.items():
        shown = min(len(table), EXCERPT) if console.is_terminal else len(table)
        console.print(f"\n[bold]Dimensions of {kind}[/bold]: {', '.join(DIMENSIONS[kind])}")
        for row in _rows(table, shown):
            print(json.dumps(row))
        if shown < len(table):
            console.print(
                f"… and {len(table) - shown:,} more; `--dry-run --format json` lists all."
            )


def preview_counts(workload: Workload, model: RecordModel) -> Iterator[tuple[str, str]]:
    """The counts, named for people."""
    tables = workload.fleet.tables
    records = [_records(table, model) for table in tables.values()]
    yield "Hosts", f"{len(tables[Kind.METRICS]):,}"
    yield "Processes", f"{len(tables[Kind.EVENTS]):,}"
    yield "Series", f"{workload.series:,}"
    yield "Values a sweep", f"{workload.values_per_sweep:,}"
    yield "Records a sweep", f"{sum(records):,} ({model}-measure)"
    yield "Requests a sweep", f"{sum(-(-count // MAX_RECORDS) for count in records):,}"
    yield "Seed", str(workload.seed)


def _records(table: SeriesTable, model: RecordModel) -> int:
    """Records that a table's series make in a sweep when no value is missing."""
    return len(table) * (len(measures_of(table.kind)) if model is RecordModel.SINGLE else 1)


def _rows(table: SeriesTable, count: int) -> Iterator[tuple[str, ...]]:
    """The first ``count`` dimension sets."""
    columns = [column.to_pylist() for column in table.dimensions.slice(0, count).columns]
    return zip(*columns, strict=True)
