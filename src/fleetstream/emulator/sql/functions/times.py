"""Date, time and interval functions: the developer guide's page "Date / time functions".

All times are UTC. Instants are computed in nanoseconds since 1970 (``epoch_ns``), because DuckDB's
timestamp arithmetic has a resolution of microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from fleetstream.emulator.sql.dialect import MONTHS, NANOSECONDS
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import ConstantType, Function, TypeVariable
from fleetstream.emulator.sql.functions.time_formats import joda_to_strftime, mysql_to_strftime
from fleetstream.emulator.sql.typed_sql import TypedSql, let, quote_in_template
from fleetstream.emulator.sql.types import (
    BIGINT,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    TIMESTAMP,
    VARCHAR,
    SqlType,
)

MOMENT = TypeVariable("M", (DATE, TIMESTAMP))
TEXT = ConstantType(VARCHAR)

_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DATE_UNITS = _UNITS[_UNITS.index("day") :]

_NEGATIVE = fail("'The time is before 1970-01-01; negative times are not supported'")
_PART_OF_DAY = fail("'Hours, minutes and seconds can not be added to or subtracted from a date'")
_NO_BIN = fail("'The size of a bin must be greater than 0'")


def from_nanoseconds(nanoseconds: str) -> str:
    """The timestamp that is ``nanoseconds`` after 1970."""
    return f"make_timestamp_ns({nanoseconds})"


def to_nanoseconds(moment: str, of: SqlType) -> str:
    """Nanoseconds since 1970 of a timestamp or date."""
    return f"epoch_ns(CAST({moment} AS TIMESTAMP_NS))" if of == DATE else f"epoch_ns({moment})"


def add_nanoseconds(moment: str, of: SqlType, count: str) -> str:
    """A template for a timestamp or date plus ``count`` nanoseconds, of the same type.

    It fails if the result is before 1970, and if a part of a day is added to a date.
    """
    if of == DATE:
        count = (
            f"CASE WHEN {count} % {NANOSECONDS['day']} <> 0 THEN {_PART_OF_DAY} ELSE {count} END"
        )
    return _from_timestamp(_not_negative(f"{to_nanoseconds(moment, of)} + {count}"), of)


def add_months(moment: str, of: SqlType, count: str) -> str:
    """A template for a timestamp or date plus ``count`` months, with the same time of day.

    It fails if the result is before 1970.
    """
    day = f"CAST({moment} AS DATE)"
    shifted = to_nanoseconds(f"({day} + to_months(CAST({count} AS INTEGER)))", DATE)
    if of != DATE:
        shifted = f"{shifted} + {to_nanoseconds(moment, of)} - {to_nanoseconds(day, DATE)}"
    return _from_timestamp(_not_negative(shifted), of)


def _not_negative(nanoseconds: str) -> str:
    """The timestamp that is ``nanoseconds`` after 1970, which must not be before it."""
    return let(
        "n", nanoseconds, f"CASE WHEN n < 0 THEN {_NEGATIVE} ELSE {from_nanoseconds('n')} END"
    )


def _from_timestamp(timestamp: str, of: SqlType) -> str:
    return f"CAST({timestamp} AS DATE)" if of == DATE else timestamp


def _unit(argument: TypedSql, *moments: TypedSql) -> str:
    """The unit that an argument names, which must be one of the moments' type."""
    unit = str(argument.literal).lower()
    dates = all(moment.type == DATE for moment in moments)
    units = _DATE_UNITS if dates else _UNITS
    if unit not in units:
        of_dates = " of a date" if dates else ""
        raise ValueError(
            f"'{unit}' is not a valid unit{of_dates}; expected one of {', '.join(units)}"
        )
    return unit


def _date_trunc(arguments: Sequence[TypedSql]) -> str:
    truncated = f"CAST(date_trunc('{_unit(arguments[0], arguments[1])}', {{1}}) AS TIMESTAMP_NS)"
    return _from_timestamp(truncated, arguments[1].type)


