"""The history of a run in bounded memory.

A thread takes samples of the ledger a few times per second. All figures of a sample are cumulative,
so the difference of any two samples is what happened between them, and dropping samples loses
nothing but resolution.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fleetstream.run.latency import Latencies, LatencyCounts
from fleetstream.run.ledger import Ledger, Totals
from fleetstream.run.periodic import periodically

SAMPLE_SECONDS = 0.25
"""Seconds between two samples."""

CURRENT_SECONDS = 10.0
"""Seconds that current rates are averaged over. Sweeps come once per second at most, so a shorter
time would show their number in it rather than the rate."""

RECENT_SECONDS = 150.0
"""Seconds for which every sample is kept."""

CAPACITY = 960
"""Samples kept of the whole run; beyond that, every other one is dropped."""

LATENCY_BOUNDS = np.geomspace(1e-6, 4_300, 480)
"""The longest latency in seconds of each bucket of a sample's histogram, in steps of 5 %."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the ledger knew after ``elapsed`` seconds.

    ``last_sweep`` is the timestamp of the latest sweep in microseconds. ``latencies`` is None where
    no request was timed; ``latency_counts`` has the number of requests per bucket of
    :data:`LATENCY_BOUNDS` (int64).
    """

    elapsed: float = 0.0
    totals: Totals = field(default_factory=Totals)
    last_sweep: int | None = None
    latencies: Latencies | None = None
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
        """Its length, never zero."""
        return max(self.after.elapsed - self.before.elapsed, 1e-9)

    @property
    def values_per_second(self) -> float:
        """Stored values."""
        before, after = self.before.totals.stored, self.after.totals.stored
        return (after.values - before.values) / self.seconds

    @property
    def requests_per_second(self) -> float:
        """Attempts, whether they succeeded or not."""
        return (self.after.totals.requests - self.before.totals.requests) / self.seconds

    @property
    def throttled_per_second(self) -> float:
        """Attempts that the target refused for the time being."""
        return (self.after.totals.throttled - self.before.totals.throttled) / self.seconds

    @property
    def bytes_per_second(self) -> float | None:
        """Bytes of request bodies, None where the target has no such figure."""
        before, after = self.before.totals.bytes_sent, self.after.totals.bytes_sent
        return None if after is None else (after - (before or 0)) / self.seconds

    @cached_property
    def latencies(self) -> LatencyCounts:
        """The number of requests per bucket of :data:`LATENCY_BOUNDS`."""
        return LatencyCounts(LATENCY_BOUNDS, self.after.latency_counts - self.before.latency_counts)


class History:
    """Samples of a ledger; they can be read from any thread while they are taken."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._buckets = np.searchsorted(LATENCY_BOUNDS, ledger.latency_counts().seconds)
        self._lock = threading.Lock()
        self._samples = [Sample()]
        self._recent = deque(self._samples, maxlen=int(RECENT_SECONDS / SAMPLE_SECONDS) + 1)
        self._spacing = SAMPLE_SECONDS

    def take(self) -> None:
        """Take a sample now."""
        ledger = self.ledger
        fine = ledger.latency_counts().counts
        sample = Sample(
            elapsed=ledger.elapsed,
            totals=ledger.totals(),
            last_sweep=ledger.last_sweep,
            latencies=latencies_of(ledger),
            latency_counts=np.bincount(self._buckets, fine, len(LATENCY_BOUNDS)).astype(np.int64),
        )
        with self._lock:
            self._recent.append(sample)
            if sample.elapsed - self._samples[-1].elapsed >= self._spacing - SAMPLE_SECONDS / 2:
                self._samples.append(sample)
            if len(self._samples) > CAPACITY:
                self._samples = self._samples[::2]
                self._spacing *= 2

    @property
    def samples(self) -> list[Sample]:
        """Evenly spaced samples of the whole run, and the latest sample."""
        with self._lock:
            latest = self._recent[-1]
            return [*self._samples, *([] if self._samples[-1] is latest else [latest])]

    @property
    def recent(self) -> list[Sample]:
        """Every sample of the last :data:`RECENT_SECONDS`."""
        with self._lock:
            return list(self._recent)


@contextmanager
def recorded(ledger: Ledger) -> Iterator[History]:
    """Take samples while the block runs, and a last one when it ends."""
    history = History(ledger)
    try:
        with periodically(SAMPLE_SECONDS, history.take, "history"):
            yield history
    finally:
        history.take()


def latencies_of(ledger: Ledger) -> Latencies | None:
    """The latencies of requests, None where no request was timed."""
    return ledger.latencies() if ledger.latency_counts().counts.any() else None


def current(samples: Sequence[Sample]) -> Interval:
    """The last :data:`CURRENT_SECONDS`, or everything where there is less."""
    latest = samples[-1]
    for before in reversed(samples):
        if latest.elapsed - before.elapsed >= CURRENT_SECONDS - SAMPLE_SECONDS / 2:
            return Interval(before, latest)
    return Interval(samples[0], latest)


def intervals(samples: Sequence[Sample], seconds: float) -> list[Interval]:
    """Consecutive intervals of about ``seconds``, the last of which ends with the latest sample."""
    found: list[Interval] = []
    after = samples[-1]
    for before in reversed(samples[:-1]):
        if after.elapsed - before.elapsed >= seconds - SAMPLE_SECONDS / 2:
            found.append(Interval(before, after))
            after = before
    return found[::-1]
