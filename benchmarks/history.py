"""A day of the whole fleet at 60 s: written as history, then verified, value by value."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.influx_server import InfluxDB

from benchmarks.measure import Usage, fleetstream
from benchmarks.results import Result, at_least

STRETCH = ("--start", "2026-11-01", "--end", "2026-11-02", "--interval", "60s")
RUN = ("ingest", "--quiet", "--seed", "7", "--manifest", "run.json", "--summary", "summary.json")


def results() -> Iterator[Result]:
    """What generating, writing and verifying take of a CPU, with each target that is read back."""
    with tempfile.TemporaryDirectory() as folder:
        alone = fleetstream(*RUN, *STRETCH, "--to", "null:", folder=folder)
    yield _day("DuckDB", alone, 1.0, "--to", "duckdb:day.duckdb")
    yield _day("Parquet", alone, 1.0, "--to", "parquet:lake")
    with tempfile.TemporaryDirectory() as folder, InfluxDB(Path(folder)) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--record-model", "multi")
        yield _day("InfluxDB 1", alone, 0.1, *target)


def _day(name: str, alone: Usage, target: float, *options: str) -> Result:
    """Write a day, and verify it; what a server takes of the CPU is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        written = fleetstream(*RUN, *STRETCH, *options, folder=folder)
        verified = fleetstream("verify", "run.json", folder=folder)
        assert verified.output.endswith("It matches.\n")
        values = json.loads((Path(folder) / "summary.json").read_bytes())["stored"]["values"]
    return at_least(
        f"values of a day of history in {name} that are verified a second, in millions",
        target,
        values / verified.wall / 1e6,
        f"{values:,} values, all there; a CPU second generates {_per_second(values, alone)} "
        f"million, writes {_per_second(values, written)} million, verifies "
        f"{_per_second(values, verified)} million",
    )


def _per_second(values: int, usage: Usage) -> str:
    return f"{values / usage.cpu / 1e6:.2f}"