def _date_add(arguments: Sequence[TypedSql]) -> str:
    unit, of = _unit(arguments[0], arguments[2]), arguments[2].type
    if unit in MONTHS:
        return add_months("{2}", of, f"({{1}} * {MONTHS[unit]})")
    return add_nanoseconds("{2}", of, f"({{1}} * {NANOSECONDS[unit]})")


def _date_diff(arguments: Sequence[TypedSql]) -> str:
    unit, start, end = _unit(*arguments), arguments[1].type, arguments[2].type
    if unit in MONTHS:
        return f"date_sub('{unit}', CAST({{1}} AS TIMESTAMP), CAST({{2}} AS TIMESTAMP))"
    difference = f"{to_nanoseconds('{2}', end)} - {to_nanoseconds('{1}', start)}"
    return f"({difference}) // {NANOSECONDS[unit]}"


def duration_nanoseconds(amount: str, unit: str) -> int:
    """Nanoseconds of a duration such as ("42.8", "ms"); raises ValueError if it is invalid."""
    if unit not in NANOSECONDS:
        raise ValueError(
            f"'{amount}{unit}' is not a duration; expected a number and one of"
            f" {', '.join((*NANOSECONDS, *MONTHS))}"
        )
    try:
        count = int(Decimal(amount) * NANOSECONDS[unit])
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"'{amount}' is not the number of a duration") from error
    if not -(2**63) <= count < 2**63:
        raise ValueError("the duration is longer than 292 years, the longest possible")
    return count


def _parse_duration(arguments: Sequence[TypedSql]) -> str:
    text = str(arguments[0].literal).strip().lower()
    amount = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"CAST({duration_nanoseconds(amount.strip(), text[len(amount) :])} AS BIGINT)"


_BIN = (
    f"CASE WHEN epoch_ns({{0}}) < 0 THEN {_NEGATIVE} WHEN {{1}} <= 0 THEN {_NO_BIN}"
    f" ELSE {from_nanoseconds('epoch_ns({0}) - epoch_ns({0}) % {1}')} END"
)


def _floor_division(value: str, size: int) -> str:
    """``value // size``, rounded down; DuckDB rounds towards zero."""
    return value if size == 1 else f"({value} - ({value} % {size} + {size}) % {size}) // {size}"


def _formatting(to_strftime: Callable[[str], str]) -> Callable[[Sequence[TypedSql]], str]:
    """Formatting a timestamp by a format in another notation."""

    def template(arguments: Sequence[TypedSql]) -> str:
        # The text after %n is formatted separately: DuckDB formats %n wrongly in longer formats.
        parts = to_strftime(str(arguments[1].literal)).replace("%n", "%n\0").split("\0")
        quoted = [quote_in_template(part) for part in parts if part] or ["''"]
        return " || ".join(f"strftime({{0}}, {part})" for part in quoted)

    return template


def _parsing(to_strftime: Callable[[str], str]) -> Callable[[Sequence[TypedSql]], str]:
    """Parsing a timestamp by a format in another notation."""

    def template(arguments: Sequence[TypedSql]) -> str:
        format_text = quote_in_template(to_strftime(str(arguments[1].literal)))
        return f"CAST(strptime({{0}}, {format_text}) AS TIMESTAMP_NS)"

    return template


_OFFSET = (
    "CASE WHEN (p).z IN ('', 'Z') THEN 0 ELSE CAST((p).z[1] || '1' AS BIGINT) *"
    " (CAST((p).z[2:3] AS BIGINT) * 60 + CASE WHEN len((p).z) > 3"
    " THEN CAST(right((p).z, 2) AS BIGINT) ELSE 0 END) * 60000000000 END"
)
_FROM_ISO8601 = let(
    "p",
    r"regexp_extract({0}, '^([^T]+(?:T[^Z+-]*)?)(Z|[+-]\d\d(?::?\d\d)?)?$', ['t', 'z'])",
    f"make_timestamp_ns(epoch_ns(CAST((p).t AS TIMESTAMP_NS)) - {_OFFSET})",
)

