"""Date, time and interval functions: the developer guide's page "Date / time functions".

All times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.dialect import MONTHS, NANOSECONDS
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import ConstantType, Function, TypeVariable
from fleetstream.emulator.sql.functions.time_formats import joda_to_strftime, mysql_to_strftime
from fleetstream.emulator.sql.instants import (
    NEGATIVE_TIME,
    add_months,
    add_nanoseconds,
    floor_division,
    from_nanoseconds,
    rounded_down,
    to_date,
    to_microseconds,
    to_nanoseconds,
)
from fleetstream.emulator.sql.typed_sql import TypedSql, as_template, let, quote_in_template
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

_NO_BIN = fail("'The size of a bin must be greater than 0'")


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
    unit, of = _unit(arguments[0], arguments[1]), arguments[1].type
    if unit in NANOSECONDS and unit != "week":
        nanoseconds = rounded_down(to_nanoseconds("{1}", of), NANOSECONDS[unit])
        truncated = from_nanoseconds(nanoseconds)
    else:
        truncated = f"date_trunc('{unit}', {to_date('{1}', of)})"
    return f"CAST({truncated} AS {of.duckdb})"


def _date_add(arguments: Sequence[TypedSql]) -> str:
    unit, of = _unit(arguments[0], arguments[2]), arguments[2].type
    if unit in MONTHS:
        return add_months("{2}", of, f"({{1}} * {MONTHS[unit]})")
    return add_nanoseconds("{2}", of, f"({{1}} * {NANOSECONDS[unit]})")


def _date_diff(arguments: Sequence[TypedSql]) -> str:
    unit, start, end = _unit(*arguments), arguments[1].type, arguments[2].type
    if unit in MONTHS:
        return f"date_sub('{unit}', {to_microseconds('{1}', start)}, {to_microseconds('{2}', end)})"
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


_DURATION_UNITS = "|".join(NANOSECONDS)
_UNIT_SIZES = " ".join(f"WHEN '{unit}' THEN {size}" for unit, size in NANOSECONDS.items())
_NO_DURATION = fail("'\"' || {0} || '\" is not a duration as in 1.5h'")
_PARSED_DURATION = let(
    "p",
    f"regexp_extract(lower({{0}}), '^\\s*(\\d+)(\\.\\d+)?\\s*({_DURATION_UNITS})\\s*$',"
    " ['w', 'f', 'u'])",
    f"CASE WHEN {{0}} IS NOT NULL AND (p).u = '' THEN {_NO_DURATION} WHEN {{0}} IS NOT NULL THEN "
    + let(
        "size",
        f"CAST(CASE (p).u {_UNIT_SIZES} END AS BIGINT)",
        "CAST((p).w AS BIGINT) * size"
        " + CAST(floor(CAST('0' || (p).f AS DECIMAL(18, 15)) * size) AS BIGINT)",
    )
    + " END",
)


def _parse_duration(arguments: Sequence[TypedSql]) -> str:
    if arguments[0].literal is None:
        return _PARSED_DURATION
    text = str(arguments[0].literal).strip().lower()
    amount = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"CAST({duration_nanoseconds(amount.strip(), text[len(amount) :])} AS BIGINT)"


_BIN = (
    f"CASE WHEN epoch_ns({{0}}) < 0 THEN {NEGATIVE_TIME} WHEN {{1}} <= 0 THEN {_NO_BIN}"
    f" ELSE {from_nanoseconds('epoch_ns({0}) - epoch_ns({0}) % {1}')} END"
)


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
        specifiers, text = to_strftime(str(arguments[1].literal)), "{0}"
        if not re.search("%[YyG]", specifiers.replace("%%", "")):
            # Trino's year is 1970, DuckDB's 1900.
            specifiers, text = f"%Y {specifiers}", "'1970 ' || {0}"
        return f"CAST(strptime({text}, {quote_in_template(specifiers)}) AS TIMESTAMP_NS)"

    return template


_NOT_ISO8601 = fail("'\"' || {0} || '\" is not a time as in 2024-01-31T10:15:30.5+02:00'")
_OFFSET = (
    "CASE WHEN (p).z IN ('', 'Z') THEN 0 ELSE CAST((p).z[1] || '1' AS BIGINT) *"
    " (CAST((p).z[2:3] AS BIGINT) * 60 + CASE WHEN len((p).z) > 3"
    " THEN CAST(right((p).z, 2) AS BIGINT) ELSE 0 END) * 60000000000 END"
)
_ISO8601_TIME = (
    "TRY_CAST((p).d || ' ' || CASE len((p).t) WHEN 0 THEN '00:00' WHEN 2 THEN (p).t || ':00'"
    " ELSE (p).t END AS TIMESTAMP_NS)"
)
_FROM_ISO8601 = let(
    "p",
    r"regexp_extract({0}, '^(\d{{4}}-\d\d-\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?)?)"
    r"(Z|[+-]\d\d(?::?\d\d)?)?)?$', ['d', 't', 'z'])",
    f"CASE WHEN {{0}} IS NULL THEN NULL WHEN {_ISO8601_TIME} IS NULL THEN {_NOT_ISO8601}"
    f" ELSE {from_nanoseconds(f'epoch_ns({_ISO8601_TIME}) - {_OFFSET}')} END",
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


def _part(function: str) -> Callable[[Sequence[TypedSql]], str]:
    """A part of a timestamp or date by DuckDB's function."""

    def template(arguments: Sequence[TypedSql]) -> str:
        of = arguments[0].type
        is_time = function in ("second", "minute", "hour")
        return f"{function}({'{0}' if is_time else to_date('{0}', of)})"

    return template


