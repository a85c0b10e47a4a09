"""The clocks of history and of a fixed interval: which timestamps they yield, and when."""

from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.moments import next_multiple
from fleetstream.run.clock import GridClock, HistoryClock, LiveClock

SECOND = 1_000_000


class Time:
    """A wall clock that goes on only when somebody waits, or by hand."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.waited: list[float] = []

    def wall(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.waited.append(seconds)
        self.now += seconds
        return False


def seconds(timestamps: Iterator[int], count: int) -> list[float]:
    return [timestamp / SECOND for timestamp in islice(timestamps, count)]


@given(st.integers(0, 10**15), st.integers(1, 10**10), st.integers(1, 100), st.data())
def test_history_is_every_step_before_the_end_without_waiting(
    start: int, step: int, count: int, data: st.DataObject
) -> None:
    end = start + step * (count - 1) + data.draw(st.integers(1, step))
    assert list(HistoryClock(start, end, step)) == [start + step * i for i in range(count)]


def test_history_is_ready_until_its_last_timestamp() -> None:
    clock = HistoryClock(0, 3, 1)
    assert [clock.is_ready for _ in clock] == [True, True, False]


@given(st.integers(0, 10**15), st.integers(1, 10**10))
def test_the_grid_does_not_depend_on_where_one_begins(timestamp: int, step: int) -> None:
    assert next_multiple(timestamp, step) % step == 0
    assert 0 <= next_multiple(timestamp, step) - timestamp < step


def test_the_grid_is_kept_live_and_waits_for_each_timestamp() -> None:
    time = Time(100.25)
    clock = GridClock(101 * SECOND, SECOND, time.wait, wall=time.wall)
    assert seconds(iter(clock), 3) == [101, 102, 103]
    assert time.waited == [0.75, 1, 1]


def test_a_backfill_goes_on_live_without_gap_or_overlap() -> None:
    time = Time(100.0)
    clock = GridClock(70 * SECOND, 10 * SECOND, time.wait, wall=time.wall, max_lag=SECOND)
    given_out = iter(clock)
    assert clock.live_from == 100 * SECOND
    assert seconds(given_out, 3) == [70, 80, 90]
    assert clock.is_ready
    assert not time.waited
    assert seconds(given_out, 3) == [100, 110, 120]
    assert not clock.is_ready


def test_what_a_stall_held_up_is_made_up_for_at_once() -> None:
    time = Time(100.0)
    given_out = iter(GridClock(100 * SECOND, SECOND, time.wait, wall=time.wall))
    assert seconds(given_out, 1) == [100]
    time.now += 4.5
    assert seconds(given_out, 5) == [101, 102, 103, 104, 105]
    assert time.waited == [0.5]


def test_what_is_later_than_the_lag_is_skipped_and_counted() -> None:
    time, skipped = Time(100.0), []
    clock = GridClock(
        *(100 * SECOND, SECOND, time.wait),
        wall=time.wall,
        max_lag=2 * SECOND,
        skipped=skipped.append,
    )
    given_out = iter(clock)
    assert seconds(given_out, 1) == [100]
    time.now = 110.5
    assert seconds(given_out, 3) == [109, 110, 111]
    assert skipped == [8]


@pytest.mark.parametrize("step", [1, 10])
def test_a_wall_clock_set_back_neither_repeats_nor_stalls(step: int) -> None:
    time = Time(1000.0)
    given_out = iter(GridClock(1000 * SECOND, step * SECOND, time.wait, wall=time.wall))
    assert seconds(given_out, 2) == [1000, 1000 + step]
    time.now -= 500
    assert seconds(given_out, 2) == [1000 + 2 * step, 1000 + 3 * step]
    assert max(time.waited) <= step


def test_a_stop_ends_waiting() -> None:
    assert list(GridClock(10**6 * SECOND, SECOND, lambda _: True, wall=lambda: 0.0)) == []
    assert list(islice(LiveClock(lambda _: True, wall=lambda: 5.5), 9)) == [5 * SECOND]
