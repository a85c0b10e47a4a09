"""Six hours of the whole fleet at 60 s: written as history, then verified, value by value."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.servers.influx_server import InfluxDB

from benchmarks.measure import Usage, fleetstream, ratios
from benchmarks.results import Result, against, at_least

STRETCH = ("--start", "2026-11-01", "--end", "2026-11-01T06:00", "--interval", "60s")
RUN = ("ingest", "--quiet", "--seed", "7", "--manifest", "run.json", "--summary", "summary.json")
TIMES = 5


@dataclass(frozen=True)
class History:
    """What writing and verifying a history took; a server's share of the CPU is not counted."""

    values: int
    written: Usage
    verified: Usage


def results() -> Iterator[Result]:
    """How fast each target that is read back is verified, and DuckDB against writing it."""
    duckdb = [_history("--to", "duckdb:fleet.duckdb") for _ in range(TIMES)]
    yield _verified("DuckDB", duckdb, 1.0)
    written = [each.values / each.written.cpu for each in duckdb]
    verified = [each.values / each.verified.cpu for each in duckdb]
    yield at_least(
        "values per CPU second that are verified in DuckDB, as a multiple of writing them",
        2,
        ratios(verified, written),
        against(verified, written, "million", 1e6),
    )
    parquet = [_history("--to", "parquet:lake") for _ in range(TIMES)]
    yield _verified("Parquet", parquet, 1.0)
    influx = []
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory() as folder, InfluxDB(Path(folder)) as server:
            target = ("--to", f"influx:{server.url}", "-d", "fleet", "--record-model", "multi")
            influx.append(_history(*target))
    yield _verified("InfluxDB 1", influx, 0.1)


def _history(*options: str) -> History:
    """Write a history, and verify it."""
    with tempfile.TemporaryDirectory() as folder:
        written = fleetstream(*RUN, *STRETCH, *options, folder=folder)
        verified = fleetstream("verify", "run.json", folder=folder)
        assert verified.output.endswith("It matches.\n")
        values = json.loads((Path(folder) / "summary.json").read_bytes())["stored"]["values"]
    return History(values, written, verified)


def _verified(name: str, histories: list[History], target: float) -> Result:
    written = median(each.values / each.written.cpu for each in histories) / 1e6
    verified = median(each.values / each.verified.cpu for each in histories) / 1e6
    return at_least(
        f"values of history in {name} that are verified a second, in millions",
        target,
        [each.values / each.verified.wall / 1e6 for each in histories],
        f"{histories[0].values:,} values, all there; a CPU second writes {written:.2f} million, "
        f"verifies {verified:.2f} million",
    )
