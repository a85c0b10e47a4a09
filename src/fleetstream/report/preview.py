"""The preview of a run, shown by its dry run."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import now
from fleetstream.report.facts import connectivity_by_level, series_by_noun
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.timestream.packing import MAX_RECORDS

LISTED_SERIES = 5
"""Series listed per kind on a terminal."""


def preview(
    generator: Generator, record_model: RecordModel, target: TargetOptions
) -> dict[str, Any]:
    """Counts, and the dimensions of every series, ready for JSON.

    The number of series per kind is under the noun of the kind; under its key are its dimensions,
    and noun and number again, since the key of another kind may be the same word as a noun.
    ``connectivity`` says by level how series lose their connection, where they do, and
    ``requests_per_sweep`` counts those to Amazon Timestream, where that is the target.
    """
    connectivity = connectivity_by_level(generator)
    records = _records_per_sweep(generator, record_model)
    return {
        **series_by_noun(generator),
        "series": generator.series,
        "values_per_sweep": generator.values_per_sweep,
        "records_per_sweep": sum(records),
        **({"requests_per_sweep": _requests(records)} if _is_timestream(target) else {}),
        "target": target.url,
        "record_model": str(record_model),
        "seed": generator.seed,
        **({"connectivity": connectivity} if connectivity else {}),
        **{
            key: {
                "noun": generator.model.kinds[key].noun,
                "count": len(generator.tables[key]),
                "dimensions": list(series.schema.names),
                "series": [list(row) for row in _rows(series, series.num_rows)],
            }
            for key, series in _series(generator)
        },
    }


def preview_json(generator: Generator, record_model: RecordModel, target: TargetOptions) -> str:
    """The preview as one JSON document."""
    return json.dumps(preview(generator, record_model, target))


def show_preview(generator: Generator, record_model: RecordModel, target: TargetOptions) -> None:
    """Print the preview; on a terminal only the first series of each kind."""
    from rich.table import Table

    from fleetstream.report.console import OutputConsole

    console = OutputConsole()
    table = Table.grid(padding=(0, 2))
    table.add_row("Target", target.url)
    for name, value in _counts(generator, record_model, target):
        table.add_row(name, value)
    console.print(table)
    for key, series in _series(generator):
        count = series.num_rows
        shown = min(count, LISTED_SERIES) if console.is_terminal else count
        names = ", ".join(series.schema.names)
        console.print(f"\n[bold]Dimensions of {key}[/bold]: {names}")
        for row in _rows(series, shown):
            print(json.dumps(row))
        if shown < count:
            console.print(f"… and {count - shown:,} more; `--dry-run --format json` lists all.")


def _counts(
    generator: Generator, record_model: RecordModel, target: TargetOptions
) -> Iterator[tuple[str, str]]:
    """The counts with their names, as text."""
    records = _records_per_sweep(generator, record_model)
    for noun, count in series_by_noun(generator).items():
        yield noun.capitalize(), f"{count:,}"
    yield "Series", f"{generator.series:,}"
    yield "Values per sweep", f"{generator.values_per_sweep:,}"
    yield "Records per sweep", f"{sum(records):,} ({record_model}-measure)"
    if _is_timestream(target):
        yield "Requests per sweep", f"{_requests(records):,}"
    yield "Seed", str(generator.seed)
    for level, how in connectivity_by_level(generator).items():
        yield "Connection", f"each {level}'s is {how}; what is measured meanwhile arrives later"


def _records_per_sweep(generator: Generator, record_model: RecordModel) -> list[int]:
    """Records per kind and sweep when no value is missing."""
    single, kinds = record_model is RecordModel.SINGLE, generator.model.kinds
    return [
        len(table) * (len(kinds[key].measures) if single else 1)
        for key, table in generator.tables.items()
    ]


def _is_timestream(target: TargetOptions) -> bool:
    """Whether records are sent in requests of a known size."""
    return target.scheme == "timestream"


def _requests(records: list[int]) -> int:
    return sum(-(-count // MAX_RECORDS) for count in records)


def _series(generator: Generator) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The dimensions of the series of each kind that are alive now."""
    for key in generator.tables:
        yield key, generator.dimensions(key, now())


def _rows(series: pa.RecordBatch, count: int) -> Iterator[tuple[str, ...]]:
    """The dimensions of the first ``count`` series."""
    columns = [column.to_pylist() for column in series.slice(0, count).columns]
    return zip(*columns, strict=True)
