"""Measuring whole commands: the CPU time of a process and of all that it started."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass(frozen=True)
class Usage:
    """What a finished command took: CPU and wall seconds, peak memory in MB, and its output."""

    cpu: float
    wall: float
    memory: float
    output: str


def run(
    *arguments: str, folder: str | None = None, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run this Python with some arguments and variables; it must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **(environment or {}), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {output}")
    return Usage(
        usage.ru_utime + usage.ru_stime,
        time.perf_counter() - began,
        usage.ru_maxrss / 1024,
        output,
    )


def fleetstream(
    *arguments: str, folder: str | None = None, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run a command of fleetstream, in a folder that is removed again if none is given."""
    with tempfile.TemporaryDirectory() as own:
        return run("-m", "fleetstream", *arguments, folder=folder or own, environment=environment)


def without_start(measured: Callable[[int], Usage], few: int, many: int) -> tuple[float, float]:
    """CPU and wall seconds of the sweeps that a run of ``many`` has and one of ``few`` has not.

    What the start takes is in both.
    """
    less, more = measured(few), measured(many)
    return more.cpu - less.cpu, more.wall - less.wall


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU seconds that this process takes for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def alternating(*measures: Callable[[], float], times: int = 5) -> list[list[float]]:
    """The figures of each of several measurements, taken in turn so that all meet the same noise.

    A round is not counted, since it finds caches empty.
    """
    for measure in measures:
        measure()
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [list(figures) for figures in zip(*rounds, strict=True)]


def ratios(figures: Sequence[float], others: Sequence[float]) -> list[float]:
    """Each figure as a multiple of the other that was measured beside it."""
    return [one / other for one, other in zip(figures, others, strict=True)]
