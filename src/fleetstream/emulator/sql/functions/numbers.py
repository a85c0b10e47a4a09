"""Mathematical functions: the developer guide's page of that name."""

from __future__ import annotations

from fleetstream.emulator.sql.functions.signatures import FunctionSignature, TypeVariable
from fleetstream.emulator.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, NUMERIC, VARCHAR

NUMBER = TypeVariable("N", NUMERIC)
WHOLE = TypeVariable("I", (INTEGER, BIGINT))

_OUTSIDE = "WHEN {0} IS NOT NULL THEN CAST('NaN' AS DOUBLE) END"

_SAME_NAME = (
    *("acosh", "asinh", "atan", "atanh", "cbrt", "cos", "cosh"),
    *("degrees", "exp", "radians", "sin", "sinh", "tan", "tanh"),
)

FUNCTIONS = (
    *(FunctionSignature(name, (DOUBLE,), DOUBLE, f"{name}({{0}})") for name in _SAME_NAME),
    FunctionSignature("abs", (NUMBER,), NUMBER, "abs({0})"),
    FunctionSignature(
        "acos", (DOUBLE,), DOUBLE, f"CASE WHEN abs({{0}}) <= 1 THEN acos({{0}}) {_OUTSIDE}"
    ),
    FunctionSignature(
        "asin", (DOUBLE,), DOUBLE, f"CASE WHEN abs({{0}}) <= 1 THEN asin({{0}}) {_OUTSIDE}"
    ),
    FunctionSignature("atan2", (DOUBLE, DOUBLE), DOUBLE, "atan2({0}, {1})"),
    FunctionSignature("bitwise_and", (BIGINT, BIGINT), BIGINT, "({0} & {1})"),
    FunctionSignature("bitwise_not", (BIGINT,), BIGINT, "(~{0})"),
    FunctionSignature("bitwise_or", (BIGINT, BIGINT), BIGINT, "({0} | {1})"),
    FunctionSignature("bitwise_xor", (BIGINT, BIGINT), BIGINT, "xor({0}, {1})"),
    FunctionSignature("ceil", (DOUBLE,), DOUBLE, "ceil({0})"),
    FunctionSignature("ceiling", (DOUBLE,), DOUBLE, "ceil({0})"),
    FunctionSignature("floor", (DOUBLE,), DOUBLE, "floor({0})"),
    *(
        FunctionSignature(name, (WHOLE,), WHOLE, "{0}")
        for name in ("ceil", "ceiling", "floor", "round", "truncate")
    ),
    FunctionSignature("e", (), DOUBLE, "exp(CAST(1 AS DOUBLE))"),
    FunctionSignature("infinity", (), DOUBLE, "CAST('Infinity' AS DOUBLE)"),
    FunctionSignature("is_finite", (DOUBLE,), BOOLEAN, "isfinite({0})"),
    FunctionSignature("is_infinite", (DOUBLE,), BOOLEAN, "isinf({0})"),
    FunctionSignature("is_nan", (DOUBLE,), BOOLEAN, "isnan({0})"),
    *(
        FunctionSignature(
            name,
            (DOUBLE,),
            DOUBLE,
            f"CASE WHEN {{0}} > 0 THEN {name}({{0}}) WHEN {{0}} = 0"
            f" THEN CAST('-Infinity' AS DOUBLE) {_OUTSIDE}",
        )
        for name in ("ln", "log2", "log10")
    ),
    FunctionSignature(
        "log",
        (DOUBLE, DOUBLE),
        DOUBLE,
        "CASE WHEN {0} > 0 AND {1} > 0 THEN ln({1}) / ln({0})"
        " WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN CAST('NaN' AS DOUBLE) END",
    ),
    FunctionSignature("mod", (NUMBER, NUMBER), NUMBER, "({0} % {1})"),
    FunctionSignature("nan", (), DOUBLE, "CAST('NaN' AS DOUBLE)"),
    FunctionSignature("pi", (), DOUBLE, "pi()"),
    FunctionSignature("pow", (DOUBLE, DOUBLE), DOUBLE, "pow({0}, {1})"),
    FunctionSignature("power", (DOUBLE, DOUBLE), DOUBLE, "pow({0}, {1})"),
    *(
        function
        for name in ("rand", "random")
        for function in (
            FunctionSignature(name, (), DOUBLE, "random()"),
            FunctionSignature(name, (BIGINT,), BIGINT, "CAST(floor(random() * {0}) AS BIGINT)"),
            FunctionSignature(
                name,
                (BIGINT, BIGINT),
                BIGINT,
                "({0} + CAST(floor(random() * ({1} - {0})) AS BIGINT))",
            ),
        )
    ),
    FunctionSignature("round", (DOUBLE,), DOUBLE, "round({0})"),
    FunctionSignature("round", (DOUBLE, INTEGER), DOUBLE, "round({0}, {1})"),
    FunctionSignature("sign", (DOUBLE,), DOUBLE, "CAST(sign({0}) AS DOUBLE)"),
    FunctionSignature("sign", (WHOLE,), WHOLE, "sign({0})"),
    FunctionSignature(
        "sqrt", (DOUBLE,), DOUBLE, f"CASE WHEN {{0}} >= 0 THEN sqrt({{0}}) {_OUTSIDE}"
    ),
    FunctionSignature("to_base", (BIGINT, INTEGER), VARCHAR, "lower(to_base({0}, {1}))"),
    FunctionSignature("truncate", (DOUBLE,), DOUBLE, "trunc({0})"),
    FunctionSignature(
        "width_bucket",
        (DOUBLE, DOUBLE, DOUBLE, BIGINT),
        BIGINT,
        "CASE WHEN {0} < {1} THEN 0 WHEN {0} >= {2} THEN {3} + 1"
        " ELSE CAST(floor(({0} - {1}) * {3} / ({2} - {1})) AS BIGINT) + 1 END",
    ),
)
