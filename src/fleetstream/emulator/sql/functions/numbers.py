"""Mathematical functions: the developer guide's page of that name."""

from __future__ import annotations

from fleetstream.emulator.sql.functions.signatures import Function, TypeVariable
from fleetstream.emulator.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, NUMERIC, VARCHAR

NUMBER = TypeVariable("N", NUMERIC)
WHOLE = TypeVariable("I", (INTEGER, BIGINT))

_OUTSIDE = "WHEN {0} IS NOT NULL THEN CAST('NaN' AS DOUBLE) END"

_SAME_NAME = (
    *("acosh", "asinh", "atan", "atanh", "cbrt", "cos", "cosh"),
    *("degrees", "exp", "radians", "sin", "sinh", "tan", "tanh"),
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
    Function("mod", (NUMBER, NUMBER), NUMBER, "({0} % {1})"),
    Function("nan", (), DOUBLE, "CAST('NaN' AS DOUBLE)"),
    Function("pi", (), DOUBLE, "pi()"),
    Function("pow", (DOUBLE, DOUBLE), DOUBLE, "pow({0}, {1})"),
    Function("power", (DOUBLE, DOUBLE), DOUBLE, "pow({0}, {1})"),
    *(
        function
        for name in ("rand", "random")
        for function in (
            Function(name, (), DOUBLE, "random()"),
            Function(name, (BIGINT,), BIGINT, "CAST(floor(random() * {0}) AS BIGINT)"),
            Function(
                name,
                (BIGINT, BIGINT),
                BIGINT,
                "({0} + CAST(floor(random() * ({1} - {0})) AS BIGINT))",
            ),
        )
    ),
    Function("round", (DOUBLE,), DOUBLE, "round({0})"),
    Function("round", (DOUBLE, INTEGER), DOUBLE, "round({0}, {1})"),
    Function("sign", (DOUBLE,), DOUBLE, "CAST(sign({0}) AS DOUBLE)"),
    Function("sign", (WHOLE,), WHOLE, "sign({0})"),
    Function("sqrt", (DOUBLE,), DOUBLE, f"CASE WHEN {{0}} >= 0 THEN sqrt({{0}}) {_OUTSIDE}"),
    Function("to_base", (BIGINT, INTEGER), VARCHAR, "lower(to_base({0}, {1}))"),
    Function("truncate", (DOUBLE,), DOUBLE, "trunc({0})"),
    Function(
        "width_bucket",
        (DOUBLE, DOUBLE, DOUBLE, BIGINT),
        BIGINT,
        "CASE WHEN {0} < {1} THEN 0 WHEN {0} >= {2} THEN {3} + 1"
        " ELSE CAST(floor(({0} - {1}) * {3} / ({2} - {1})) AS BIGINT) + 1 END",
    ),
)
