"""Queries over many stored points, beside the same queries written by hand for DuckDB.

A store gets a thousand series through the API, and then the rest of their points at once, by
DuckDB. The queries are sent to a local Timestream with this store, and in turn executed by DuckDB
itself on a copy of its file. Run it with `python -m benchmarks.stored_points --points 1e8`.
"""

import argparse
import http.client
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import boto3
import duckdb

from benchmarks.local_endpoint import send, spread
from fleetstream.emulator import LocalTimestream

SERIES = 1_000
PER_REQUEST = 100
SECONDS_BETWEEN_POINTS = 10
LEAST_SECONDS = 0.5
"""How long a measurement takes at least."""
DATABASE, TABLE = "benchmark", "points"
RETENTION = {
    "MemoryStoreRetentionPeriodInHours": 8_766,
    "MagneticStoreRetentionPeriodInDays": 73_000,
}
JOINED = "data.points_1 AS p JOIN data.series_1 AS s USING (series)"


@dataclass(frozen=True)
class Query:
    """A query for Timestream, and one for the tables of its store with the same rows."""

    name: str
    timestream: str
    duckdb: str


QUERIES = (
    Query(
        "all points counted",
        f"SELECT count(*) FROM {DATABASE}.{TABLE}",
        "SELECT count(*) FROM data.points_1",
    ),
    Query(
        "mean of five minutes",
        f"SELECT bin(time, 5m), avg(measure_value::double) FROM {DATABASE}.{TABLE}"
        " WHERE measure_name = 'cpu' GROUP BY bin(time, 5m) ORDER BY 1 DESC LIMIT 100",
        f"SELECT time_bucket(INTERVAL 5 MINUTE, p.time), avg(p.c0) FROM {JOINED}"
        " WHERE s.measure_name = 'cpu' GROUP BY 1 ORDER BY 1 DESC LIMIT 100",
    ),
    Query(
        "last value of each series",
        f"SELECT host, max_by(measure_value::double, time) FROM {DATABASE}.{TABLE}"
        " WHERE measure_name = 'cpu' GROUP BY host ORDER BY 1",
        f"SELECT s.c1, max_by(p.c0, p.time) FROM {JOINED}"
        " WHERE s.measure_name = 'cpu' GROUP BY 1 ORDER BY 1",
    ),
)


def fill(path: Path, points: int) -> None:
    """Make a store with so many points."""
    now = int(time.time() * 1000) - 60_000
    names = {"DatabaseName": DATABASE, "TableName": TABLE}
    common = {"MeasureName": "cpu", "MeasureValue": "50", "Time": str(now)}
    with LocalTimestream(path) as timestream:
        write = boto3.client(
            "timestream-write", endpoint_url=timestream.url, region_name="us-east-1",
            aws_access_key_id="any", aws_secret_access_key="any",
        )  # fmt: skip
        write.create_database(DatabaseName=DATABASE)
        write.create_table(**names, RetentionProperties=RETENTION)
        for first in range(0, SERIES, PER_REQUEST):
            hosts = [f"host{number}" for number in range(first, first + PER_REQUEST)]
            records = [{"Dimensions": [{"Name": "host", "Value": host}]} for host in hosts]
            write.write_records(**names, CommonAttributes=common, Records=records)
    before = f"({SECONDS_BETWEEN_POINTS * 1000} * (1 + i // {SERIES}))"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"INSERT INTO data.points_1 SELECT i % {SERIES},"
            f" make_timestamp_ns(({now} - {before}) * 1000000), 1, random() * 100"
            f" FROM range({points - SERIES - 1}, -1, -1) AS r(i)"
        )


def measured(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Milliseconds of wall-clock time and of CPU time, and the result.

    Short work is repeated, and the mean is taken, since what it finds in the processor's caches
    after other work would be most of its time.
    """
    began, used = time.perf_counter(), time.process_time()
    times = 0
    while not times or time.perf_counter() < began + LEAST_SECONDS:
        result = work()
        times += 1
    per_time = 1000 / times
    return (
        per_time * (time.perf_counter() - began), per_time * (time.process_time() - used), result,
    )  # fmt: skip


def ask(line: http.client.HTTPConnection, query: Query) -> list[list[str]]:
    """The rows of a query to the local Timestream."""
    send(line, "Query", json.dumps({"QueryString": query.timestream}).encode())
    answer = json.loads(line.getresponse().read())
    return [[datum["ScalarValue"] for datum in row["Data"]] for row in answer["Rows"]]


def compare(query: Query, port: int, connection: duckdb.DuckDBPyConnection, rounds: int) -> None:
    """Print wall-clock and CPU times of a query and its counterpart, and their ratios."""
    line = http.client.HTTPConnection("127.0.0.1", port)
    pairs = []
    for _ in range(rounds + 1):
        served = measured(lambda: ask(line, query))
        by_hand = measured(lambda: connection.execute(query.duckdb).fetchall())
        assert len(served[-1]) == len(by_hand[-1])
        # The order in which numbers are added may differ.
        assert isclose(float(served[-1][0][-1]), by_hand[-1][0][-1], rel_tol=1e-9)
        pairs.append((served, by_hand))
    line.close()
    print(query.name)
    for place, name in enumerate(("wall clock", "CPU time")):
        one, other = ([pair[side][place] for pair in pairs[1:]] for side in (0, 1))
        ratios = [first / second for first, second in zip(one, other, strict=True)]
        print(
            f"  {name:11}{spread(one, ',.1f')} ms, by hand {spread(other, ',.1f')} ms,"
            f" ratio {spread(ratios, '.2f')}"
        )


def main() -> None:
    """Fill a store, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=float, default=1e7, help="that are stored")
    parser.add_argument("--rounds", type=int, default=5, help="of alternating queries")
    parser.add_argument("--folder", type=Path, default=None, help="for the store and its copy")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "store"
        fill(path, int(options.points))
        size = path.stat().st_size / 1e9
        print(f"{int(options.points):,} points of {SERIES:,} series, {size:.2f} GB on disk")
        print("minimum, median, maximum; target of each ratio: at most 3")
        copy = path.with_name("copy")
        shutil.copy(path, copy)
        with LocalTimestream(path) as timestream, duckdb.connect(str(copy)) as connection:
            for query in QUERIES:
                compare(query, timestream.port, connection, options.rounds)


if __name__ == "__main__":
    main()
