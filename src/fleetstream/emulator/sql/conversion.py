"""Conversion of expressions between types: implicit conversion, and CAST.

The rules are Trino's, which Timestream's SQL is based on, for Timestream's types.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.instants import to_date
from fleetstream.emulator.sql.typed_sql import TypedSql, as_template, let
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    INTEGERS,
    NUMERIC,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    YEAR_TO_MONTH,
    ArrayType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
    common_type,
)

MOMENTS = (TIMESTAMP, DATE, TIME)
_DAY = 86_400 * 10**9

# The parts of a double x with an exponent; DuckDB writes the same shortest digits as the service,
# and the exponent follows from them: 1e23 is nearer to 9.999999999999999e22 than to 1e23.
_PLAIN_TEXT = "ltrim(CAST(x AS VARCHAR), '-')"
_EXPONENT = let(
    "p",
    _PLAIN_TEXT,
    "CASE WHEN contains(p, 'e') THEN CAST(split_part(p, 'e', 2) AS INTEGER)"
    " WHEN abs(x) >= 1 THEN strpos(p, '.') - 2"
    " ELSE strlen(ltrim(p[3:], '0')) - strlen(p) + 1 END",
)
_DIGITS = f"rtrim(ltrim(replace(split_part({_PLAIN_TEXT}, 'e', 1), '.', ''), '0'), '0')"
_MANTISSA = (
    "CASE WHEN x < 0 THEN '-' ELSE '' END || d[1] || '.'"
    " || CASE WHEN len(d) > 1 THEN d[2:] ELSE '0' END || 'E' || CAST(n AS VARCHAR)"
)

_TO_TEXT: dict[SqlType, str] = {
    VARCHAR: "{}",
    BOOLEAN: "CAST({} AS VARCHAR)",
    INTEGER: "CAST({} AS VARCHAR)",
    BIGINT: "CAST({} AS VARCHAR)",
    DATE: "CAST({} AS VARCHAR)",
    TIME: let(
        "t",
        "CAST({} AS VARCHAR)",
        "rpad(CASE WHEN contains(t, '.') THEN t ELSE t || '.' END, 18, '0')",
    ),
    TIMESTAMP: "strftime({}, '%Y-%m-%d %H:%M:%S.%n')",
    # The service uses Java's notation: decimal between 0.001 and 10,000,000, otherwise a mantissa
    # with one digit before the point.
    DOUBLE: let(
        "x",
        "{}",
        "CASE WHEN isnan(x) THEN 'NaN'"
        " WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END"
        " WHEN x = 0 OR (abs(x) >= 1e-3 AND abs(x) < 1e7) THEN CAST(x AS VARCHAR)"
        f" ELSE {let('n', _EXPONENT, let('d', _DIGITS, _MANTISSA))} END",
    ),
    DAY_TO_SECOND: let(
        "n",
        "{}",
        "CASE WHEN n < 0 THEN '-' ELSE '' END || format("
        f"'{{{{}}}} {{{{:02d}}}}:{{{{:02d}}}}:{{{{:02d}}}}.{{{{:09d}}}}', abs(n) // {_DAY},"
        " abs(n) // 3600000000000 % 24, abs(n) // 60000000000 % 60, abs(n) // 1000000000 % 60,"
        " abs(n) % 1000000000)",
    ),
    YEAR_TO_MONTH: let(
        "n",
        "{}",
        "CASE WHEN n < 0 THEN '-' ELSE '' END || format('{{}}-{{}}', abs(n) // 12, abs(n) % 12)",
    ),
}

_FIRST_TIME, _LAST_TIME = "1677-09-21 00:12:44", "2262-04-11 23:47:16.854775806"
"""Nanoseconds since 1970 have 64 bits from one to the other. The service's range of timestamps is
the same, but that it ends a nanosecond later, which is infinity in DuckDB."""

_DAY_PATTERN = r"\d{4}-\d{1,2}-\d{1,2}"
# DuckDB would accept the hour 24.
_CLOCK_PATTERN = r"([01]?\d|2[0-3]):\d{1,2}(:\d{1,2}(\.\d{1,9})?)?"

_TEXT_FORMS: dict[SqlType, tuple[str, str]] = {
    # DuckDB would accept further words.
    BOOLEAN: ("(?i)(t|f|true|false|1|0)", "true or false"),
    DOUBLE: (r"[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", "a number"),
    # DuckDB would round a fraction.
    BIGINT: (r"[+-]?\d+", "a whole number"),
    INTEGER: (r"[+-]?\d+", "a whole number"),
    # DuckDB would ignore a time of day after a date, and a time zone after a timestamp.
    DATE: (_DAY_PATTERN, "YYYY-MM-DD"),
    TIME: (_CLOCK_PATTERN, "hh:mm:ss.fffffffff"),
    TIMESTAMP: (f"{_DAY_PATTERN}([ T]{_CLOCK_PATTERN})?", "YYYY-MM-DD hh:mm:ss.fffffffff"),
}
"""The valid texts, and their description, of types that DuckDB casts texts to less strictly."""


_SPACE = " \t\n\f\r"


def _checked(target: SqlType) -> str:
    pattern, expected = _TEXT_FORMS[target]
    space = "" if target == BOOLEAN else "\\s*"
    valid = f"regexp_matches(s, '^{space}({as_template(pattern)}){space}$')"
    value = f"TRY_CAST(trim(s, {quote(_SPACE)}) AS {target.duckdb})"
    invalid = fail(f"'Cannot cast ''' || s || ''' to {target}: expected {expected}'")
    return let(
        "s",
        "{}",
        f"CASE WHEN s IS NULL OR ({valid} AND {value} IS NOT NULL) THEN {value} ELSE {invalid} END",
    )


_CASTS: dict[tuple[SqlType, SqlType], str] = {
    **{(source, VARCHAR): text for source, text in _TO_TEXT.items()},
    **{(VARCHAR, target): _checked(target) for target in _TEXT_FORMS},
    **{(BOOLEAN, target): f"CAST({{}} AS {target.duckdb})" for target in NUMERIC},
    **{(source, BOOLEAN): "({} <> 0)" for source in NUMERIC},
    (INTEGER, BIGINT): "CAST({} AS BIGINT)",
    (INTEGER, DOUBLE): "CAST({} AS DOUBLE)",
    (BIGINT, DOUBLE): "CAST({} AS DOUBLE)",
    (BIGINT, INTEGER): "CAST({} AS INTEGER)",
    # Trino rounds half away from zero; DuckDB's own cast rounds half to even.
    (DOUBLE, BIGINT): "CAST(round({}) AS BIGINT)",
    (DOUBLE, INTEGER): "CAST(round({}) AS INTEGER)",
    (DATE, TIMESTAMP): "CAST({} AS TIMESTAMP_NS)",
    (TIMESTAMP, DATE): let("m", "{}", to_date("m", TIMESTAMP)),
    (TIMESTAMP, TIME): "CAST({} AS TIME_NS)",
}


def conversion_cost(source: SqlType, target: SqlType) -> int | None:
    """Distance of an implicit conversion: 0 for the same type; None if there is no conversion."""
    if source == target:
        return 0
    if common_type((source, target)) != target and not _differ_in_names(source, target):
        return None
    if source in NUMERIC and target in NUMERIC:
        return NUMERIC.index(target) - NUMERIC.index(source)
    return 1


def _differ_in_names(source: SqlType, target: SqlType) -> bool:
    """Whether two types are the same but for the names of fields."""
    return source.duckdb == target.duckdb and not isinstance(source, ScalarType)


def convert(value: TypedSql, target: SqlType) -> TypedSql:
    """Convert implicitly; ``value`` must be of a type that converts to ``target``."""
    if value.type == target:
        return value
    if value.set_type is not None:
        value.set_type(target)
    simple = value.simple and isinstance(target, ScalarType)
    sql = cast_sql(value.sql, value.type, target)
    never_nan = value.never_nan or value.type in INTEGERS
    return TypedSql(sql, target, simple, literal=value.literal, never_nan=never_nan)


def is_text_literal(value: TypedSql) -> bool:
    """Whether a value is a string in quotes, which is converted to a timestamp where needed."""
    return value.type == VARCHAR and isinstance(value.literal, str)


def convert_literal(value: TypedSql, target: SqlType) -> TypedSql:
    """Convert as ``convert``, and a string in quotes to a timestamp, date or time.

    Raises ValueError if the string does not have the type's form.
    """
    if target in MOMENTS and is_text_literal(value):
        return TypedSql(cast_literal(str(value.literal), target), target, simple=True)
    return convert(value, target)


def cast_sql(sql: str, source: SqlType, target: SqlType) -> str:
    """The expression for CAST(sql AS target); raises LookupError if there is no such cast."""
    if source == target:
        return sql
    if source == UNKNOWN:
        return f"CAST({sql} AS {target.duckdb})"
    if isinstance(source, TimeSeriesType):
        return cast_sql(
            sql, source.rows, target.rows if isinstance(target, TimeSeriesType) else target
        )
    if isinstance(source, ArrayType) and isinstance(target, ArrayType):
        return _cast_array(sql, source, target)
    if isinstance(source, RowType) and isinstance(target, RowType):
        return _cast_row(sql, source, target)
    if isinstance(source, ScalarType) and isinstance(target, ScalarType):
        return _CASTS[source, target].format(sql)
    raise LookupError(f"there is no cast from {source} to {target}")


def _cast_array(sql: str, source: ArrayType, target: ArrayType) -> str:
    if source.duckdb == target.duckdb:
        return sql
    return f"list_transform({sql}, lambda e: {cast_sql('e', source.element, target.element)})"


def _cast_row(sql: str, source: RowType, target: RowType) -> str:
    if len(source.fields) != len(target.fields):
        raise LookupError(f"{source} and {target} have different numbers of fields")
    if source.duckdb == target.duckdb:
        return sql
    pairs = zip(source.fields, target.fields, strict=True)
    fields = ", ".join(
        f"f{number} := {cast_sql(f'(r).f{number}', of, wanted)}"
        for number, ((_, of), (_, wanted)) in enumerate(pairs, 1)
    )
    return let("r", sql, f"CASE WHEN r IS NOT NULL THEN struct_pack({fields}) END")


def _check_range(text: str, target: SqlType) -> None:
    whole, _, fraction = text.partition(".")
    year, month, day, *clock = map(int, re.findall(r"\d+", whole))
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    try:
        seconds = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise ValueError(f"Cannot cast '{text}' to {target}: {error}") from error
    nanoseconds = seconds * 10**9 + int(fraction.strip().ljust(9, "0"))
    if seconds < -(2**63 // 10**9) or nanoseconds >= 2**63 - 1:
        raise ValueError(
            f"Cannot cast '{text}' to {target}: it is not from {_FIRST_TIME} to {_LAST_TIME}"
        )


def cast_literal(text: str, target: SqlType) -> str:
    """The expression for a literal such as TIMESTAMP '2022-06-17 10:15:20'.

    Raises ValueError if the text does not have the type's form.
    """
    pattern, expected = _TEXT_FORMS.get(target, (".*", ""))
    trimmed = text if target == BOOLEAN else text.strip()
    if not re.fullmatch(pattern, trimmed, re.ASCII | re.DOTALL):
        raise ValueError(f"Cannot cast '{text}' to {target}: expected {expected}")
    if target in (DATE, TIMESTAMP):
        _check_range(text, target)
    return f"CAST({quote(trimmed)} AS {target.duckdb})"
