"""Dates, times and durations: the guide's page "Date / time functions".

Everything is UTC. Instants are computed in nanoseconds since 1970 (`epoch_ns`), because DuckDB's
own arithmetic on timestamps falls back to microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from fleetstream.local.sql.dialect import MONTHS, NANOSECONDS
from fleetstream.local.sql.signatures import Constant, Function, Variable
from fleetstream.local.sql.string_functions import quote
from fleetstream.local.sql.time_formats import joda_to_strftime, mysql_to_strftime
from fleetstream.local.sql.types import (
    BIGINT,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    TIMESTAMP,
    VARCHAR,
    Bound,
)

MOMENT = Variable("M", (DATE, TIMESTAMP))
TEXT = Constant(VARCHAR)

_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")


def instant(nanoseconds: str) -> str:
    """DuckDB's text for the timestamp at `nanoseconds` since 1970."""
    return f"make_timestamp_ns({nanoseconds})"


def nanoseconds(moment: Bound) -> str:
    """DuckDB's text for a timestamp or a date as nanoseconds since 1970."""
    if moment.type == DATE:
        return f"epoch_ns(CAST({moment.sql} AS TIMESTAMP_NS))"
    return f"epoch_ns({moment.sql})"


def like(moment: Bound, sql: str) -> str:
    """`sql`, a timestamp, as a date when `moment` is one."""
    return f"CAST({sql} AS DATE)" if moment.type == DATE else sql


def add_nanoseconds(moment: Bound, count: str) -> str:
    """A timestamp or date, later by `count` nanoseconds."""
    return like(moment, instant(f"({nanoseconds(moment)} + {count})"))


def add_months(moment: Bound, count: str) -> str:
    """A timestamp or date, later by `count` months; the time of day stays to the nanosecond."""
    day = f"CAST({moment.sql} AS DATE)"
    shifted = (
        f"epoch_ns(CAST(CAST({day} + to_months(CAST({count} AS INTEGER)) AS DATE) AS TIMESTAMP_NS))"
    )
    if moment.type == DATE:
        return f"CAST({day} + to_months(CAST({count} AS INTEGER)) AS DATE)"
    return instant(f"({shifted} + {nanoseconds(moment)} - epoch_ns(CAST({day} AS TIMESTAMP_NS)))")


def _unit(argument: Bound) -> str:
    unit = str(argument.literal).lower()
    if unit not in _UNITS:
        raise ValueError(f"'{unit}' is not a valid unit; expected one of {', '.join(_UNITS)}")
    return unit


def _date_trunc(arguments: Sequence[Bound]) -> str:
    unit, moment = _unit(arguments[0]), arguments[1]
    truncated = f"CAST(date_trunc('{unit}', {moment.sql}) AS TIMESTAMP_NS)"
    return like(moment, truncated)


def _date_add(arguments: Sequence[Bound]) -> str:
    unit, count, moment = _unit(arguments[0]), arguments[1].sql, arguments[2]
    if unit in MONTHS:
        return add_months(moment, f"({count} * {MONTHS[unit]})")
    return add_nanoseconds(moment, f"({count} * {NANOSECONDS[unit]})")


def _date_diff(arguments: Sequence[Bound]) -> str:
    unit, start, end = _unit(arguments[0]), arguments[1], arguments[2]
    if unit in MONTHS:
        first, last = (f"CAST({moment.sql} AS TIMESTAMP)" for moment in (start, end))
        return f"date_sub('{unit}', {first}, {last})"
    return f"(({nanoseconds(end)} - {nanoseconds(start)}) // {NANOSECONDS[unit]})"


def duration_nanoseconds(amount: str, unit: str) -> int:
    """Nanoseconds of a duration such as ("42.8", "ms").

    Raises:
        ValueError: the unit or the amount is none that the service knows; says so in a sentence.

    """
    if unit not in NANOSECONDS:
        raise ValueError(
            f"'{amount}{unit}' is not a duration; expected a number and one of"
            f" {', '.join((*NANOSECONDS, *MONTHS))}"
        )
    try:
        count = int(Decimal(amount) * NANOSECONDS[unit])
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"'{amount}' is not a number that a duration can have") from error
    if not -(2**63) <= count < 2**63:
        raise ValueError("the duration is longer than 292 years, the most that can be held")
    return count


def _parse_duration(arguments: Sequence[Bound]) -> str:
    text = str(arguments[0].literal).strip().lower()
    amount = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"CAST({duration_nanoseconds(amount.strip(), text[len(amount) :])} AS BIGINT)"


def _bin(step: str, value: str) -> str:
    return f"({value} - (({value} % {step}) + {step}) % {step})"


_OFFSET = (
    "CASE WHEN p.z IN ('', 'Z') THEN 0 ELSE CAST(p.z[1] || '1' AS BIGINT) *"
    " (CAST(p.z[2:3] AS BIGINT) * 60 + CASE WHEN len(p.z) > 3 THEN CAST(right(p.z, 2) AS BIGINT)"
    " ELSE 0 END) * 60000000000 END"
)
_FROM_ISO8601 = (
    "list_transform([regexp_extract({0}, '"
    r"^([^T]+(?:T[^Z+-]*)?)(Z|[+-]\d\d(?::?\d\d)?)?$"
    "', ['t', 'z'])], lambda p: make_timestamp_ns(epoch_ns(CAST(p.t AS TIMESTAMP_NS)) - "
    f"{_OFFSET}))[1]"
)


