"""Clocks: the timestamps at which the whole fleet is swept."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from fleetstream.generate.moments import MICROSECONDS, next_multiple


class Clock(Protocol):
    """Yields timestamps in microseconds of Unix time, each later than the one before."""

    def __iter__(self) -> Iterator[int]:
        """The timestamps; waits for each to come, and ends early when the run is stopped."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether the next timestamp can be had without waiting."""
        ...


def groups(
    clock: Clock, size: int, sweeps: int | None, live_from: int | None = None
) -> Iterator[list[int] | None]:
    """The timestamps of a clock, up to ``size`` together as long as it need not wait.

    Timestamps from ``live_from`` on are alone, since each live sweep has its own time to begin.
    None stands for a pause: the clock waits before the next. Ends after so many ``sweeps``; None
    for no limit.
    """
    group: list[int] = []
    for count, timestamp in enumerate(clock, start=1):
        is_live = live_from is not None and timestamp >= live_from
        if is_live and group:
            yield group
            group = []
        group.append(timestamp)
        last = count == sweeps
        if last or is_live or len(group) == size or not clock.is_ready:
            yield group
            group = []
            if last:
                return
            if not clock.is_ready:
                yield None
    if group:
        yield group


class LiveClock:
    """The current second, as often as asked for, at most once per second.

    Timestamps come from the wall clock, waiting uses the monotonic clock. When the wall clock is
    set back, timestamps continue from where they were, one per second, until it has caught up: none
    repeats, and nothing stalls.

    ``wait`` sleeps for a number of seconds and returns whether the run is to stop, as
    :meth:`threading.Event.wait` does; ``wall`` is the wall clock in seconds of Unix time; ``last``
    is the latest timestamp of an earlier run, in microseconds.
    """

    def __init__(
        self,
        wait: Callable[[float], bool],
        wall: Callable[[], float] = time.time,
        last: int = 0,
    ) -> None:
        self._wait = wait
        self._wall = wall
        self._last = last // MICROSECONDS

    @property
    def is_ready(self) -> bool:
        """Whether the next second has begun."""
        return int(self._wall()) > self._last

    def __iter__(self) -> Iterator[int]:
        while True:
            now = self._wall()
            if int(now) <= self._last:
                if self._wait(min(self._last + 1 - now, 1.0)):
                    return
                now = max(self._wall(), float(self._last + 1))
            self._last = int(now)
            yield self._last * MICROSECONDS


class HistoryClock:
    """The timestamps from ``start`` until before ``end``, ``step`` apart, without waiting."""

    def __init__(self, start: int, end: int, step: int) -> None:
        self._timestamps = range(start, end, step)
        self._given = 0

    @property
    def is_ready(self) -> bool:
        """Whether there is another timestamp."""
        return self._given < len(self._timestamps)

    def __iter__(self) -> Iterator[int]:
        for timestamp in self._timestamps[self._given :]:
            self._given += 1
            yield timestamp


class GridClock:
    """Timestamps ``step`` apart from ``first`` on, each as soon as it has come.

    The clock is an open loop: a slow target does not slow it down. Timestamps that come late follow
    each other without waiting; those that are more than ``max_lag`` microseconds late are skipped,
    and ``skipped`` is called with their number. Where ``first`` is in the past, the timestamps
    before :attr:`live_from` are history: they are never skipped, and live ones follow them without
    gap or overlap.

    ``wait`` and ``wall`` are those of :class:`LiveClock`. When the wall clock is set back,
    timestamps continue, one per step, until it has caught up.
    """

    def __init__(
        self,
        first: int,
        step: int,
        wait: Callable[[float], bool],
        *,
        wall: Callable[[], float] = time.time,
        max_lag: int | None = None,
        skipped: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._next = first
        self._step = step
        self._wait = wait
        self._wall = wall
        self._max_lag = max_lag
        self._skipped = skipped
        self.live_from = max(next_multiple(self._now, step), first)
        """The first timestamp that was in the future when the clock was created."""

    @property
    def is_ready(self) -> bool:
        """Whether the next timestamp has come."""
        return self._next <= self._now

    def __iter__(self) -> Iterator[int]:
        while True:
            self._skip()
            ahead = self._next - self._now
            if ahead > 0 and self._wait(min(ahead, self._step) / MICROSECONDS):
                return
            self._next += self._step
            yield self._next - self._step

    @property
    def _now(self) -> int:
        return int(self._wall() * MICROSECONDS)

    def _skip(self) -> None:
        """Leave out timestamps that are too late."""
        if self._max_lag is None or self._next < self.live_from:
            return
        oldest = next_multiple(self._now - self._max_lag, self._step)
        if oldest > self._next:
            self._skipped((oldest - self._next) // self._step)
            self._next = oldest


class ResumedClock:
    """The timestamps that an earlier run left unfinished, then those of another clock."""

    def __init__(self, unfinished: Sequence[int], onward: Clock) -> None:
        self._unfinished = list(unfinished)
        self._onward = onward

    @property
    def is_ready(self) -> bool:
        """Whether a timestamp is left over, or the other clock has one."""
        return bool(self._unfinished) or self._onward.is_ready

    def __iter__(self) -> Iterator[int]:
        while self._unfinished:
            yield self._unfinished.pop(0)
        yield from self._onward
