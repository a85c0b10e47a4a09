"""Generation alone, at several sizes, and over two processes."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import cpu_seconds, fleetstream, medians
from benchmarks.results import Result, at_least, at_most
from fleetstream.generate.generator import ROWS, Generator
from fleetstream.model import load_model

VALUES = 20_000_000
SMALL = {"region": ["eu-central-1"]}
SMALL_OPTIONS = ("--include-region", "eu-central-1")
PROCESS_SCALE = 5000
FEW, MANY = 2, 6
"""Sweeps of two runs; their difference is free of the start."""


def results() -> Iterator[Result]:
    """Values per second per core, by size of the fleet, memory and start of a large fleet."""
    fill, ten, fleet, large, million = medians(
        [_fill, lambda: _generate(1, SMALL), *(lambda s=s: _generate(s) for s in (1, 10, 1000))]
    )
    for hosts, rate in (("1,010", fleet), ("10,100", large), ("1,010,000", million)):
        yield at_least(
            f"values generated per second per core, {hosts} hosts, as a multiple of NumPy's "
            "uniform fill",
            0.5,
            rate / fill,
            f"{rate / 1e6:,.0f} against {fill / 1e6:,.0f} million",
        )
    yield at_least(
        "values generated per second per core for the history of 10 hosts, as a multiple of that "
        "for 1,010",
        0.7,
        ten / fleet,
        f"{ten / 1e6:,.0f} against {fleet / 1e6:,.0f} million",
    )
    run, small_run = medians([lambda: _history(), lambda: _history(*SMALL_OPTIONS)])
    yield at_least(
        "values per CPU second of history into `null:`, whole fleet, as a multiple of generation "
        "alone",
        0.7,
        run / fleet,
        f"{run / 1e6:,.1f} against {fleet / 1e6:,.1f} million",
    )
    yield at_least(
        "values per CPU second of a day's history of 10 hosts into `null:`, as a multiple of the "
        "whole fleet's",
        0.7,
        small_run / run,
        f"{small_run / 1e6:,.1f} against {run / 1e6:,.1f} million",
    )
    used = fleetstream("ingest", "--to", "null:", "--host-scale", "1000", "--autostop", "1")
    yield at_most(
        "seconds of a run's one sweep at 1,010,000 hosts, start included", 10, used.wall, ""
    )
    yield at_most("its peak memory, in GB", 1.5, used.memory / 1024, "")
    one, two = medians([lambda: _stream(1), lambda: _stream(2)])
    yield at_least(
        "values per second of `--processes 2` into `null:`, as a multiple of one process's",
        1.7,
        two / one,
        f"{two / 1e6:,.1f} against {one / 1e6:,.1f} million values per second",
    )


def _fill() -> float:
    """Uniform values per second of NumPy's Philox, in arrays of the size that is generated."""
    random, values = np.random.Generator(np.random.Philox(1)), np.empty(ROWS)
    rounds = VALUES // len(values)
    return VALUES / cpu_seconds(lambda: [random.random(out=values) for _ in range(rounds)])


def _generate(scale: int, include: dict[str, list[str]] | None = None) -> float:
    """Values generated per CPU second."""
    generator = Generator(load_model(), 7, parameters={"host_scale": scale}, include=include)
    sweeps = max(1, VALUES // generator.values_per_sweep)
    size = generator.timestamps_per_batch()

    def work() -> None:
        for first in range(0, sweeps, size):
            for _ in generator.batches([s * 1_000_000 for s in range(first, first + size)]):
                pass

    return -(-sweeps // size) * size * generator.values_per_sweep / cpu_seconds(work)


def _history(*options: str) -> float:
    """Values per CPU second of a day at 10 s, start of the command excluded."""
    stretch = ("--start", "2026-11-01", "--interval", "10s", "--to", "null:", "--quiet", *options)
    with tempfile.TemporaryDirectory() as folder:
        short = fleetstream("ingest", *stretch, "--end", "2026-11-01T00:10", folder=folder)
        day = ("--end", "2026-11-02", "--summary", "summary.json")
        used = fleetstream("ingest", *stretch, *day, folder=folder)
        summary = json.loads((Path(folder) / "summary.json").read_bytes())
    return float(summary["stored"]["values"] / (used.cpu - short.cpu))


def _stream(processes: int) -> float:
    """Values per second, from the difference between a run of many sweeps and one of few."""
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
