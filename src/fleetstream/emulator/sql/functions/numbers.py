"""Mathematical functions: the developer guide's page of that name."""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Function, TypeVariable
from fleetstream.emulator.sql.typed_sql import TypedSql, let, unless_null
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    NUMERIC,
    VARCHAR,
    ArrayType,
)

NUMBER = TypeVariable("N", NUMERIC)
WHOLE = TypeVariable("I", (INTEGER, BIGINT))

_WRONG_BITS = "'The number of bits must be between 2 and 64'"
_TOO_FEW_BITS = "'The number does not fit into ' || CAST({1} AS VARCHAR) || ' bits'"
_WRONG_RADIX = "'The radix must be between 2 and 36'"
_NOT_IN_BASE = "'\"' || {0} || '\" is not a number in base ' || CAST({1} AS VARCHAR)"
_NO_RANGE = "'The end of the range of a random number must be greater than its start'"
_NO_BUCKETS = "'The number of buckets must be greater than 0'"
_NO_BOUNDS = "'The bounds of the buckets must be different numbers'"
_EMPTY_BOUNDS = "'The bounds of the buckets must not be an empty array'"

_OUTSIDE = "WHEN {0} IS NOT NULL THEN CAST('NaN' AS DOUBLE) END"

_SAME_NAME = (
    *("acosh", "asinh", "atan", "atanh", "cos", "cosh"),
    *("degrees", "exp", "radians", "sin", "sinh", "tan", "tanh"),
)

_BIT_COUNT = (
    f"CASE WHEN {{1}} < 2 OR {{1}} > 64 THEN {fail(_WRONG_BITS)} WHEN {{1}} = 64"
    " THEN bit_count({0}) WHEN {0} >= (1::BIGINT << ({1} - 1)) OR {0} < -(1::BIGINT << ({1} - 1))"
    f" THEN {fail(_TOO_FEW_BITS)} ELSE bit_count({{0}} & ((1::BIGINT << {{1}}) - 1)) END"
)

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# No more digits than a number that is just too large has in base 2 are read.
_FROM_BASE = let(
    "d",
    "list_transform(string_split(left(ltrim(lower({0}), '+-0'), 65), ''),"
    f" lambda c: instr('{_DIGITS}', c) - 1)",
    f"CASE WHEN {{1}} < 2 OR {{1}} > 36 THEN {fail(_WRONG_RADIX)}"
    " WHEN NOT regexp_matches({0}, '^[+-]?[0-9a-zA-Z]+$') OR list_max(d) >= {1}"
    f" THEN {fail(_NOT_IN_BASE)} ELSE list_reduce(d, lambda s, e: s * {{1}} +"
    " CASE WHEN starts_with({0}, '-') THEN -e ELSE e END, CAST(0 AS BIGINT)) END",
)
# DuckDB's result is not always the nearest number, also for 27 and 0.125. One step of Newton's
# method from its leading 23 bits, whose square is exact, as in Java's library.
_CBRT = (
    "CASE WHEN {0} = 0 OR NOT isfinite({0}) THEN {0} ELSE "
    + let(
        "t",
        let("r", "cbrt({0})", "1073741825 * r - (1073741825 * r - r)"),
        let("q", "{0} / (t * t)", "t + t * ((q - t) / (t + t + q))"),
    )
    + " END"
)
# From the lower bound to the upper one; with bounds in descending order, they count downwards.
_BUCKET = (
    "CASE WHEN {0} < least({1}, {2}) THEN 0 WHEN {0} >= greatest({1}, {2}) THEN {3} + 1"
    " ELSE CAST(floor({3} * ({0} - least({1}, {2})) / abs({2} - {1})) AS BIGINT) + 1 END"
)

_WIDTH_BUCKET = (
    f"CASE WHEN {{3}} <= 0 THEN {fail(_NO_BUCKETS)} WHEN {{1}} = {{2}} OR isnan({{0}})"
    f" OR NOT isfinite({{1}}) OR NOT isfinite({{2}}) THEN {fail(_NO_BOUNDS)}"
    f" WHEN {{1}} <= {{2}} THEN {_BUCKET} ELSE {{3}} + 1 - {_BUCKET} END"
)

# Java's: DuckDB's result is 1 where one side is 1 or -1, and the other NaN or infinite.
_POWER = (
    "CASE WHEN isnan({1}) OR (abs({0}) = 1 AND isinf({1})) THEN CAST('NaN' AS DOUBLE)"
    " ELSE pow({0}, {1}) END"
)
# DuckDB can't negate the smallest bigint: the last digit is taken off before the sign changes.
_NEGATIVE_TO_BASE = (
    "'-' || lower(ltrim(to_base(-({0} // {1}), CAST({1} AS INTEGER))"
    " || to_base(-({0} % {1}), CAST({1} AS INTEGER)), '0'))"
)


def _round(arguments: Sequence[TypedSql]) -> str:
    """A double rounded to a number of decimals, as Trino computes it.

    DuckDB's own ROUND uses more digits than a double has, and returns 1.1 for 1.15.
    """
    decimals = arguments[1].literal
    factor = "pow(CAST(10 AS DOUBLE), {1})"
    if isinstance(decimals, int) and abs(decimals) < 300:
        factor = f"CAST('1e{decimals}' AS DOUBLE)"
    # From 2^52 on, a double has no decimals, and it could overflow.
    return (
        f"CASE WHEN {{1}} IS NOT NULL AND abs({{0}} * {factor}) < 4503599627370496"
        f" THEN round({{0}} * {factor}) / {factor} WHEN {{1}} IS NOT NULL THEN {{0}} END"
    )


