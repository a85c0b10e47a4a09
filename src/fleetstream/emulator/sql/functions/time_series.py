"""Time series functions: the developer guide's page of that name.

A series is a list of (f1 time, f2 value), sorted by time. Everything is computed by DuckDB's list
functions. Times are converted to seconds between points, so that doubles represent them precisely.

The guide does not define values outside of a series. Here, linear and spline interpolation return
null, LOCF returns the last value after the series and null before it, and FILL its constant.
"""

from __future__ import annotations

from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Function, TypeVariable
from fleetstream.emulator.sql.typed_sql import let, unless_null
from fleetstream.emulator.sql.types import (
    DAY_TO_SECOND,
    DOUBLE,
    TIMESTAMP,
    ArrayType,
    TimeSeriesType,
)

T = TypeVariable("T")
SERIES = TimeSeriesType(DOUBLE)
MOMENTS = ArrayType(TIMESTAMP)

_ONE_SECOND = "CAST(1000000000 AS BIGINT)"
_OTHER_TIMES = "'The time series to correlate must have the same timestamps'"
_KNOWN = "list_filter({0}, lambda e: (e).f2 IS NOT NULL)"


def _elapsed(start: str, end: str, unit: str = _ONE_SECOND) -> str:
    return f"((epoch_ns({end}) - epoch_ns({start})) / CAST({unit} AS DOUBLE))"


_LINEAR_AT = (
    "CASE WHEN k = 0 OR t > s[len(s)].f1 THEN NULL WHEN s[k].f1 = t THEN s[k].f2"
    f" ELSE s[k].f2 + (s[k + 1].f2 - s[k].f2) * {_elapsed('s[k].f1', 't')}"
    f" / {_elapsed('s[k].f1', 's[k + 1].f1')} END"
)

# The tridiagonal system of the natural cubic spline, solved by the Thomas algorithm: `m[i]` holds
# the reduced super-diagonal c and right-hand side d of row i, `w[i]` the second derivative at i.
_STEPS = f"list_transform(range(1, len(s)), lambda i: {_elapsed('s[i].f1', 's[i + 1].f1')})"
_SLOPES = "list_transform(range(1, len(s)), lambda i: (s[i + 1].f2 - s[i].f2) / h[i])"
_FORWARD = (
    "list_reduce(range(2, len(s)), lambda acc, i: list_append(acc, "
    + let(
        "q",
        "2 * (h[i - 1] + h[i]) - h[i - 1] * acc[len(acc)].c",
        "struct_pack(c := h[i] / q, d := (6 * (v[i] - v[i - 1]) - h[i - 1] * acc[len(acc)].d) / q)",
    )
    + "), [struct_pack(c := CAST(0 AS DOUBLE), d := CAST(0 AS DOUBLE))])"
)
_BACKWARD = (
    "list_reverse(list_append(list_reduce(list_reverse(range(2, len(s))), lambda acc, i:"
    " list_append(acc, m[i].d - m[i].c * acc[len(acc)]), [CAST(0 AS DOUBLE)]), CAST(0 AS DOUBLE)))"
)
_SPLINE_AT = (
    "CASE WHEN k = 0 OR t > s[len(s)].f1 THEN NULL WHEN s[k].f1 = t THEN s[k].f2 ELSE "
    + let(
        "a",
        _elapsed("s[k].f1", "t"),
        "s[k].f2 + (v[k] - h[k] * (2 * w[k] + w[k + 1]) / 6) * a + w[k] / 2 * a * a"
        " + (w[k + 1] - w[k]) / (6 * h[k]) * a * a * a",
    )
    + " END"
)
_LOCF_AT = "CASE WHEN k > 0 THEN s[k].f2 END"
_FILL_AT = "CASE WHEN k > 0 AND s[k].f1 = t THEN s[k].f2 ELSE {2} END"


def _at(moment: str, value: str) -> str:
    """``value``, where ``t`` is the moment, and ``k`` the index of the last point up to it."""
    index = "len(list_filter(s, lambda e: (e).f1 <= t))"
    return let("t", moment, let("k", index, value))


def _over(value: str) -> str:
    """The series of ``value`` at every moment of the second argument."""
    return f"list_transform({{1}}, lambda z: struct_pack(f1 := z, f2 := {_at('z', value)}))"


def _with_points(body: str) -> str:
    return let("s", _KNOWN, f"CASE WHEN s IS NOT NULL THEN {body} END")


def _with_spline(body: str) -> str:
    solved = let("h", _STEPS, let("v", _SLOPES, let("m", _FORWARD, let("w", _BACKWARD, body))))
    return _with_points(solved)