def _formatted(moment: str, text: str) -> str:
    """STRFTIME of a format; what follows %n goes apart, where DuckDB would lose its place."""
    parts = [quote(part) for part in text.replace("%n", "%n\0").split("\0") if part]
    return "(" + " || ".join(f"strftime({moment}, {part})" for part in parts or ["''"]) + ")"


_PARTS = {
    "second": "second({0})",
    "minute": "minute({0})",
    "hour": "hour({0})",
    "day": "day({0})",
    "day_of_month": "day({0})",
    "day_of_week": "isodow({0})",
    "dow": "isodow({0})",
    "day_of_year": "dayofyear({0})",
    "doy": "dayofyear({0})",
    "week": "week({0})",
    "week_of_year": "week({0})",
    "month": "month({0})",
    "quarter": "quarter({0})",
    "year": "year({0})",
    "year_of_week": "isoyear({0})",
    "yow": "isoyear({0})",
}
"""What can be extracted from a timestamp or date, and how."""

EXTRACTABLE = frozenset(_PARTS)

FUNCTIONS = (
    *(Function(name, (MOMENT,), BIGINT, sql) for name, sql in _PARTS.items()),
    Function("millisecond", (TIMESTAMP,), BIGINT, "(millisecond({0}) % 1000)"),
    Function("nanosecond", (TIMESTAMP,), BIGINT, "(nanosecond({0}) % 1000000000)"),
    Function(
        "bin",
        (TIMESTAMP, DAY_TO_SECOND),
        TIMESTAMP,
        lambda a: instant(_bin(a[1].sql, nanoseconds(a[0]))),
    ),
    Function("bin", (BIGINT, BIGINT), BIGINT, lambda a: _bin(a[1].sql, a[0].sql)),
    Function("bin", (DOUBLE, DOUBLE), DOUBLE, "(floor({0} / {1}) * {1})"),
    Function("current_timezone", (), VARCHAR, "'UTC'"),
    Function("date", (VARCHAR,), DATE, "CAST(CAST({0} AS TIMESTAMP) AS DATE)"),
    Function("date", (TIMESTAMP,), DATE, "CAST({0} AS DATE)"),
    Function("date_add", (TEXT, BIGINT, MOMENT), MOMENT, _date_add),
    Function("date_diff", (TEXT, MOMENT, MOMENT), BIGINT, _date_diff),
    Function(
        "date_format",
        (TIMESTAMP, TEXT),
        VARCHAR,
        lambda a: _formatted(a[0].sql, mysql_to_strftime(str(a[1].literal))),
    ),
    Function(
        "date_parse",
        (VARCHAR, TEXT),
        TIMESTAMP,
        lambda a: (
            f"CAST(strptime({a[0].sql}, {quote(mysql_to_strftime(str(a[1].literal)))})"
            " AS TIMESTAMP_NS)"
        ),
    ),
    Function("date_trunc", (TEXT, MOMENT), MOMENT, _date_trunc),
    Function(
        "format_datetime",
        (TIMESTAMP, TEXT),
        VARCHAR,
        lambda a: _formatted(a[0].sql, joda_to_strftime(str(a[1].literal))),
    ),
    Function("from_iso8601_date", (VARCHAR,), DATE, "CAST({0} AS DATE)"),
    Function("from_iso8601_timestamp", (VARCHAR,), TIMESTAMP, _FROM_ISO8601),
    Function("from_milliseconds", (BIGINT,), TIMESTAMP, instant("({0} * 1000000)")),
    Function("from_nanoseconds", (BIGINT,), TIMESTAMP, instant("{0}")),
    Function(
        "from_unixtime",
        (DOUBLE,),
        TIMESTAMP,
        instant("CAST(round({0} * 1000) AS BIGINT) * 1000000"),
    ),
    Function("last_day_of_month", (MOMENT,), DATE, "last_day(CAST({0} AS DATE))"),
    Function("parse_duration", (TEXT,), DAY_TO_SECOND, _parse_duration),
    Function(
        "parse_datetime",
        (VARCHAR, TEXT),
        TIMESTAMP,
        lambda a: (
            f"CAST(strptime({a[0].sql}, {quote(joda_to_strftime(str(a[1].literal)))})"
            " AS TIMESTAMP_NS)"
        ),
    ),
    Function("to_iso8601", (DATE,), VARCHAR, "strftime({0}, '%Y-%m-%d')"),
    Function("to_iso8601", (TIMESTAMP,), VARCHAR, "strftime({0}, '%Y-%m-%dT%H:%M:%S.%n') || 'Z'"),
    *(
        function
        for name, size in (("milliseconds", 10**6), ("microseconds", 10**3), ("nanoseconds", 1))
        for function in (
            Function(f"to_{name}", (TIMESTAMP,), BIGINT, f"(epoch_ns({{0}}) // {size})"),
            Function(f"to_{name}", (DAY_TO_SECOND,), BIGINT, f"({{0}} // {size})"),
        )
    ),
    Function("to_unixtime", (TIMESTAMP,), DOUBLE, "(CAST(epoch_ns({0}) AS DOUBLE) / 1000000000)"),
)