_PARTS = {
    "second": "second",
    "minute": "minute",
    "hour": "hour",
    "day": "day",
    "day_of_month": "day",
    "day_of_week": "isodow",
    "dow": "isodow",
    "day_of_year": "dayofyear",
    "doy": "dayofyear",
    "week": "week",
    "week_of_year": "week",
    "month": "month",
    "quarter": "quarter",
    "year": "year",
    "year_of_week": "isoyear",
    "yow": "isoyear",
}
"""Parts of a timestamp or date, and DuckDB's functions for them."""

EXTRACTABLE = frozenset(_PARTS)

FUNCTIONS = (
    *(Function(name, (MOMENT,), BIGINT, f"{function}({{0}})") for name, function in _PARTS.items()),
    Function("millisecond", (TIMESTAMP,), BIGINT, "millisecond({0}) % 1000"),
    Function("nanosecond", (TIMESTAMP,), BIGINT, "nanosecond({0}) % 1000000000"),
    Function("bin", (TIMESTAMP, DAY_TO_SECOND), TIMESTAMP, _BIN),
    Function("bin", (BIGINT, BIGINT), BIGINT, "{0} - (({0} % {1}) + {1}) % {1}"),
    Function("bin", (DOUBLE, DOUBLE), DOUBLE, "floor({0} / {1}) * {1}"),
    Function("current_timezone", (), VARCHAR, "'UTC'"),
    Function("date", (VARCHAR,), DATE, "CAST(CAST({0} AS TIMESTAMP) AS DATE)"),
    Function("date", (TIMESTAMP,), DATE, "CAST({0} AS DATE)"),
    Function("date_add", (TEXT, BIGINT, MOMENT), MOMENT, _date_add),
    Function("date_diff", (TEXT, MOMENT, MOMENT), BIGINT, _date_diff),
    Function("date_format", (TIMESTAMP, TEXT), VARCHAR, _formatting(mysql_to_strftime)),
    Function("date_parse", (VARCHAR, TEXT), TIMESTAMP, _parsing(mysql_to_strftime)),
    Function("date_trunc", (TEXT, MOMENT), MOMENT, _date_trunc),
    Function("format_datetime", (TIMESTAMP, TEXT), VARCHAR, _formatting(joda_to_strftime)),
    Function("from_iso8601_date", (VARCHAR,), DATE, "CAST({0} AS DATE)"),
    Function("from_iso8601_timestamp", (VARCHAR,), TIMESTAMP, _FROM_ISO8601),
    Function("from_milliseconds", (BIGINT,), TIMESTAMP, from_nanoseconds("{0} * 1000000")),
    Function("from_nanoseconds", (BIGINT,), TIMESTAMP, from_nanoseconds("{0}")),
    Function(
        "from_unixtime",
        (DOUBLE,),
        TIMESTAMP,
        from_nanoseconds("CAST(round({0} * 1000) AS BIGINT) * 1000000"),
    ),
    Function("last_day_of_month", (MOMENT,), DATE, "last_day(CAST({0} AS DATE))"),
    Function("parse_duration", (TEXT,), DAY_TO_SECOND, _parse_duration),
    Function("parse_datetime", (VARCHAR, TEXT), TIMESTAMP, _parsing(joda_to_strftime)),
    Function("to_iso8601", (DATE,), VARCHAR, "strftime({0}, '%Y-%m-%d')"),
    Function("to_iso8601", (TIMESTAMP,), VARCHAR, "strftime({0}, '%Y-%m-%dT%H:%M:%S.%n') || 'Z'"),
    *(
        signature
        for name, size in (("milliseconds", 10**6), ("microseconds", 10**3), ("nanoseconds", 1))
        for signature in (
            Function(f"to_{name}", (TIMESTAMP,), BIGINT, _floor_division("epoch_ns({0})", size)),
            Function(f"to_{name}", (DAY_TO_SECOND,), BIGINT, f"{{0}} // {size}"),
        )
    ),
    Function("to_unixtime", (TIMESTAMP,), DOUBLE, "CAST(epoch_ns({0}) AS DOUBLE) / 1000000000"),
)
