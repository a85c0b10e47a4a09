"""Histories of runs: bounded in memory, with exact rates."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from fleetstream.report import history
from fleetstream.report.history import History, Interval, current, intervals, recorded
from fleetstream.report.live import Sparkline
from fleetstream.run.ledger import Ledger
from tests.report.runs import deliver


class Clock:
    """Stands in for the monotonic clock of ledgers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(
            "fleetstream.run.ledger.time", SimpleNamespace(monotonic=lambda: self.now)
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def work(record: History, clock: Clock, seconds: float, values: int) -> None:
    """Deliver ``values`` values in one request that took 10 ms, after ``seconds``."""
    clock.now += seconds
    deliver(record.ledger, values, size=1_000)
    record.take()


def test_rates_are_those_between_two_samples(clock: Clock) -> None:
    record = History(Ledger())
    for _ in range(40):
        work(record, clock, 0.25, 100)
    for _ in range(40):
        work(record, clock, 0.25, 300)
    now, whole = current(record.recent), Interval(record.samples[0], record.samples[-1])
    assert now.seconds == pytest.approx(history.CURRENT_SECONDS)
    assert now.values_per_second == pytest.approx(1_200)
    assert now.requests_per_second == pytest.approx(4)
    assert now.bytes_per_second == pytest.approx(4_000)
    assert whole.values_per_second == pytest.approx(800)
    assert now.latencies.counts.sum() == 40
    assert now.latencies.percentiles(50, 99) == pytest.approx([0.01, 0.01], rel=0.05)
    seconds = intervals(record.recent, 1.0)
    assert len(seconds) == 20
    assert [round(each.values_per_second) for each in seconds] == [400] * 10 + [1_200] * 10


def test_the_current_rate_of_steady_sweeps_is_steady(clock: Clock) -> None:
    """One sweep of 26,260 values per second, which ends a little earlier or later each time."""
    record = History(Ledger())
    done, rates = 0, []
    for quarter in range(1, 241):
        second, part = divmod(quarter, 4)
        late = 1 + second % 3
        values = 0
        if part >= late and done <= second:
            done, values = second + 1, 26_260
        clock.now += 0.25
        if values:
            deliver(record.ledger, values)
        record.take()
        if quarter > 60:
            rates.append(current(record.recent).values_per_second)
    assert 0.88 * 26_260 < min(rates) <= max(rates) < 1.12 * 26_260


def test_a_target_without_bytes_has_no_rate_of_them(clock: Clock) -> None:
    record = History(Ledger())
    clock.now += 1
    deliver(record.ledger, 100)
    record.take()
    assert current(record.recent).bytes_per_second is None


def test_long_runs_take_no_more_memory(clock: Clock) -> None:
    record = History(Ledger())
    for _ in range(5 * history.CAPACITY):
        work(record, clock, history.SAMPLE_SECONDS, 10)
    samples = record.samples
    assert history.CAPACITY / 2 <= len(samples) <= history.CAPACITY + 1
    assert len(record.recent) == history.RECENT_SECONDS / history.SAMPLE_SECONDS + 1
    assert samples[0].elapsed == 0
    assert samples[-1].elapsed == pytest.approx(record.ledger.elapsed)
    # The latest sample is the last one, at whatever distance.
    gaps = {round(later.elapsed - each.elapsed, 2) for each, later in pairwise(samples[:-1])}
    assert len(gaps) == 1
    stored = [each.after.totals.stored.values for each in intervals(samples, gaps.pop())]
    assert stored == sorted(stored)
    assert stored[-1] == 50 * history.CAPACITY


def test_the_sparkline_has_one_bar_per_second(clock: Clock) -> None:
    record = History(Ledger())
    for second in range(200):
        for _ in range(4):
            work(record, clock, 0.25, 10 * (second % 8))
    rates = Sparkline(record.recent).rates
    assert len(rates) == history.RECENT_SECONDS
    assert rates[-3:] == pytest.approx([40 * (second % 8) for second in (197, 198, 199)])


def test_latencies_are_absent_until_a_request_was_timed() -> None:
    ledger = Ledger()
    record = History(ledger)
    record.take()
    assert record.samples[-1].latencies is None
    deliver(ledger, seconds=0.5)
    record.take()
    latencies = record.samples[-1].latencies
    assert latencies is not None
    assert latencies.p50 == pytest.approx(0.5, rel=0.001)


def test_a_thread_takes_samples_and_a_last_one() -> None:
    ledger = Ledger()
    with recorded(ledger) as record:
        deliver(ledger, 7)
    assert record.samples[-1].totals.stored.values == 7
