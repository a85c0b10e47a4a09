"""Prometheus remote write into an endpoint that keeps nothing, and rows into a real PostgreSQL."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.postgresql_server import PostgreSQL

from benchmarks.endpoint import null_endpoint
from benchmarks.measure import alternating, fleetstream
from benchmarks.results import Result, against, at_least

FEW, SWEEPS, SCALE = 1, 12, 20
"""Sweeps of a run into the endpoint: one to learn what the start takes, and 6.3 million values."""

STRETCH = ("--start", "2026-11-01", "--end", "2026-11-01T02:00", "--interval", "60s")
"""A run into PostgreSQL: 3.2 million values, 266,640 rows in the wide layout."""


def results(url: str) -> Iterator[Result]:
    """Values per CPU second of remote write, and rows per second of PostgreSQL."""
    (rates,) = alternating(lambda: _remote_write(url) / 1e6)
    yield at_least(
        "values per CPU second by Prometheus remote write 1.0 into a null endpoint, in millions, "
        "start and first sweep excluded",
        2,
        rates,
    )
    with PostgreSQL() as server:
        tables = iter(range(100))
        wall, cpu = zip(*(_rows(server, next(tables)) for _ in range(6)), strict=True)
    yield at_least(
        "rows per second into PostgreSQL, wide layout, in millions",
        0.3,
        [each / 1e6 for each in wall[1:]],
        against(cpu[1:], wall[1:], "thousand rows per CPU second of fleetstream and second", 1e3),
    )


def _remote_write(url: str) -> float:
    """Values per CPU second, without what the first sweep and the start take."""
    used = []
    for sweeps in (FEW, SWEEPS):
        with tempfile.TemporaryDirectory() as folder:
            used.append(
                fleetstream(
                    *("ingest", "--to", f"prometheus:{url}", "--quiet"),
                    *("--host-scale", str(SCALE), "--autostop", str(sweeps)),
                    folder=folder,
                ).cpu
            )
    return (SWEEPS - FEW) * SCALE * 26_260 / (used[1] - used[0])


def _rows(server: PostgreSQL, number: int) -> tuple[float, float]:
    """Rows per second of a run, and per second of its CPU time; into a table of its own."""
    with tempfile.TemporaryDirectory() as folder:
        used = fleetstream(
            *("ingest", "--to", server.url, "-t", f"fleet{number}", "--quiet", "--seed", "7"),
            *("--record-model", "multi", "--summary", "summary.json", *STRETCH),
            folder=folder,
        )
        summary = json.loads((Path(folder) / "summary.json").read_bytes())
    rows = summary["stored"]["records"]
    return rows / summary["seconds"], rows / used.cpu


def main() -> None:
    """Print the results alone."""
    with null_endpoint() as url:
        for result in results(url):
            print(result.row, flush=True)


if __name__ == "__main__":
    main()
