"""Memory over a long run, the cost of a value by size of the fleet, and start-up."""

import gc
from collections.abc import Iterator

import psutil

from benchmarks.measure import cpu_seconds, medians, run
from benchmarks.results import Result, at_most
from benchmarks.wire import Wire
from fleetstream.generate.choices import RecordModel

REQUESTS = 200_000


def results(url: str, requests: int = REQUESTS) -> Iterator[Result]:
    """Growth of resident memory over many requests; the cost of a value; start-up."""
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
