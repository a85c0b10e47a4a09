"""Aggregate and window functions: the developer guide's pages of those names.

APPROX_DISTINCT and APPROX_PERCENTILE are exact, which is within the error that they document. As
at the service, APPROX_PERCENTILE returns a value of the data.
"""

from __future__ import annotations

from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Aggregate, ConstantType, TypeVariable
from fleetstream.emulator.sql.typed_sql import let
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTERVALS,
    NUMERIC,
    TIMESTAMP,
    ArrayType,
    TimeSeriesType,
)

T, U = TypeVariable("T"), TypeVariable("U")
NUMBER = TypeVariable("N", NUMERIC)

_AS_BIGINT = "CAST({0} AS BIGINT)"
_ROUNDED = "CAST(round({0}) AS BIGINT)"
_COUNTED = "CAST(coalesce({0}, 0) AS BIGINT)"
_IF_FINITE = "CASE WHEN isfinite({0}) THEN {0} END"
_DUPLICATES = "'Duplicate timestamps are not allowed in a timeseries'"
_SORTED_SERIES = let(
    "s",
    "list_sort({0}, 'ASC', 'NULLS LAST')",
    "CASE WHEN len(s) > list_unique(list_transform(s, lambda e: (e).f1))"
    f" THEN {fail(_DUPLICATES)} ELSE s END",
)

# DuckDB's skewness is that of a sample, the service's that of the population.
_KNOWN = "list_filter({0}, lambda e: e IS NOT NULL)"
_SKEWNESS = let(
    "l",
    _KNOWN,
    "CASE WHEN len(l) > 2 THEN coalesce(list_skewness(l) * (len(l) - 2)"
    " / sqrt(CAST(len(l) AS DOUBLE) * (len(l) - 1)), CAST('NaN' AS DOUBLE)) END",
)
_KURTOSIS = let(
    "l",
    _KNOWN,
    "CASE WHEN len(l) > 3 THEN coalesce(list_kurtosis(l), CAST('NaN' AS DOUBLE)) END",
)

# The first value, in order, up to which the weights add up to a share p of their sum t.
_WRONG_SHARE = fail("'A percentage must be between 0 and 1'")
_WRONG_WEIGHT = fail("'A weight must be at least 1'")
_NEGATIVE_OFFSET = fail("'The offset must not be negative'")
_NO_PLACE = fail("'The place of a value must be at least 1'")
_WEIGHTED_ROW = "struct_pack(v := {0}, w := {1}, p := {2})"


def _weighted_value(share: str) -> str:
    step = (
        f"CASE WHEN (s).c > 0 AND (s).c >= {share} * t THEN s"
        " ELSE struct_pack(c := (s).c + (e).w, v := (e).v) END"
    )
    start = "struct_pack(c := CAST(0 AS BIGINT), v := l[1].v)"
    return (
        f"CASE WHEN {share} < 0 OR {share} > 1 THEN {_WRONG_SHARE}"
        f" ELSE list_reduce(l, lambda s, e: {step}, {start}).v END"
    )


def _weighted(result: str) -> str:
    """APPROX_PERCENTILE with weights; ``l`` has the rows whose value and weight are not null."""
    known = "list_filter({0}, lambda e: (e).v IS NOT NULL AND (e).w IS NOT NULL)"
    weight = f"CASE WHEN (e).w < 1 THEN {_WRONG_WEIGHT} ELSE (e).w END"
    total = f"list_sum(list_transform(l, lambda e: {weight}))"
    return let(
        "l", f"list_sort({known})", f"CASE WHEN len(l) > 0 THEN {let('t', total, result)} END"
    )


_OFFSET = f"CASE WHEN {{1}} < 0 THEN {_NEGATIVE_OFFSET} ELSE {{1}} END"
_PLACE = f"CASE WHEN {{1}} < 1 THEN {_NO_PLACE} ELSE {{1}} END"

