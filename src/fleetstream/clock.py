"""Clocks: when the whole fleet is swept."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from fleetstream.signals import MICROSECONDS


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
