"""The ledger: what became of every record.

At all times, generated = stored + rejected + undelivered + in flight; at the end of a run nothing
is in flight. Senders write to it from many threads; display, summary and exit codes only read it.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from functools import cache

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

LATENCY_UNIT = 1e6
"""Latencies are kept in microseconds, from 1 µs to an hour, to three significant digits."""

_LOWEST, _HIGHEST, _DIGITS = 1, int(3600 * LATENCY_UNIT), 3


@dataclass(frozen=True, slots=True)
class Tally:
    """Some records and the values in them."""

    records: int = 0
    values: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.records + other.records, self.values + other.values)

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(self.records - other.records, self.values - other.values)


@dataclass(slots=True)
class Totals:
    """What a ledger knew at one moment; plain numbers that processes can exchange and add up."""

    sweeps: int = 0
    skipped: int = 0
    replaced: int = 0
    generated: Tally = Tally()
    stored: Tally = Tally()
    rejected: Tally = Tally()
    undelivered: Tally = Tally()
    rejections: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    disorder: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    successful: int = 0
    throttled: int = 0
    retried: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0
    metered_writes: int = 0
    seconds: float = 0.0
    squared_seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        names = (each.name for each in fields(self))
        return Totals(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def in_flight(self) -> Tally:
        """What is generated and has no outcome yet."""
        return self.generated - self.stored - self.rejected - self.undelivered

    @property
    def adds_up(self) -> bool:
        """Whether every record has an outcome."""
        return self.in_flight == Tally()

    @property
    def delivered(self) -> bool:
        """Whether every record was stored."""
        return self.stored == self.generated


@dataclass(frozen=True, slots=True)
class Report:
    """What the ledger of another process knows, ready to travel."""

    totals: Totals
    histogram: bytes


class Ledger:
    """What became of every record; safe to write to from many threads.

    It also adds up what the ledgers of other processes report. ``last_success`` is the monotonic
    time of the latest successful request; ``last_sweep`` the timestamp of the latest sweep that is
    generated in full (microseconds of Unix time), None before the first.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.last_success = self.started
        self.last_sweep: int | None = None
        self._lock = threading.Lock()
        self._totals = Totals()
        self._latencies = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
        self._reports: dict[int, Report] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the ledger was opened."""
        return time.monotonic() - self.started

    def swept(self, timestamp: int) -> None:
        """The sweep at ``timestamp`` (microseconds of Unix time) is generated in full."""
        with self._lock:
            self._totals.sweeps += 1
            self.last_sweep = timestamp

    def skipped(self, count: int) -> None:
        """So many sweeps were left out because their time had passed."""
        with self._lock:
            self._totals.skipped += count

    def generated(self, tally: Tally) -> None:
        """Records are ready to be sent."""
        with self._lock:
            self._totals.generated += tally

    def disordered(self, what: str, records: int) -> None:
        """So many records are sent late, out of order, or once more."""
        with self._lock:
            self._totals.disorder[what] += records

    def attempted(self, seconds: float, size: int, writes: int, *, success: bool) -> None:
        """The target answered a request of ``size`` bytes and ``writes`` metered writes."""
        with self._lock:
            self._totals.requests += 1
            self._totals.bytes_sent += size
            self._totals.seconds += seconds
            self._totals.squared_seconds += seconds * seconds
            self._latencies.record_value(max(_LOWEST, int(seconds * LATENCY_UNIT)))
            if success:
                self._totals.successful += 1
                self._totals.metered_writes += writes
                self.last_success = time.monotonic()

    def stored(self, tally: Tally) -> None:
        """The target has stored records."""
        with self._lock:
            self._totals.stored += tally

    def rejected(self, reason: str, tally: Tally) -> None:
        """The target has refused records for good."""
        with self._lock:
            self._totals.rejected += tally
            self._totals.rejections[reason] += tally.records

    def undelivered(self, reason: str, tally: Tally) -> None:
        """Records were given up."""
        with self._lock:
            self._totals.undelivered += tally
            self._totals.losses[reason] += tally.records

    def throttled(self) -> None:
        """The target asked for patience; the request will be sent again."""
        with self._lock:
            self._totals.throttled += 1
            self._totals.retried += 1

    def failed(self, fault: str) -> None:
        """A request failed and will be sent again."""
        with self._lock:
            self._totals.faults[fault] += 1
            self._totals.retried += 1

    def report(self) -> Report:
        """What is known now, for the ledger of another process."""
        with self._lock:
            return Report(self._totals + Totals(), self._latencies.encode())

    def absorb(self, source: int, report: Report) -> None:
        """Take the latest report of another process; it replaces the one before."""
        with self._lock:
            self._reports[source] = report

    def write_off(self, source: int, reason: str) -> None:
        """Give up what was in flight in another process, which won't report any more."""
        with self._lock:
            report = self._reports.get(source)
            if report is not None:
                report.totals.losses[reason] += report.totals.in_flight.records
                report.totals.undelivered += report.totals.in_flight

    def replaced(self, source: int) -> None:
        """Another process is gone, and what it had in flight is generated again elsewhere."""
        with self._lock:
            self._totals.replaced += 1
            report = self._reports.get(source)
            if report is not None:
                report.totals.generated -= report.totals.in_flight

    def totals(self) -> Totals:
        """What is known now, as a copy."""
        with self._lock:
            reported = (report.totals for report in self._reports.values())
            return sum(reported, start=self._totals + Totals())

    def latencies(self) -> "Latencies":
        """How long requests took."""
        return _latencies(self.totals(), self.latency_counts())

    def latency_counts(self) -> "LatencyCounts":
        """How many requests took how long, as a copy."""
        with self._lock:
            histogram = self._latencies
            if self._reports:
                histogram = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
                histogram.add(self._latencies)
                for report in self._reports.values():
                    histogram.decode_and_add(report.histogram)
            counts = np.frombuffer(histogram.counts, np.int64).copy()
        return LatencyCounts(_bucket_ends(), counts)


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """A histogram of latencies.

    ``counts`` has how many requests fell into each bucket (int64) and ``seconds`` the longest
    latency that each bucket takes (float64, ascending); a bucket is narrower than 0.1 % of it.
    """

    seconds: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    def percentiles(self, *wanted: float) -> list[float]:
        """The latencies in seconds that so many per cent of requests did not exceed.

        Zero where there was no request.
        """
        cumulated = np.cumsum(self.counts)
        ranks = np.ceil(np.array(wanted) / 100 * cumulated[-1])
        if not cumulated[-1]:
            return [0.0] * len(wanted)
        return [float(end) for end in self.seconds[np.searchsorted(cumulated, ranks)]]


@cache
def _bucket_ends() -> npt.NDArray[np.float64]:
    """The longest latency in seconds of each bucket of a ledger's histogram."""
    histogram = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
    starts = map(histogram.get_value_from_index, range(histogram.counts_len))
    ends = [histogram.get_highest_equivalent_value(start) for start in starts]
    return np.array(ends) / LATENCY_UNIT


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long requests took, in seconds; all zero before the first."""

    mean: float = 0.0
    deviation: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    longest: float = 0.0


def _latencies(totals: Totals, counts: LatencyCounts) -> Latencies:
    """The figures of all requests; mean and deviation come from running sums, which are exact."""
    if not totals.requests:
        return Latencies()
    mean = totals.seconds / totals.requests
    variance = max(totals.squared_seconds / totals.requests - mean * mean, 0.0)
    return Latencies(mean, variance**0.5, *counts.percentiles(50, 90, 99, 100))
