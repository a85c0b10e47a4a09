"""Aggregate and window functions: the guide's pages of those names.

Two of the service's aggregates are approximate; here they are exact, which is within the error
that they promise. APPROX_PERCENTILE gives a value that is in the data, as the service does.
"""

from __future__ import annotations

from fleetstream.local.sql.signatures import Constant, Function, Variable
from fleetstream.local.sql.types import (
    BIGINT,
    BOOLEAN,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    NUMERIC,
    TIMESTAMP,
    Array,
    TimeSeries,
)

T, U = Variable("T"), Variable("U")
NUMBER = Variable("N", NUMERIC)
WHOLE = Variable("I", (INTEGER, BIGINT))

_STATISTICS = ("geometric_mean", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp")
_PAIRS = ("corr", "covar_pop", "covar_samp", "regr_intercept", "regr_slope")

_SERIES = (
    "list_transform([{}], lambda s: CASE WHEN len(s) >"
    " list_unique(list_transform(s, lambda e: e.f1))"
    " THEN error('Duplicate timestamps are not allowed in a timeseries') ELSE s END)[1]"
)

AGGREGATES = (
    Function("any_value", (T,), T, "any_value({0})"),
    Function("arbitrary", (T,), T, "any_value({0})"),
    Function("approx_distinct", (T,), BIGINT, "count(DISTINCT {0})"),
    Function("approx_distinct", (T, Constant(DOUBLE)), BIGINT, "count(DISTINCT {0})"),
    Function("approx_percentile", (NUMBER, DOUBLE), NUMBER, "quantile_disc({0}, {1})"),
    Function(
        "approx_percentile", (NUMBER, Array(DOUBLE)), Array(NUMBER), "quantile_disc({0}, {1})"
    ),
    Function("array_agg", (T,), Array(T), "list({0})"),
    Function("avg", (DOUBLE,), DOUBLE, "avg({0})"),
    Function("bitwise_and_agg", (BIGINT,), BIGINT, "bit_and({0})"),
    Function("bitwise_or_agg", (BIGINT,), BIGINT, "bit_or({0})"),
    Function("bool_and", (BOOLEAN,), BOOLEAN, "bool_and({0})"),
    Function("bool_or", (BOOLEAN,), BOOLEAN, "bool_or({0})"),
    Function("count", (), BIGINT, "count(*)"),
    Function("count", (T,), BIGINT, "count({0})"),
    Function("count_if", (BOOLEAN,), BIGINT, "count_if({0})", finish="CAST({} AS BIGINT)"),
    # A series is in order of time, and no time stands in it twice.
    Function(
        "create_time_series",
        (TIMESTAMP, T),
        TimeSeries(T),
        "list(struct_pack(f1 := {0}, f2 := {1}) ORDER BY {0})",
        finish=_SERIES,
    ),
    Function("every", (BOOLEAN,), BOOLEAN, "bool_and({0})"),
    *(Function(name, (DOUBLE,), DOUBLE, f"{name}({{0}})") for name in _STATISTICS),
    Function("variance", (DOUBLE,), DOUBLE, "var_samp({0})"),
    *(Function(name, (DOUBLE, DOUBLE), DOUBLE, f"{name}({{0}}, {{1}})") for name in _PAIRS),
    *(
        function
        for name in ("max", "min")
        for function in (
            Function(name, (T,), T, f"{name}({{0}})"),
            Function(name, (T, BIGINT), Array(T), f"{name}({{0}}, {{1}})"),
            # The plain forms leave out rows whose first argument is null; these don't.
            Function(f"{name}_by", (T, U), T, f"arg_{name}_null({{0}}, {{1}})"),
            Function(
                f"{name}_by",
                (T, U, BIGINT),
                Array(T),
                f"arg_{name}_nulls_last({{0}}, {{1}}, {{2}})",
            ),
        )
    ),
    Function("sum", (DOUBLE,), DOUBLE, "sum({0})"),
    Function("sum", (BIGINT,), BIGINT, "sum({0})", finish="CAST({} AS BIGINT)"),
    Function("sum", (DAY_TO_SECOND,), DAY_TO_SECOND, "sum({0})", finish="CAST({} AS BIGINT)"),
)

WINDOW_FUNCTIONS = (
    Function("cume_dist", (), DOUBLE, "cume_dist()"),
    Function("dense_rank", (), BIGINT, "dense_rank()"),
    Function("first_value", (T,), T, "first_value({0})"),
    Function("lag", (T,), T, "lag({0})"),
    Function("lag", (T, BIGINT), T, "lag({0}, {1})"),
    Function("lag", (T, BIGINT, T), T, "lag({0}, {1}, {2})"),
    Function("last_value", (T,), T, "last_value({0})"),
    Function("lead", (T,), T, "lead({0})"),
    Function("lead", (T, BIGINT), T, "lead({0}, {1})"),
    Function("lead", (T, BIGINT, T), T, "lead({0}, {1}, {2})"),
    Function("nth_value", (T, BIGINT), T, "nth_value({0}, {1})"),
    Function("ntile", (BIGINT,), BIGINT, "ntile({0})"),
    Function("percent_rank", (), DOUBLE, "percent_rank()"),
    Function("rank", (), BIGINT, "rank()"),
    Function("row_number", (), BIGINT, "row_number()"),
)
