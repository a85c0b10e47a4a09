"""The ledger: what became of every record.

At all times, generated = stored + rejected + undelivered + in flight; at the end of a run nothing
is in flight. Senders write to it from many threads; displays, summary and exit codes only read it.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, fields

from fleetstream.run.latency import Latencies, LatencyCounts, LatencyHistogram
from fleetstream.targets.sink import Delivery, Request


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
    """What a ledger knew at one moment; plain numbers that processes exchange and add up.

    ``requests`` counts every attempt, ``retried`` those that repeat an earlier one. ``unchanged``
    counts stored records that the target had already. ``bytes_sent`` and ``metered_writes`` are
    None where the target has no such figure.
    """

    sweeps: int = 0
    skipped: int = 0
    replaced: int = 0
    generated: Tally = Tally()
    stored: Tally = Tally()
    unchanged: int = 0
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
    bytes_sent: int | None = None
    metered_writes: int | None = None
    seconds: float = 0.0
    squared_seconds: float = 0.0

    def __add__(self, other: "Totals") -> "Totals":
        totals = {}
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if mine is None or theirs is None:
                totals[each.name] = theirs if mine is None else mine
            else:
                totals[each.name] = mine + theirs
        return Totals(**totals)

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
class LedgerReport:
    """What the ledger of another process knows, ready to travel."""

    totals: Totals
    histogram: bytes


class Ledger:
    """What became of every record; safe to write to from many threads.

    It also adds up what the ledgers of other processes report. ``last_answer`` is the monotonic
    time of the latest request that was delivered or throttled; ``last_sweep`` the timestamp in
    microseconds of the latest sweep that was generated in full, None before the first.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.last_answer = self.started
        self.last_sweep: int | None = None
        self._lock = threading.Lock()
        self._totals = Totals()
        self._latencies = LatencyHistogram()
        self._reports: dict[int, LedgerReport] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the ledger was opened."""
        return time.monotonic() - self.started

    def swept(self, sweeps: int, last: int) -> None:
        """Sweeps were generated in full, the last one at the timestamp ``last``."""
        with self._lock:
            self._totals.sweeps += sweeps
            self.last_sweep = last

    def skipped(self, sweeps: int) -> None:
        """Sweeps were left out because their time had passed."""
        with self._lock:
            self._totals.skipped += sweeps

    def generated(self, tally: Tally) -> None:
        """Records are ready to be sent."""
        with self._lock:
            self._totals.generated += tally

    def disordered(self, what: str, records: int) -> None:
        """Records are sent late, out of order, or a second time."""
        with self._lock:
            self._totals.disorder[what] += records

    def attempted(
        self, request: Request, seconds: float, delivery: Delivery | None, *, retry: bool
    ) -> None:
        """A request was sent, which took ``seconds`` and led to a delivery, or to none.

        ``retry`` says that it had been sent before.
        """
        refused = len(delivery.rejections) if delivery else request.records
        with self._lock:
            totals = self._totals
            totals.requests += 1
            totals.successful += not refused
            totals.retried += retry
            totals.seconds += seconds
            totals.squared_seconds += seconds * seconds
            self._latencies.record(seconds)
            if request.size is not None:
                totals.bytes_sent = (totals.bytes_sent or 0) + request.size
            if request.writes is not None:
                # The target meters a request that it stored at least a part of.
                writes = request.writes if refused < request.records else 0
                totals.metered_writes = (totals.metered_writes or 0) + writes
            if delivery is not None:
                self.last_answer = time.monotonic()

    def stored(self, tally: Tally, unchanged: int = 0) -> None:
        """The target has stored records, of which it had ``unchanged`` already."""
        with self._lock:
            self._totals.stored += tally
            self._totals.unchanged += unchanged

    def rejected(self, reason: str, tally: Tally) -> None:
        """The target has refused records permanently."""
        with self._lock:
            self._totals.rejected += tally
            self._totals.rejections[reason] += tally.records

    def undelivered(self, reason: str, tally: Tally) -> None:
        """Records were given up."""
        with self._lock:
            self._totals.undelivered += tally
            self._totals.losses[reason] += tally.records

    def throttled(self) -> None:
        """The target asked to send a request again later."""
        with self._lock:
            self._totals.throttled += 1
            self.last_answer = time.monotonic()

    def failed(self, fault: str) -> None:
        """A request failed for a reason that may pass."""
        with self._lock:
            self._totals.faults[fault] += 1

    def report(self) -> LedgerReport:
        """What is known now, for the ledger of another process."""
        with self._lock:
            return LedgerReport(self._totals + Totals(), self._latencies.encode())

    def absorb(self, source: int, report: LedgerReport) -> None:
        """Take the latest report of another process, which replaces the one before."""
        with self._lock:
            self._reports[source] = report

    def write_off(self, source: int, reason: str) -> None:
        """Give up what was in flight in another process, which will not report any more."""
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

    def latency_counts(self) -> LatencyCounts:
        """How many requests took how long, as a copy."""
        with self._lock:
            return self._latencies.counts(*(each.histogram for each in self._reports.values()))

    def latencies(self) -> Latencies:
        """How long requests took; mean and deviation come from running sums, which are exact."""
        totals = self.totals()
        if not totals.requests:
            return Latencies()
        mean = totals.seconds / totals.requests
        variance = max(totals.squared_seconds / totals.requests - mean * mean, 0.0)
        return Latencies(mean, variance**0.5, *self.latency_counts().percentiles(50, 90, 99, 100))
