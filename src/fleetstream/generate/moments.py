"""Points in time: whole microseconds of Unix time, as integers."""

import time
from datetime import UTC, datetime, timedelta

MICROSECONDS = 1_000_000
"""In a second."""

MILLISECOND = 1_000
"""Microseconds; intervals and history are whole milliseconds."""

LATEST = 253_402_300_800 * MICROSECONDS
"""The end of the year 9999, the last that ISO 8601 can write."""

_EPOCH = datetime.fromtimestamp(0, UTC)


def now() -> int:
    """The wall clock's time in microseconds."""
    return time.time_ns() // 1_000


def from_datetime(when: datetime) -> int:
    """Microseconds of a point in time, which is taken as UTC if it has no time zone."""
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - _EPOCH) // timedelta(microseconds=1)


def to_datetime(timestamp: int) -> datetime:
    """The point in time of a timestamp in microseconds, in UTC."""
    return _EPOCH + timedelta(microseconds=timestamp)


def iso(timestamp: int) -> str:
    """A timestamp in microseconds as ISO 8601 in UTC, with a fraction only where it has one."""
    return to_datetime(timestamp).isoformat().replace("+00:00", "Z")


def next_multiple(timestamp: int, step: int) -> int:
    """The first multiple of ``step`` that is not before ``timestamp``, both in microseconds."""
    return -(-timestamp // step) * step
