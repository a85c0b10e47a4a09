"""What moves a driver over years and on special days: growth and holidays."""

from datetime import date
from functools import cached_property
from typing import Annotated

import msgspec

BEGINNING_DATE = "2020-01-01"

LEAP_YEAR = 2000
"""A year that has every day that a year can have."""


class Growth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A trend: the driver is multiplied by 1 + ``per_year`` for each year since a date.

    It grows, or shrinks where ``per_year`` is negative, steadily and by the same share at all
    times; before ``since`` (a day in UTC) it is smaller accordingly.
    """

    per_year: Annotated[float, msgspec.Meta(ge=-0.9, le=10)]
    since: str = BEGINNING_DATE

    def __post_init__(self) -> None:
        _ = self.since_date

    @cached_property
    def since_date(self) -> date:
        return _date(self.since, self.since)


class Holidays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Special days on which the driver is multiplied by a ``factor``, below 1 or above.

    ``dates`` are days of every year, such as ``"12-25"``, or of one, such as ``"2026-11-27"``. Each
    begins a holiday of so many ``days`` in local time. The factor is reached within the first hour
    and left within the last one. Where holidays overlap, their factors are multiplied.
    """

    dates: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    factor: Annotated[float, msgspec.Meta(ge=0, le=100)]
    days: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    description: str = ""

    def __post_init__(self) -> None:
        for text in self.dates:
            _date(text if _has_year(text) else f"{LEAP_YEAR}-{text}", text)

    def in_years(self, first: int, last: int) -> list[list[date]]:
        """For each of the dates, the days on which it begins from one year to another."""
        return [
            [date.fromisoformat(text)]
            if _has_year(text)
            else [day for year in range(first, last + 1) if (day := _in_year(text, year))]
            for text in self.dates
        ]


def _has_year(text: str) -> bool:
    return text.count("-") > 1


def _in_year(text: str, year: int) -> date | None:
    """A day of a year, None for 29 February where there is none."""
    try:
        return date.fromisoformat(f"{year:04}-{text}")
    except ValueError:
        return None


def _date(text: str, given: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{given!r} is not a date; write it as 2026-11-27, or a holiday of every year as 12-25"
        ) from None
