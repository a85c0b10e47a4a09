"""A day of the whole fleet at 60 s: written as history, then verified, value by value."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Usage, fleetstream
from benchmarks.results import Result, at_least

STRETCH = ("--start", "2026-11-01", "--end", "2026-11-02", "--interval", "60s")
RUN = ("ingest", "--quiet", "--seed", "7", "--manifest", "run.json", "--summary", "summary.json")


def results() -> Iterator[Result]:
    """What generating, writing and verifying take of a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        alone = fleetstream(*RUN, *STRETCH, "--to", "null:", folder=folder)
        written = fleetstream(*RUN, *STRETCH, "--to", "duckdb:day.duckdb", folder=folder)
        verified = fleetstream("verify", "run.json", folder=folder)
        assert verified.output.endswith("It matches.\n")
        values = json.loads((Path(folder) / "summary.json").read_bytes())["stored"]["values"]
    yield at_least(
        "values of a day of history in DuckDB that are verified a second, in millions",
        1.0,
        values / verified.wall / 1e6,
        f"{values:,} values, all there; a CPU second generates {_per_second(values, alone)} "
        f"million, writes {_per_second(values, written)} million, verifies "
        f"{_per_second(values, verified)} million",
    )


def _per_second(values: int, usage: Usage) -> str:
    return f"{values / usage.cpu / 1e6:.2f}"
