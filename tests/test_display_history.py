"""Histories of runs: bounded, and right about rates."""

from itertools import pairwise

import pytest

from fleetstream.report import history
from fleetstream.report.history import History, Interval, current, intervals, recorded
from fleetstream.report.live import _Sparkline
from fleetstream.run.ledger import Ledger, Tally


class Clock:
    """Stands in for the monotonic clock of ledgers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("fleetstream.run.ledger.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def work(ledger: Ledger, clock: Clock, seconds: float, values: int) -> None:
    """Deliver ``values`` values in one request that took 10 ms, after ``seconds``."""
    clock.now += seconds
    ledger.generated(Tally(values, values))
    ledger.stored(Tally(values, values))
    ledger.attempted(0.01, size=1_000, writes=2, success=True)


def test_rates_are_those_between_two_samples(clock: Clock) -> None:
    ledger = Ledger()
    record = History(ledger)
    for _ in range(40):
        work(ledger, clock, 0.25, 100)
        record.take()
    for _ in range(40):
        work(ledger, clock, 0.25, 300)
        record.take()
    now, whole = current(record.recent), Interval(record.samples[0], record.samples[-1])
    assert now.seconds == pytest.approx(history.NOW)
    assert now.values_per_second == pytest.approx(1_200)
    assert now.requests_per_second == pytest.approx(4)
    assert now.bytes_per_second == pytest.approx(4_000)
    assert whole.values_per_second == pytest.approx(800)
    assert now.latencies.counts.sum() == 12
    assert now.latencies.percentiles(50, 99) == pytest.approx([0.01, 0.01], rel=0.05)
    seconds = intervals(record.recent, 1.0)
    assert len(seconds) == 20
    assert [round(each.values_per_second) for each in seconds] == [400] * 10 + [1_200] * 10


def test_long_runs_take_no_more_memory(clock: Clock) -> None:
    ledger = Ledger()
    record = History(ledger)
    for _ in range(5 * history.CAPACITY):
        work(ledger, clock, history.EVERY, 10)
        record.take()
    samples = record.samples
    assert history.CAPACITY / 2 <= len(samples) <= history.CAPACITY + 1
    assert len(record.recent) == history.RECENT / history.EVERY + 1
    assert samples[0].elapsed == 0
    assert samples[-1].elapsed == pytest.approx(ledger.elapsed)
    # The latest sample stands at the end wherever it falls.
    gaps = {round(later.elapsed - each.elapsed, 2) for each, later in pairwise(samples[:-1])}
    assert len(gaps) == 1
    stored = [each.after.totals.stored.values for each in intervals(samples, gaps.pop())]
    assert stored == sorted(stored)
    assert stored[-1] == 50 * history.CAPACITY


def test_sparkline_shows_a_bar_a_second(clock: Clock) -> None:
    ledger = Ledger()
    record = History(ledger)
    for second in range(90):
        for _ in range(4):
            work(ledger, clock, 0.25, 10 * (second % 8))
            record.take()
    rates = _Sparkline(record.recent)._rates
    assert len(rates) == 60
    assert rates[-3:] == pytest.approx([40 * (second % 8) for second in (87, 88, 89)])


def test_the_thread_takes_samples_by_itself() -> None:
    ledger = Ledger()
    with recorded(ledger) as record:
        ledger.stored(Tally(7, 7))
    assert record.samples[-1].totals.stored.values == 7
