"""Timestamps and dates as numbers of nanoseconds since 1970, UTC.

DuckDB computes with microseconds, and rounds a TIMESTAMP_NS to them before it takes a date or a
month of it, so that the last nanosecond of a day belongs to the next one. What is here is exact.
All functions make templates, which may use their arguments several times.
"""

from __future__ import annotations

from fleetstream.emulator.sql.dialect import NANOSECONDS
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.typed_sql import let
from fleetstream.emulator.sql.types import DATE, SqlType

NEGATIVE_TIME = fail("'The time is before 1970-01-01; negative times are not supported'")
_PART_OF_DAY = fail("'Hours, minutes and seconds can not be added to or subtracted from a date'")


def from_nanoseconds(nanoseconds: str) -> str:
    """The timestamp that is ``nanoseconds`` after 1970."""
    return f"make_timestamp_ns({nanoseconds})"


def to_nanoseconds(moment: str, of: SqlType) -> str:
    """Nanoseconds since 1970 of a timestamp or date."""
    return f"epoch_ns(CAST({moment} AS TIMESTAMP_NS))" if of == DATE else f"epoch_ns({moment})"


def rounded_down(value: str, size: int | str) -> str:
    """The largest multiple of ``size`` that is not larger than ``value``."""
    return f"({value} - ({value} % {size} + {size}) % {size})"


def floor_division(value: str, size: int) -> str:
    """``value // size``, rounded down; DuckDB rounds towards zero."""
    return value if size == 1 else f"{rounded_down(value, size)} // {size}"


def to_date(moment: str, of: SqlType) -> str:
    """The date of a timestamp, or a date itself."""
    if of == DATE:
        return moment
    days = floor_division(to_nanoseconds(moment, of), NANOSECONDS["day"])
    return f"(DATE '1970-01-01' + CAST({days} AS INTEGER))"


def to_microseconds(moment: str, of: SqlType) -> str:
    """DuckDB's TIMESTAMP of a timestamp or date, rounded down."""
    if of == DATE:
        return f"CAST({moment} AS TIMESTAMP)"
    return f"make_timestamp({floor_division(to_nanoseconds(moment, of), 1000)})"


def add_nanoseconds(moment: str, of: SqlType, count: str) -> str:
    """A timestamp or date plus ``count`` nanoseconds, of the same type.

    It fails if the result is a date before 1970, and if a part of a day is added to a date.
    """
    if of == DATE:
        count = (
            f"CASE WHEN {count} % {NANOSECONDS['day']} <> 0 THEN {_PART_OF_DAY} ELSE {count} END"
        )
    return _moment(f"{to_nanoseconds(moment, of)} + {count}", of)


def add_months(moment: str, of: SqlType, count: str) -> str:
    """A timestamp or date plus ``count`` months, with the same time of day.

    It fails if the result is a date before 1970.
    """
    day = to_date(moment, of)
    shifted = to_nanoseconds(f"({day} + to_months(CAST({count} AS INTEGER)))", DATE)
    if of != DATE:
        shifted = f"{shifted} + {to_nanoseconds(moment, of)} - {to_nanoseconds(day, DATE)}"
    return _moment(shifted, of)


def _moment(nanoseconds: str, of: SqlType) -> str:
    """The moment that is ``nanoseconds`` after 1970; a date must not be before it.

    The guide says that negative times are errors. Published queries that compare times with ``now()
    - 100y`` work, so only dates, whose range the guide gives, are checked.
    """
    if of != DATE:
        return from_nanoseconds(nanoseconds)
    timestamp = let(
        "n", nanoseconds, f"CASE WHEN n < 0 THEN {NEGATIVE_TIME} ELSE {from_nanoseconds('n')} END"
    )
    return f"CAST({timestamp} AS DATE)"
