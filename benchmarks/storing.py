"""DuckDB, in the long and in the wide form, and Parquet."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import alternating, fleetstream
from benchmarks.results import Result, at_least, at_most
from fleetstream.generate.choices import RecordModel

FORMS = {RecordModel.SINGLE: ("long", 1.0), RecordModel.MULTI: ("wide", 2.5)}
SCALES = {RecordModel.SINGLE: 100, RecordModel.MULTI: 300}


def results() -> Iterator[Result]:
    """Values a second that a run stores, start of the database included; a year in Parquet."""
    for model, (form, target) in FORMS.items():
        (rates,) = alternating(lambda m=model: _store(m) / 1e6)  # type: ignore[misc]
        yield at_least(f"values a second into DuckDB, {form} form, in millions", target, rates)
    (seconds,) = alternating(_year)
    yield at_most(
        "seconds for a year of history of a host and its two processes at 10 s (95 million values) "
        "into Parquet",
        60,
        seconds,
    )


def _year() -> float:
    """Seconds of a whole run."""
    return fleetstream(
        *("ingest", "--quiet", "--to", "parquet:lake", "--record-model", "multi"),
        *("--include-region", "eu-central-1", "--include-ms", "athena", "--interval", "10s"),
        *("--start", "2025-11-01", "--end", "2026-11-01"),
    ).wall


def _store(model: RecordModel) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fleetstream(
            *("ingest", "--quiet", "--summary", "summary.json", "--record-model", model),
            *("--host-scale", str(SCALES[model]), "--autostop", "2"),
            folder=folder,
        )
        summary = json.loads((Path(folder) / "summary.json").read_bytes())
    return float(summary["stored"]["values"] / summary["seconds"])
