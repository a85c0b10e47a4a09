"""History: how a run went over time, in bounded memory.

A thread takes samples of the ledger a few times a second. All figures of a sample are cumulative,
so that what happened between any two samples is their difference, and samples can be dropped
without losing anything but resolution.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.report.ticking import ticking
from fleetstream.run.ledger import Latencies, LatencyCounts, Ledger, Totals

EVERY = 0.25
"""Seconds between two samples."""

NOW = 3.0
"""Seconds that count as now, so that rates do not jump from one sample to the next."""

RECENT = 60.0
"""Seconds for which every sample is kept."""

CAPACITY = 960
"""Samples of the whole run: when there are more, every other one is dropped."""

LATENCY_BOUNDS = np.geomspace(1e-6, 4_300, 480)
"""The longest latency in seconds of each bucket of a sample's histogram, 5 % from each other."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the ledger knew after ``elapsed`` seconds.

    ``last_sweep`` is the timestamp of the latest sweep (microseconds of Unix time);
    ``latency_counts`` has how many requests fell into each bucket of :data:`LATENCY_BOUNDS`
    (int64).
    """

    elapsed: float = 0.0
    totals: Totals = field(default_factory=Totals)
    last_sweep: int | None = None
    latencies: Latencies = field(default_factory=Latencies)
    latency_counts: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(LATENCY_BOUNDS), np.int64)
    )


@dataclass(frozen=True)
class Interval:
    """What happened between two samples."""

    before: Sample
    after: Sample

    @property
    def seconds(self) -> float:
        """How long it is; never zero."""
        return max(self.after.elapsed - self.before.elapsed, 1e-9)

    @property
    def values_per_second(self) -> float:
        """Values stored."""
        before, after = self.before.totals.stored, self.after.totals.stored
        return (after.values - before.values) / self.seconds

    @property
    def requests_per_second(self) -> float:
        """Requests that were answered, or failed."""
        return (self.after.totals.requests - self.before.totals.requests) / self.seconds

    @property
    def throttled_per_second(self) -> float:
        """Requests that the target asked to be sent later."""
        return (self.after.totals.throttled - self.before.totals.throttled) / self.seconds

    @property
    def bytes_per_second(self) -> float:
        """Bytes of requests' bodies."""
        return (self.after.totals.bytes_sent - self.before.totals.bytes_sent) / self.seconds

    @cached_property
    def latencies(self) -> LatencyCounts:
        """How many requests took how long, in the buckets of a sample."""
        return LatencyCounts(LATENCY_BOUNDS, self.after.latency_counts - self.before.latency_counts)


class History:
    """Samples of a ledger; safe to read while they are taken."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._buckets = np.searchsorted(LATENCY_BOUNDS, ledger.latency_counts().seconds)
        self._lock = threading.Lock()
        self._samples = [Sample()]
        self._recent = deque(self._samples, maxlen=int(RECENT / EVERY) + 1)
        self._spacing = EVERY

    def take(self) -> None:
        """Take a sample now."""
        ledger = self._ledger
        fine = ledger.latency_counts().counts
        sample = Sample(
            elapsed=ledger.elapsed,
            totals=ledger.totals(),
            last_sweep=ledger.last_sweep,
            latencies=ledger.latencies(),
            latency_counts=np.bincount(self._buckets, fine, len(LATENCY_BOUNDS)).astype(np.int64),
        )
        with self._lock:
            self._recent.append(sample)
            if sample.elapsed - self._samples[-1].elapsed >= self._spacing - EVERY / 2:
                self._samples.append(sample)
            if len(self._samples) > CAPACITY:
                self._samples = self._samples[::2]
                self._spacing *= 2

    @property
    def samples(self) -> list[Sample]:
        """The whole run, evenly spaced but for the last sample, which is the latest."""
        with self._lock:
            latest = self._recent[-1]
            return [*self._samples, *([] if self._samples[-1] is latest else [latest])]

    @property
    def recent(self) -> list[Sample]:
        """Every sample of the last minute."""
        with self._lock:
            return list(self._recent)


@contextmanager
def recorded(ledger: Ledger) -> Iterator[History]:
    """The history of what happens in the block, with a last sample when it is left."""
    history = History(ledger)
    try:
        with ticking(EVERY, history.take, "history"):
            yield history
    finally:
        history.take()


def current(samples: Sequence[Sample]) -> Interval:
    """The last few seconds, or less where there is less."""
    latest = samples[-1]
    for before in reversed(samples):
        if latest.elapsed - before.elapsed >= NOW - EVERY / 2:
            return Interval(before, latest)
    return Interval(samples[0], latest)


def intervals(samples: Sequence[Sample], seconds: float) -> list[Interval]:
    """Consecutive intervals of about ``seconds`` that end with the latest sample."""
    found: list[Interval] = []
    after = samples[-1]
    for before in reversed(samples[:-1]):
        if after.elapsed - before.elapsed >= seconds - EVERY / 2:
            found.append(Interval(before, after))
            after = before
    return found[::-1]
