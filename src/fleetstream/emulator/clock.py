"""The time of the local Timestream, which tests can set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class SettableClock:
    """The system's clock, or one that differs from it by an amount; it always runs on.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._offset = 0
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """The time in nanoseconds since 1970."""
        return time.time_ns() + self._offset

    def seconds(self) -> float:
        """The time in seconds since 1970."""
        return self.now() / 1e9

    def time(self) -> datetime:
        """The time in UTC."""
        return _EPOCH + timedelta(microseconds=self.now() // 1000)

    def set(self, to: datetime) -> None:
        """Make it ``to``; a time without a zone is UTC.

        Records whose retention ends are deleted when this returns. Raises ValueError for a time
        before 1970 or after 2199.
        """
        if to.tzinfo is None:
            to = to.replace(tzinfo=UTC)
        if not _EARLIEST <= to < _LATEST:
            raise ValueError(f"The time can be set from 1970 to 2199, not to {to.isoformat()}.")
        self._shift((to - _EPOCH) // _MICROSECOND * 1000 - time.time_ns())

    def advance(self, by: timedelta) -> None:
        """Set it forward, or back by a negative duration; as ``set``."""
        try:
            to = self.time() + by
        except OverflowError as error:
            raise ValueError(f"The time can't be changed by {by.days} days.") from error
        self.set(to)

    def reset(self) -> None:
        """Make it the system's clock again."""
        self._shift(0)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever the clock was set, before ``set`` returns."""
        self._listeners.append(listener)

    def _shift(self, offset: int) -> None:
        with self._lock:
            self._offset = offset
            for listener in self._listeners:
                listener()
