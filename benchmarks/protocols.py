"""Prometheus remote write into an endpoint that keeps nothing, and rows into a real PostgreSQL."""

from collections.abc import Iterator

from tests.servers.postgresql_server import PostgreSQL

from benchmarks.endpoint import null_endpoint
from benchmarks.measure import Usage, alternating, fleetstream, without_start
from benchmarks.results import Result, against, at_least

FEW, SWEEPS, SCALE = 1, 12, 20
"""Sweeps of a run into the endpoint: one to learn what the start takes, and 6.3 million values."""

FEWER_HOURS, HOURS, ROWS = 2, 12, 60 * 2_222
"""Hours of history that are written into PostgreSQL, with so many rows in the wide layout each: one
run to learn what the start takes, and 1.3 million rows more."""


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
        wall, cpu = zip(*(_rows(server, tables) for _ in range(6)), strict=True)
    yield at_least(
        "rows per second into PostgreSQL, wide layout, start excluded, in millions",
        0.3,
        [each / 1e6 for each in wall[1:]],
        against(cpu[1:], wall[1:], "thousand rows per CPU second of fleetstream and second", 1e3),
    )


def _remote_write(url: str) -> float:
    """Values per CPU second, without what the first sweep and the start take."""

    def measured(sweeps: int) -> Usage:
        return fleetstream(
            *("ingest", "--to", f"prometheus:{url}", "--quiet"),
            *("--host-scale", str(SCALE), "--autostop", str(sweeps)),
        )

    cpu, _ = without_start(measured, FEW, SWEEPS)
    return (SWEEPS - FEW) * SCALE * 26_260 / cpu


def _rows(server: PostgreSQL, tables: Iterator[int]) -> tuple[float, float]:
    """Rows per second, and per second of CPU time, without the start; into tables of their own."""

    def measured(hours: int) -> Usage:
        return fleetstream(
            *("ingest", "--to", server.url, "-t", f"fleet{next(tables)}", "--quiet"),
            *("--seed", "7", "--record-model", "multi", "--interval", "60s"),
            *("--start", "2026-11-01", "--end", f"2026-11-01T{hours:02}:00"),
        )

    cpu, wall = without_start(measured, FEWER_HOURS, HOURS)
    rows = (HOURS - FEWER_HOURS) * ROWS
    return rows / wall, rows / cpu


def main() -> None:
    """Print the results alone."""
    with null_endpoint() as url:
        for result in results(url):
            print(result.row, flush=True)


if __name__ == "__main__":
    main()
