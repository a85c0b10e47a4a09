"""The live clock: whole seconds, none twice, whatever happens to the wall clock."""

import threading
import time
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.run.clock import LiveClock, ResumedClock

START = 1_700_000_000.25


class Machine:
    """A machine whose time passes only when it waits or works, and whose wall clock can be set."""

    def __init__(self) -> None:
        self.uptime = 0.0
        self.set_by = 0.0
        self.waits: list[float] = []

    def wall(self) -> float:
        return START + self.uptime + self.set_by

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.work(seconds)
        return False

    def work(self, seconds: float) -> None:
        self.uptime += seconds


WORK = st.lists(st.floats(0, 3), min_size=1, max_size=30)
"""How long each sweep takes."""

STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.just(0.0) | st.floats(-7_200, 7_200)), min_size=1, max_size=30
)
"""How long each sweep takes, and by how much the wall clock is set during it."""


@given(WORK)
def test_sweeps_are_at_the_current_second(work: list[float]) -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    seen = []
    for timestamp, seconds in zip(clock, work, strict=False):
        assert timestamp == int(machine.wall()) * 1_000_000
        seen.append(timestamp)
        machine.work(seconds)
    assert seen == sorted(set(seen))


@given(STEPS)
def test_no_second_comes_twice_whatever_the_wall_clock_does(
    steps: list[tuple[float, float]],
) -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    last = 0
    for timestamp, (seconds, step) in zip(clock, steps, strict=False):
        assert timestamp > last
        assert timestamp % 1_000_000 == 0
        last = timestamp
        machine.work(seconds)
        machine.set_by += step
    assert all(0 < seconds <= 1 for seconds in machine.waits)


@given(st.floats(1, 7_200), st.integers(1, 10))
def test_set_back_it_goes_on_once_a_second(step: float, sweeps: int) -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    timestamps = iter(clock)
    first = next(timestamps)
    machine.set_by -= step
    began = machine.uptime
    following = list(islice(timestamps, sweeps))
    assert following == [first + 1_000_000 * i for i in range(1, sweeps + 1)]
    assert machine.uptime - began == pytest.approx(sweeps, abs=1)


def test_set_forward_it_follows_at_once() -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    timestamps = iter(clock)
    next(timestamps)
    machine.set_by += 3_600
    assert next(timestamps) == int(START + 3_600) * 1_000_000
    assert machine.waits == []


def test_two_sweeps_in_a_second_wait_for_the_next() -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    first, second = islice(clock, 2)
    assert second - first == 1_000_000
    assert machine.waits == [pytest.approx(0.75)]


def test_it_is_ready_when_the_next_second_has_begun() -> None:
    machine = Machine()
    clock = LiveClock(machine.wait, machine.wall)
    assert clock.is_ready
    next(iter(clock))
    assert not clock.is_ready
    machine.work(0.75)
    assert clock.is_ready


def test_it_continues_after_a_timestamp_given_out_before() -> None:
    machine = Machine()
    last = int(START) * 1_000_000
    assert next(iter(LiveClock(machine.wait, machine.wall, last))) == last + 1_000_000


def test_a_stop_ends_it_while_it_waits() -> None:
    """With the real clocks: the wait for the next second is cut short."""
    stop = threading.Event()
    timestamps = iter(LiveClock(stop.wait))
    next(timestamps)
    next(timestamps)
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert list(timestamps) == []
    assert time.monotonic() - began < 0.9


def test_real_time() -> None:
    began = time.time()
    timestamps = list(islice(LiveClock(threading.Event().wait), 3))
    assert timestamps == [timestamps[0] + second * 1_000_000 for second in range(3)]
    assert int(began) * 1_000_000 <= timestamps[0]
    assert timestamps[-1] <= time.time() * 1_000_000


def test_resumed_clock_finishes_what_was_left_first() -> None:
    machine = Machine()
    onward = LiveClock(machine.wait, machine.wall, last=int(START) * 1_000_000)
    clock = ResumedClock([7_000_000, 9_000_000], onward)
    timestamps = iter(clock)
    assert clock.is_ready
    assert list(islice(timestamps, 2)) == [7_000_000, 9_000_000]
    assert not clock.is_ready
    assert next(timestamps) == int(START + 1) * 1_000_000