_DERIVATIVE = _with_points(
    "list_transform(range(2, len(s) + 1), lambda i: struct_pack(f1 := s[i].f1,"
    f" f2 := (s[i].f2 - s[i - 1].f2) / {_elapsed('s[i - 1].f1', 's[i].f1', '{1}')}))"
)


def _integral(unit: str) -> str:
    return _with_points(
        "coalesce(list_sum(list_transform(range(2, len(s) + 1), lambda i:"
        f" (s[i].f2 + s[i - 1].f2) / 2 * {_elapsed('s[i - 1].f1', 's[i].f1', unit)})), 0)"
    )


def _correlation(prepared: str) -> str:
    """Pearson's coefficient of two series; ``prepared`` makes a list of doubles of {s}."""
    same = "list_transform({0}, lambda e: (e).f1) = list_transform({1}, lambda e: (e).f1)"
    x, y = (prepared.replace("{s}", f"{{{number}}}") for number in (0, 1))
    centred = "list_transform({l}, lambda e: e - list_avg({l}))"
    product = "list_sum(list_transform(range(1, len(x) + 1), lambda i: x[i] * y[i]))"
    squares = "list_sum(list_transform({l}, lambda e: e * e))"
    norm = f"sqrt({squares.replace('{l}', 'x')} * {squares.replace('{l}', 'y')})"
    ratio = f"{product} / {norm}"
    body = let("x", centred.replace("{l}", "p"), let("y", centred.replace("{l}", "q"), ratio))
    return (
        f"CASE WHEN {same} THEN {let('p', x, let('q', y, body))} WHEN {{0}} IS NOT NULL AND {{1}}"
        f" IS NOT NULL THEN {fail(_OTHER_TIMES)} END"
    )


_VALUES = "list_transform({s}, lambda e: (e).f2)"
# Ranks; equal values have the mean of their ranks.
_RANKS = let(
    "o",
    f"list_sort({_VALUES})",
    let(
        "d",
        "list_reverse(o)",
        "list_transform({s}, lambda e:"
        " (list_position(o, (e).f2) + len(o) + 1 - list_position(d, (e).f2)) / 2)",
    ),
)

FUNCTIONS = (
    Function("interpolate_linear", (SERIES, MOMENTS), SERIES, _with_points(_over(_LINEAR_AT))),
    Function(
        "interpolate_linear", (SERIES, TIMESTAMP), DOUBLE, _with_points(_at("{1}", _LINEAR_AT))
    ),
    Function(
        "interpolate_spline_cubic", (SERIES, MOMENTS), SERIES, _with_spline(_over(_SPLINE_AT))
    ),
    Function(
        "interpolate_spline_cubic",
        (SERIES, TIMESTAMP),
        DOUBLE,
        _with_spline(_at("{1}", _SPLINE_AT)),
    ),
    Function(
        "interpolate_locf",
        (TimeSeriesType(T), MOMENTS),
        TimeSeriesType(T),
        _with_points(_over(_LOCF_AT)),
    ),
    Function(
        "interpolate_locf", (TimeSeriesType(T), TIMESTAMP), T, _with_points(_at("{1}", _LOCF_AT))
    ),
    Function(
        "interpolate_fill",
        (TimeSeriesType(T), MOMENTS, T),
        TimeSeriesType(T),
        _with_points(_over(_FILL_AT)),
    ),
    Function(
        "interpolate_fill",
        (TimeSeriesType(T), TIMESTAMP, T),
        T,
        unless_null((1,), _with_points(_at("{1}", _FILL_AT))),
    ),
    Function("derivative_linear", (SERIES, DAY_TO_SECOND), SERIES, unless_null((1,), _DERIVATIVE)),
    Function(
        "non_negative_derivative_linear",
        (SERIES, DAY_TO_SECOND),
        SERIES,
        unless_null((1,), f"list_filter({_DERIVATIVE}, lambda e: (e).f2 >= 0)"),
    ),
    Function("integral_trapezoidal", (SERIES,), DOUBLE, _integral(_ONE_SECOND)),
    Function(
        "integral_trapezoidal", (SERIES, DAY_TO_SECOND), DOUBLE, unless_null((1,), _integral("{1}"))
    ),
    Function("correlate_pearson", (SERIES, SERIES), DOUBLE, _correlation(_VALUES)),
    Function("correlate_spearman", (SERIES, SERIES), DOUBLE, _correlation(_RANKS)),
)
