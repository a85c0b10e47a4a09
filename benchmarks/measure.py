"""Measuring whole commands: the CPU time of a process and of all that it started."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass(frozen=True)
class Usage:
    """What a finished command took: CPU and wall seconds, peak memory in MB, and its output."""

    cpu: float
    wall: float
    memory: float
    output: str


def run(*arguments: str, folder: str | None = None) -> Usage:
    """Run this Python with some arguments; it must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT},
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


def fleetstream(*arguments: str, folder: str | None = None) -> Usage:
    """Run a command of fleetstream."""
    return run("-m", "fleetstream", *arguments, folder=folder)


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU seconds that this process takes for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def median(measure: Callable[[], float], times: int = 5) -> float:
    """The median of several measurements."""
    return statistics.median(measure() for _ in range(times))


def medians(measures: Sequence[Callable[[], float]], times: int = 5) -> list[float]:
    """The medians of several measurements, taken in turn so that all meet the same noise."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]
