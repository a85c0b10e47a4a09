"""Schedule expressions: ``rate(5 minutes)`` and ``cron(0 12 * * ? *)``, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Protocol

from aws_croniter import AwsCroniter

_RATE = re.compile(r"rate\((\d{1,6}) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((.+)\)")


class Schedule(Protocol):
    """The times at which a query is run."""

    def next_after(self, time: datetime) -> datetime | None:
        """The first one after ``time``; None if there is none."""

    def last_until(self, time: datetime) -> datetime | None:
        """The last one that is not after ``time``; None if there is none."""


def read_schedule(expression: str, start: datetime) -> Schedule:
    """The schedule of an expression; a rate counts from ``start``.

    Raises ValueError for an invalid expression.
    """
    rate = _RATE.fullmatch(expression)
    if rate is not None and int(rate[1]):
        return _Rate(start, timedelta(**{f"{rate[2]}s": int(rate[1])}))
    cron = _CRON.fullmatch(expression)
    if cron is None:
        raise ValueError(
            f"The schedule expression {expression!r} is not valid; write it as rate(5 minutes),"
            " with a number of minutes, hours or days, or as cron(0 12 * * ? *)."
        )
    try:
        return _Cron(AwsCroniter(cron[1]))
    except ValueError as error:
        raise ValueError(f"The schedule expression {expression!r} is not valid: {error}") from error


class _Rate:
    def __init__(self, start: datetime, interval: timedelta) -> None:
        self._start, self._interval = start, interval

    def next_after(self, time: datetime) -> datetime | None:
        passed = max((time - self._start) // self._interval, 0)
        return self._start + (passed + 1) * self._interval

    def last_until(self, time: datetime) -> datetime | None:
        passed = (time - self._start) // self._interval
        return self._start + passed * self._interval if passed > 0 else None


class _Cron:
    def __init__(self, cron: AwsCroniter) -> None:
        self._cron = cron

    def next_after(self, time: datetime) -> datetime | None:
        found: datetime | None = self._cron.occurrence(_minute(time)).next()
        return found

    def last_until(self, time: datetime) -> datetime | None:
        found: datetime | None = self._cron.occurrence(_minute(time)).prev(inclusive=True)
        return found


def _minute(time: datetime) -> datetime:
    """The start of a time's minute; the library rounds to milliseconds, also up."""
    return time.replace(second=0, microsecond=0)
