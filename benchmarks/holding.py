"""Memory over a long run, the cost of a value by size of the fleet, and how soon help appears."""

import gc
from collections.abc import Iterator

import psutil
import pyarrow as pa

from benchmarks.measure import cpu_seconds, medians, run
from benchmarks.results import Result, at_most
from fleetstream.fleet import Fleet
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.timestream import Target, TimestreamSink
from fleetstream.workload import Workload

REQUESTS = 200_000


def results(url: str, requests: int = REQUESTS) -> Iterator[Result]:
    """Growth of resident memory over many requests; a value's cost; start-up."""
    first, last = _memory(url, requests)
    yield at_most(
        f"growth of memory over {requests:,} requests after the first tenth, in per cent",
        5,
        (last / first - 1) * 100,
        f"{first:.0f} MB, then {last:.0f} MB",
    )
    small, large = medians([lambda: _cost(url, 1, 60), lambda: _cost(url, 1000, 1)], 3)
    yield at_most(
        "cost of a value at 1,010,000 hosts, multi-measure, as a multiple of that at 1,010",
        1.5,
        large / small,
        f"{large * 1e9:.0f} ns against {small * 1e9:.0f} ns",
    )
    nothing, help_, preview = medians(
        [
            lambda: run("-c", "pass").wall,
            lambda: run("-m", "fleetstream", "--help").wall,
            lambda: run("-m", "fleetstream", "ingest", "--dry-run").wall,
        ],
        9,
    )
    yield at_most(
        "`fleetstream --help`, as a multiple of `python -c pass`",
        10,
        help_ / nothing,
        f"{help_ * 1e3:.0f} ms against {nothing * 1e3:.0f} ms",
    )
    yield at_most(
        "`fleetstream ingest --dry-run`, as a multiple of `python -c pass`",
        40,
        preview / nothing,
        f"{preview * 1e3:.0f} ms",
    )


def _memory(url: str, requests: int) -> tuple[float, float]:
    """Resident memory in MB after a tenth of the requests and after all of them."""
    workload = Workload(Fleet(), 7)
    sink = TimestreamSink(Target("db", "tb", "us-east-1", url), RecordModel.MULTI)
    ledger, process, samples, second = Ledger(), psutil.Process(), [], 0
    for share in (requests // 10, requests):
        while ledger.totals().requests < share:
            Pipeline(_sweeps(workload, second, 50), sink, ledger, Stop(), concurrency=10).run()
            second += 50
            assert ledger.totals().delivered
        gc.collect()
        samples.append(process.memory_info().rss / 2**20)
    return samples[0], samples[1]


def _sweeps(workload: Workload, first: int, count: int) -> Iterator[pa.RecordBatch]:
    for second in range(first, first + count):
        yield from workload.sweep(second * 1_000_000)


def _cost(url: str, scale: int, sweeps: int) -> float:
    """CPU seconds of a value."""
    workload = Workload(Fleet(scale), 7)
    sink = TimestreamSink(Target("db", "tb", "us-east-1", url), RecordModel.MULTI)
    batches = _sweeps(workload, 0, sweeps)
    ledger = Ledger()
    pipeline = Pipeline(batches, sink, ledger, Stop(), concurrency=10)
    seconds = cpu_seconds(pipeline.run)
    assert ledger.totals().delivered
    return seconds / (sweeps * workload.values_per_sweep)