_STATISTICS = ("geometric_mean", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp")
_PAIRS = ("corr", "covar_pop", "covar_samp", "regr_intercept", "regr_slope")

AGGREGATES = (
    Aggregate("any_value", (T,), T, "any_value"),
    Aggregate("arbitrary", (T,), T, "any_value"),
    Aggregate("approx_distinct", (T,), BIGINT, "count", distinct=True),
    Aggregate("approx_distinct", (T, ConstantType(DOUBLE)), BIGINT, "count", "{0}", distinct=True),
    Aggregate("approx_percentile", (NUMBER, DOUBLE), NUMBER, "quantile_disc"),
    Aggregate("approx_percentile", (NUMBER, ArrayType(DOUBLE)), ArrayType(NUMBER), "quantile_disc"),
    Aggregate(
        "approx_percentile",
        (NUMBER, BIGINT, DOUBLE),
        NUMBER,
        "list",
        _WEIGHTED_ROW,
        result_template=_weighted(_weighted_value("l[1].p")),
    ),
    Aggregate(
        "approx_percentile",
        (NUMBER, BIGINT, ArrayType(DOUBLE)),
        ArrayType(NUMBER),
        "list",
        _WEIGHTED_ROW,
        result_template=_weighted(f"list_transform(l[1].p, lambda q: {_weighted_value('q')})"),
    ),
    Aggregate("array_agg", (T,), ArrayType(T), "list"),
    Aggregate("avg", (DOUBLE,), DOUBLE, "avg"),
    *(Aggregate("avg", (of,), of, "avg", result_template=_ROUNDED) for of in INTERVALS),
    Aggregate("bitwise_and_agg", (BIGINT,), BIGINT, "bit_and"),
    Aggregate("bitwise_or_agg", (BIGINT,), BIGINT, "bit_or"),
    Aggregate("bool_and", (BOOLEAN,), BOOLEAN, "bool_and"),
    Aggregate("bool_or", (BOOLEAN,), BOOLEAN, "bool_or"),
    Aggregate("count", (), BIGINT, "count", "*"),
    Aggregate("count", (T,), BIGINT, "count"),
    Aggregate("count_if", (BOOLEAN,), BIGINT, "count_if", result_template=_COUNTED),
    Aggregate(
        "create_time_series",
        (TIMESTAMP, T),
        TimeSeriesType(T),
        "list",
        "struct_pack(f1 := {0}, f2 := {1})",
        result_template=_SORTED_SERIES,
    ),
    Aggregate("kurtosis", (DOUBLE,), DOUBLE, "list", result_template=_KURTOSIS),
    Aggregate("skewness", (DOUBLE,), DOUBLE, "list", result_template=_SKEWNESS),
    Aggregate("every", (BOOLEAN,), BOOLEAN, "bool_and"),
    *(Aggregate(name, (DOUBLE,), DOUBLE, name) for name in _STATISTICS),
    Aggregate("variance", (DOUBLE,), DOUBLE, "var_samp"),
    *(
        Aggregate(name, (DOUBLE, DOUBLE), DOUBLE, name, result_template=_IF_FINITE)
        for name in _PAIRS
    ),
    *(
        signature
        for name in ("max", "min")
        for signature in (
            Aggregate(name, (T,), T, name),
            Aggregate(name, (T, BIGINT), ArrayType(T), name),
            # DuckDB's arg_max and arg_min ignore rows whose first argument is null.
            Aggregate(f"{name}_by", (T, U), T, f"arg_{name}_null"),
            Aggregate(f"{name}_by", (T, U, BIGINT), ArrayType(T), f"arg_{name}_nulls_last"),
        )
    ),
    Aggregate("sum", (DOUBLE,), DOUBLE, "sum"),
    Aggregate("sum", (BIGINT,), BIGINT, "sum", result_template=_AS_BIGINT),
    *(Aggregate("sum", (of,), of, "sum", result_template=_AS_BIGINT) for of in INTERVALS),
)

WINDOW_FUNCTIONS = (
    *(Aggregate(name, (), DOUBLE, name) for name in ("cume_dist", "percent_rank")),
    *(Aggregate(name, (), BIGINT, name) for name in ("dense_rank", "rank", "row_number")),
    *(Aggregate(name, (T,), T, name) for name in ("first_value", "last_value")),
    *(
        Aggregate(name, parameters, T, name, arguments)
        for name in ("lag", "lead")
        for parameters, arguments in (
            ((T,), None),
            ((T, BIGINT), f"{{0}}, {_OFFSET}"),
            ((T, BIGINT, T), f"{{0}}, {_OFFSET}, {{2}}"),
        )
    ),
    Aggregate("nth_value", (T, BIGINT), T, "nth_value", f"{{0}}, {_PLACE}"),
    Aggregate("ntile", (BIGINT,), BIGINT, "ntile"),
)