FUNCTIONS = (
    *(Function(name, (DOUBLE,), DOUBLE, f"{name}({{0}})") for name in _SAME_NAME),
    Function("abs", (NUMBER,), NUMBER, "abs({0})"),
    Function("acos", (DOUBLE,), DOUBLE, f"CASE WHEN abs({{0}}) <= 1 THEN acos({{0}}) {_OUTSIDE}"),
    Function("asin", (DOUBLE,), DOUBLE, f"CASE WHEN abs({{0}}) <= 1 THEN asin({{0}}) {_OUTSIDE}"),
    Function("atan2", (DOUBLE, DOUBLE), DOUBLE, "atan2({0}, {1})"),
    Function("bitwise_and", (BIGINT, BIGINT), BIGINT, "({0} & {1})"),
    Function("bitwise_not", (BIGINT,), BIGINT, "(~{0})"),
    Function("bitwise_or", (BIGINT, BIGINT), BIGINT, "({0} | {1})"),
    Function("bitwise_xor", (BIGINT, BIGINT), BIGINT, "xor({0}, {1})"),
    Function("bit_count", (BIGINT, BIGINT), BIGINT, _BIT_COUNT),
    Function("cbrt", (DOUBLE,), DOUBLE, _CBRT),
    Function("ceil", (DOUBLE,), DOUBLE, "ceil({0})"),
    Function("ceiling", (DOUBLE,), DOUBLE, "ceil({0})"),
    Function("floor", (DOUBLE,), DOUBLE, "floor({0})"),
    *(
        Function(name, (WHOLE,), WHOLE, "{0}")
        for name in ("ceil", "ceiling", "floor", "round", "truncate")
    ),
    Function("e", (), DOUBLE, "exp(CAST(1 AS DOUBLE))"),
    Function("infinity", (), DOUBLE, "CAST('Infinity' AS DOUBLE)"),
    Function("is_finite", (DOUBLE,), BOOLEAN, "isfinite({0})"),
    Function("is_infinite", (DOUBLE,), BOOLEAN, "isinf({0})"),
    Function("is_nan", (DOUBLE,), BOOLEAN, "isnan({0})"),
    *(
        Function(
            name,
            (DOUBLE,),
            DOUBLE,
            f"CASE WHEN {{0}} > 0 THEN {name}({{0}}) WHEN {{0}} = 0"
            f" THEN CAST('-Infinity' AS DOUBLE) {_OUTSIDE}",
        )
        for name in ("ln", "log2", "log10")
    ),
    Function(
        "log",
        (DOUBLE, DOUBLE),
        DOUBLE,
        "CASE WHEN {0} > 0 AND {1} > 0 THEN ln({1}) / ln({0})"
        " WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN CAST('NaN' AS DOUBLE) END",
    ),
    Function("from_base", (VARCHAR, BIGINT), BIGINT, _FROM_BASE),
    Function("mod", (NUMBER, NUMBER), NUMBER, "({0} % {1})"),
    Function("nan", (), DOUBLE, "CAST('NaN' AS DOUBLE)"),
    Function("pi", (), DOUBLE, "pi()"),
    Function("pow", (DOUBLE, DOUBLE), DOUBLE, _POWER),
    Function("power", (DOUBLE, DOUBLE), DOUBLE, _POWER),
    *(
        function
        for name in ("rand", "random")
        for function in (
            Function(name, (), DOUBLE, "random()"),
            Function(
                name,
                (BIGINT,),
                BIGINT,
                f"CASE WHEN {{0}} <= 0 THEN {fail(_NO_RANGE)}"
                " ELSE CAST(floor(random() * {0}) AS BIGINT) END",
            ),
            Function(
                name,
                (BIGINT, BIGINT),
                BIGINT,
                f"CASE WHEN {{0}} >= {{1}} THEN {fail(_NO_RANGE)}"
                " ELSE {0} + CAST(floor(random() * ({1} - {0})) AS BIGINT) END",
            ),
        )
    ),
    Function("round", (DOUBLE,), DOUBLE, "round({0})"),
    Function("round", (WHOLE, INTEGER), WHOLE, "round({0}, {1})"),
    Function("round", (DOUBLE, INTEGER), DOUBLE, _round),
    Function(
        "sign",
        (DOUBLE,),
        DOUBLE,
        "CASE WHEN {0} = 0 OR isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END",
    ),
    Function("sign", (WHOLE,), WHOLE, "sign({0})"),
    Function("sqrt", (DOUBLE,), DOUBLE, f"CASE WHEN {{0}} >= 0 THEN sqrt({{0}}) {_OUTSIDE}"),
    Function(
        "to_base",
        (BIGINT, BIGINT),
        VARCHAR,
        f"CASE WHEN {{1}} < 2 OR {{1}} > 36 THEN {fail(_WRONG_RADIX)} WHEN {{0}} < 0"
        f" THEN {_NEGATIVE_TO_BASE}"
        " ELSE lower(to_base({0}, CAST({1} AS INTEGER))) END",
    ),
    Function("truncate", (DOUBLE,), DOUBLE, "trunc({0})"),
    Function(
        "width_bucket",
        (DOUBLE, DOUBLE, DOUBLE, BIGINT),
        BIGINT,
        unless_null((0, 1, 2, 3), _WIDTH_BUCKET),
    ),
    Function(
        "width_bucket",
        (DOUBLE, ArrayType(DOUBLE)),
        BIGINT,
        unless_null(
            (0,),
            f"CASE WHEN len({{1}}) = 0 THEN {fail(_EMPTY_BOUNDS)}"
            " ELSE len(list_filter({1}, lambda b: b <= {0})) END",
        ),
    ),
)
