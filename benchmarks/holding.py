"""Memory over a long run, and the cost of a value by size of the fleet."""

import gc
from collections.abc import Iterator

import psutil

from benchmarks.measure import alternating, cpu_seconds, ratios
from benchmarks.results import Result, against, at_most
from benchmarks.wire import Wire
from fleetstream.generate.choices import RecordModel

REQUESTS = 200_000


def results(url: str, requests: int = REQUESTS) -> Iterator[Result]:
    """Growth of resident memory over many requests; the cost of a value."""
    first, last = _memory(url, requests)
    yield at_most(
        f"growth of memory over {requests:,} requests after the first tenth, in per cent",
        5,
        [(last / first - 1) * 100],
        f"{first:.0f} MB, then {last:.0f} MB",
    )
    small, large = alternating(lambda: _cost(url, 1, 60), lambda: _cost(url, 1000, 1))
    yield at_most(
        "cost of a value at 1,010,000 hosts, multi-measure, as a multiple of that at 1,010",
        1.5,
        ratios(large, small),
        against(large, small, "ns", 1e-9),
    )


def _memory(url: str, requests: int) -> tuple[float, float]:
    """Resident memory in MB after a tenth of the requests and after all of them."""
    wire, process, samples = Wire(url, RecordModel.MULTI), psutil.Process(), []
    sent = second = 0
    for share in (requests // 10, requests):
        while sent < share:
            sent += wire.write(range(second, second + 50)).requests
            second += 50
        gc.collect()
        samples.append(process.memory_info().rss / 2**20)
    return samples[0], samples[1]


def _cost(url: str, scale: int, sweeps: int) -> float:
    """CPU seconds per value."""
    wire = Wire(url, RecordModel.MULTI, scale)
    return cpu_seconds(lambda: wire.write(range(sweeps))) / (sweeps * wire.values_per_sweep)
