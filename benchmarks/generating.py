"""Generation alone, at several sizes, and over two processes."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import alternating, cpu_seconds, fleetstream, ratios
from benchmarks.results import Result, against, at_least, at_most
from fleetstream.generate.generator import ROWS, Generator
from fleetstream.model import load_model

VALUES = 20_000_000
SMALL = {"region": ["eu-central-1"]}
SMALL_OPTIONS = ("--include-region", "eu-central-1")
PROCESS_SCALE = 5000
WIDE = ("--record-model", "multi")
TEN_MINUTES, TWO_HOURS = "2026-11-01T00:10", "2026-11-01T02:00"
WHOLE_DAY, THIRTY_DAYS = "2026-11-02", "2026-12-01"
"""Ends of history that starts on 2026-11-01."""

FEW, MANY = 2, 6
"""Sweeps of two runs; their difference is free of the start."""


def results() -> Iterator[Result]:
    """Values per second per core, by size of the fleet, memory and start of a large fleet."""
    fill, ten, fleet, large, million = alternating(
        _fill,
        lambda: _generate(1, SMALL),
        *(lambda scale=scale: _generate(scale) for scale in (1, 10, 1000)),  # type: ignore[misc]
    )
    for hosts, rates in (("1,010", fleet), ("10,100", large), ("1,010,000", million)):
        yield at_least(
            f"values generated per second per core, {hosts} hosts, as a multiple of NumPy's "
            "uniform fill",
            0.5,
            ratios(rates, fill),
            against(rates, fill, "million", 1e6),
        )
    yield at_least(
        "values generated per second per core for the history of 10 hosts, as a multiple of that "
        "for 1,010",
        0.7,
        ratios(ten, fleet),
        against(ten, fleet, "million", 1e6),
    )
    yield from _histories()
    sweeps = [
        fleetstream("ingest", "--to", "null:", "--host-scale", "1000", "--autostop", "1")
        for _ in range(5)
    ]
    yield at_most(
        "seconds of a run's one sweep at 1,010,000 hosts, start included",
        10,
        [used.wall for used in sweeps],
    )
    yield at_most("its peak memory, in GB", 1.5, [used.memory / 1024 for used in sweeps])
    one, two = alternating(lambda: _stream(1), lambda: _stream(2))
    yield at_least(
        "values per second of `--processes 2` into `null:`, as a multiple of one process's",
        1.7,
        ratios(two, one),
        against(two, one, "million", 1e6),
    )


def _histories() -> Iterator[Result]:
    """History of the whole fleet and of ten hosts, against generation and each other."""
    generated, whole, ten = alternating(
        lambda: _generate(1),
        lambda: _history("null:", WHOLE_DAY),
        lambda: _history("null:", THIRTY_DAYS, *SMALL_OPTIONS),
    )
    yield at_least(
        "values per CPU second of a day of history into `null:`, whole fleet, as a multiple of "
        "generation alone",
        0.7,
        ratios(whole, generated),
        against(whole, generated, "million", 1e6),
    )
    yield at_least(
        "values per CPU second of thirty days' history of 10 hosts at 10 s into `null:`, as a "
        "multiple of the whole fleet's",
        0.7,
        ratios(ten, whole),
        against(ten, whole, "million", 1e6),
    )
    whole, ten = alternating(
        lambda: _history("duckdb:day.duckdb", TWO_HOURS, *WIDE),
        lambda: _history("duckdb:day.duckdb", WHOLE_DAY, *WIDE, *SMALL_OPTIONS),
    )
    yield at_least(
        "values per CPU second of a day's history of 10 hosts at 10 s into DuckDB, wide form, as a "
        "multiple of the whole fleet's",
        0.7,
        ratios(ten, whole),
        against(ten, whole, "million", 1e6),
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


def _history(target: str, end: str, *options: str) -> float:
    """Values per CPU second of history at 10 s, start of the command excluded."""
    stretch = ("--start", "2026-11-01", "--interval", "10s", "--to", target, "--quiet", *options)
    summary = ("--summary", "summary.json")
    used, values = [], []
    for until in (TEN_MINUTES, end):
        with tempfile.TemporaryDirectory() as folder:
            used.append(fleetstream("ingest", *stretch, "--end", until, *summary, folder=folder))
            content = json.loads((Path(folder) / "summary.json").read_bytes())
            values.append(content["stored"]["values"])
    return float((values[1] - values[0]) / (used[1].cpu - used[0].cpu))


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