def _cast(source: SqlType, target: SqlType) -> str:
    return as_template(cast_sql("\0", source, target)).replace("\0", "{0}")


_DATE_OF_TEXT = let("m", _cast(VARCHAR, TIMESTAMP), to_date("m", TIMESTAMP))

FUNCTIONS = (
    *(Function(name, (MOMENT,), BIGINT, _part(function)) for name, function in _PARTS.items()),
    Function("millisecond", (TIMESTAMP,), BIGINT, "millisecond({0}) % 1000"),
    Function("nanosecond", (TIMESTAMP,), BIGINT, "nanosecond({0}) % 1000000000"),
    Function("bin", (TIMESTAMP, DAY_TO_SECOND), TIMESTAMP, _BIN),
    Function("bin", (BIGINT, BIGINT), BIGINT, "{0} - (({0} % {1}) + {1}) % {1}"),
    Function("bin", (DOUBLE, DOUBLE), DOUBLE, "floor({0} / {1}) * {1}"),
    Function("current_timezone", (), VARCHAR, "'UTC'"),
    Function("date", (VARCHAR,), DATE, _DATE_OF_TEXT),
    Function("date", (TIMESTAMP,), DATE, to_date("{0}", TIMESTAMP)),
    Function("date_add", (TEXT, BIGINT, MOMENT), MOMENT, _date_add),
    Function("date_diff", (TEXT, MOMENT, MOMENT), BIGINT, _date_diff),
    Function("date_format", (TIMESTAMP, TEXT), VARCHAR, _formatting(mysql_to_strftime)),
    Function("date_parse", (VARCHAR, TEXT), TIMESTAMP, _parsing(mysql_to_strftime)),
    Function("date_trunc", (TEXT, MOMENT), MOMENT, _date_trunc),
    Function("format_datetime", (TIMESTAMP, TEXT), VARCHAR, _formatting(joda_to_strftime)),
    Function("from_iso8601_date", (VARCHAR,), DATE, _cast(VARCHAR, DATE)),
    Function("from_iso8601_timestamp", (VARCHAR,), TIMESTAMP, _FROM_ISO8601),
    Function("from_milliseconds", (BIGINT,), TIMESTAMP, from_nanoseconds("{0} * 1000000")),
    Function("from_nanoseconds", (BIGINT,), TIMESTAMP, from_nanoseconds("{0}")),
    Function(
        "from_unixtime",
        (DOUBLE,),
        TIMESTAMP,
        from_nanoseconds("CAST(round({0} * 1000) AS BIGINT) * 1000000"),
    ),
    Function(
        "last_day_of_month",
        (MOMENT,),
        DATE,
        lambda arguments: f"last_day({to_date('{0}', arguments[0].type)})",
    ),
    Function("parse_duration", (VARCHAR,), DAY_TO_SECOND, _parse_duration),
    Function("parse_datetime", (VARCHAR, TEXT), TIMESTAMP, _parsing(joda_to_strftime)),
    Function("to_iso8601", (DATE,), VARCHAR, "strftime({0}, '%Y-%m-%d')"),
    Function("to_iso8601", (TIMESTAMP,), VARCHAR, "strftime({0}, '%Y-%m-%dT%H:%M:%S.%n') || 'Z'"),
    *(
        signature
        for name, size in (("milliseconds", 10**6), ("microseconds", 10**3), ("nanoseconds", 1))
        for signature in (
            Function(f"to_{name}", (TIMESTAMP,), BIGINT, floor_division("epoch_ns({0})", size)),
            Function(f"to_{name}", (DAY_TO_SECOND,), BIGINT, f"{{0}} // {size}"),
        )
    ),
    Function("to_unixtime", (TIMESTAMP,), DOUBLE, "CAST(epoch_ns({0}) AS DOUBLE) / 1000000000"),
)
