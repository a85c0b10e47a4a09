"""Clocks: when the whole fleet is swept."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from fleetstream.generate.moments import MICROSECONDS


class Clock(Protocol):
    """Yields timestamps, microseconds of Unix time, each later than the one before."""

    def __iter__(self) -> Iterator[int]:
        """The timestamps; waits for each to come, and ends early when the run is stopped."""
        ...

    @property
    def due(self) -> bool:
        """Whether the next timestamp could be had without waiting."""
        ...


class LiveClock:
    """The current second, never the same one twice: as often as asked for, at most once a second.

    Timestamps come from the wall clock, waiting goes by the monotonic clock. So when the wall clock
    is set back, timestamps go on from where they were, one a second, until it has caught up: none
    is given twice, and nothing stalls.

    ``wait`` sleeps for so many seconds and returns whether the run is to stop
    (:meth:`threading.Event.wait` does); ``wall`` is the wall clock in seconds of Unix time;
    ``last`` is a timestamp that was given out before, in microseconds.
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
    def due(self) -> bool:
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
    """The timestamps from ``start`` until before ``end``, ``step`` apart, without any waiting."""

    def __init__(self, start: int, end: int, step: int) -> None:
        self._timestamps = range(start, end, step)
        self._given = 0

    @property
    def due(self) -> bool:
        """Whether there is another timestamp."""
        return self._given < len(self._timestamps)

    def __iter__(self) -> Iterator[int]:
        while self.due:
            self._given += 1
            yield self._timestamps[self._given - 1]


class GridClock:
    """Timestamps ``step`` apart from ``first`` on, each as soon as it has come.

    The clock is an open loop: a slow target does not slow it. Timestamps that could not be had in
    time are made up for, one after the other; those that are more than ``max_lag`` microseconds
    late are skipped, and ``skipped`` is called with how many. Where ``first`` lies in the past, the
    timestamps until :attr:`live_from` are history: they are never skipped, and live ones follow
    them without gap or overlap.

    ``wait`` and ``wall`` are those of :class:`LiveClock`. When the wall clock is set back,
    timestamps go on, one a step, until it has caught up.
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
        self.live_from = max(on_grid(self._now, step), first)
        """The first timestamp that was still to come when the clock was made."""

    @property
    def due(self) -> bool:
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
        """The wall clock's microseconds."""
        return int(self._wall() * MICROSECONDS)

    def _skip(self) -> None:
        """Leave out what is too late."""
        if self._max_lag is None or self._next < self.live_from:
            return
        oldest = on_grid(self._now - self._max_lag, self._step)
        if oldest > self._next:
            self._skipped((oldest - self._next) // self._step)
            self._next = oldest


def on_grid(timestamp: int, step: int) -> int:
    """The first multiple of ``step`` that is not before ``timestamp``, both in microseconds."""
    return -(-timestamp // step) * step


class ResumedClock:
    """The timestamps that an earlier run left unfinished, then those of another clock."""

    def __init__(self, unfinished: Sequence[int], onward: Clock) -> None:
        self._unfinished = list(unfinished)
        self._onward = onward

    @property
    def due(self) -> bool:
        """Whether a timestamp is left over, or the other clock has one."""
        return bool(self._unfinished) or self._onward.due

    def __iter__(self) -> Iterator[int]:
        while self._unfinished:
            yield self._unfinished.pop(0)
        yield from self._onward
