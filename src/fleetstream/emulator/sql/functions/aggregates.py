"""Aggregate and window functions: the developer guide's pages of those names.

APPROX_DISTINCT and APPROX_PERCENTILE are exact, which is within the error that they document. As
at the service, APPROX_PERCENTILE returns a value of the data.
"""

from __future__ import annotations

from fleetstream.emulator.sql.functions.signatures import (
    AggregateSignature,
    ConstantType,
    TypeVariable,
)
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DAY_TO_SECOND,
    DOUBLE,
    NUMERIC,
    TIMESTAMP,
    ArrayType,
    TimeSeriesType,
)

T, U = TypeVariable("T"), TypeVariable("U")
NUMBER = TypeVariable("N", NUMERIC)

_AS_BIGINT = "CAST({0} AS BIGINT)"
_SORTED_SERIES = (
    "list_transform([list_sort({0}, 'ASC', 'NULLS LAST')], lambda s: CASE WHEN len(s) >"
    " list_unique(list_transform(s, lambda e: e.f1))"
    " THEN error('Duplicate timestamps are not allowed in a timeseries') ELSE s END)[1]"
)

_STATISTICS = ("geometric_mean", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp")
_PAIRS = ("corr", "covar_pop", "covar_samp", "regr_intercept", "regr_slope")

AGGREGATES = (
    AggregateSignature("any_value", (T,), T, "any_value"),
    AggregateSignature("arbitrary", (T,), T, "any_value"),
    AggregateSignature("approx_distinct", (T,), BIGINT, "count", distinct=True),
    AggregateSignature(
        "approx_distinct", (T, ConstantType(DOUBLE)), BIGINT, "count", "{0}", distinct=True
    ),
    AggregateSignature("approx_percentile", (NUMBER, DOUBLE), NUMBER, "quantile_disc"),
    AggregateSignature(
        "approx_percentile", (NUMBER, ArrayType(DOUBLE)), ArrayType(NUMBER), "quantile_disc"
    ),
    AggregateSignature("array_agg", (T,), ArrayType(T), "list"),
    AggregateSignature("avg", (DOUBLE,), DOUBLE, "avg"),
    AggregateSignature("bitwise_and_agg", (BIGINT,), BIGINT, "bit_and"),
    AggregateSignature("bitwise_or_agg", (BIGINT,), BIGINT, "bit_or"),
    AggregateSignature("bool_and", (BOOLEAN,), BOOLEAN, "bool_and"),
    AggregateSignature("bool_or", (BOOLEAN,), BOOLEAN, "bool_or"),
    AggregateSignature("count", (), BIGINT, "count", "*"),
    AggregateSignature("count", (T,), BIGINT, "count"),
    AggregateSignature("count_if", (BOOLEAN,), BIGINT, "count_if", result_template=_AS_BIGINT),
    AggregateSignature(
        "create_time_series",
        (TIMESTAMP, T),
        TimeSeriesType(T),
        "list",
        "struct_pack(f1 := {0}, f2 := {1})",
        result_template=_SORTED_SERIES,
    ),
    AggregateSignature("every", (BOOLEAN,), BOOLEAN, "bool_and"),
    *(AggregateSignature(name, (DOUBLE,), DOUBLE, name) for name in _STATISTICS),
    AggregateSignature("variance", (DOUBLE,), DOUBLE, "var_samp"),
    *(AggregateSignature(name, (DOUBLE, DOUBLE), DOUBLE, name) for name in _PAIRS),
    *(
        signature
        for name in ("max", "min")
        for signature in (
            AggregateSignature(name, (T,), T, name),
            AggregateSignature(name, (T, BIGINT), ArrayType(T), name),
            # DuckDB's arg_max and arg_min ignore rows whose first argument is null.
            AggregateSignature(f"{name}_by", (T, U), T, f"arg_{name}_null"),
            AggregateSignature(
                f"{name}_by", (T, U, BIGINT), ArrayType(T), f"arg_{name}_nulls_last"
            ),
        )
    ),
    AggregateSignature("sum", (DOUBLE,), DOUBLE, "sum"),
    AggregateSignature("sum", (BIGINT,), BIGINT, "sum", result_template=_AS_BIGINT),
    AggregateSignature("sum", (DAY_TO_SECOND,), DAY_TO_SECOND, "sum", result_template=_AS_BIGINT),
)

WINDOW_FUNCTIONS = (
    *(AggregateSignature(name, (), DOUBLE, name) for name in ("cume_dist", "percent_rank")),
    *(AggregateSignature(name, (), BIGINT, name) for name in ("dense_rank", "rank", "row_number")),
    *(AggregateSignature(name, (T,), T, name) for name in ("first_value", "last_value")),
    *(
        AggregateSignature(name, parameters, T, name)
        for name in ("lag", "lead")
        for parameters in ((T,), (T, BIGINT), (T, BIGINT, T))
    ),
    AggregateSignature("nth_value", (T, BIGINT), T, "nth_value"),
    AggregateSignature("ntile", (BIGINT,), BIGINT, "ntile"),
)
