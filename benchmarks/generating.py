"""Generation alone, at several sizes, and over two processes."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import cpu_seconds, fleetstream, medians
from benchmarks.results import Result, at_least, at_most
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload

VALUES = 5_000_000
PROCESS_SCALE = 5000
FEW, MANY = 2, 6
"""Sweeps of two runs; what lies between them is free of their start."""


def results() -> Iterator[Result]:
    """Values a second a core, their evenness over sizes, memory and start of a large fleet."""
    fill, ten_thousand, million = medians([_fill, lambda: _generate(10), lambda: _generate(1000)])
    least = max(25e6, fill / 4)
    yield at_least(
        "values generated a second a core, in millions (25 or a quarter of NumPy's uniform fill)",
        round(least / 1e6, 1),
        ten_thousand / 1e6,
        f"the fill draws {fill / 1e6:,.0f} million",
    )
    yield at_most(
        "cost of a generated value at 1,000,000 hosts, as a multiple of that at 10,000",
        1,
        ten_thousand / million,
        f"{million / 1e6:,.1f} against {ten_thousand / 1e6:,.1f} million values a second",
    )
    used = fleetstream("ingest", "--to", "null:", "--host-scale", "1000", "--autostop", "1")
    yield at_most(
        "seconds of a run's one sweep at 1,010,000 hosts, start included", 10, used.wall, ""
    )
    yield at_most("its peak memory, in GB", 1.5, used.memory / 1024, "")
    one, two = medians([lambda: _stream(1), lambda: _stream(2)], 3)
    yield at_least(
        "values a second of `--processes 2` into `null:`, as a multiple of one process's",
        1.7,
        two / one,
        f"{two / 1e6:,.1f} against {one / 1e6:,.1f} million values a second",
    )


def _fill() -> float:
    """Uniform values a second of NumPy's Philox."""
    random, values = np.random.Generator(np.random.Philox(1)), np.empty(5_000)
    rounds = VALUES // len(values)
    return VALUES / cpu_seconds(lambda: [random.random(out=values) for _ in range(rounds)])


def _generate(scale: int) -> float:
    """Values generated a CPU second."""
    workload = Workload(Fleet(scale), 7)
    sweeps = max(1, VALUES // workload.values_per_sweep)

    def work() -> None:
        for sweep in range(sweeps):
            for _ in workload.sweep(sweep * 1_000_000):
                pass

    return sweeps * workload.values_per_sweep / cpu_seconds(work)


def _stream(processes: int) -> float:
    """Values a second, from the difference between a run of many sweeps and one of few."""
    few, many = _seconds(processes, FEW), _seconds(processes, MANY)
    return (MANY - FEW) * PROCESS_SCALE * 26_260 / (many - few)


def _seconds(processes: int, sweeps: int) -> float:
    """How long a run takes, by its own summary."""
    with tempfile.TemporaryDirectory() as folder:
        fleetstream(
            *("ingest", "--to", "null:", "--quiet", "--summary", "summary.json"),
            *("--host-scale", str(PROCESS_SCALE), "--autostop", str(sweeps)),
            *("--processes", str(processes)),
            folder=folder,
        )
        summary = json.loads((Path(folder) / "summary.json").read_bytes())
    return float(summary["seconds"])
