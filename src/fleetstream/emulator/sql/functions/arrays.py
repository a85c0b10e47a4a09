"""Array functions: the developer guide's page of that name.

Indexes start at 1. Functions without a signature for time series treat them as arrays of rows.
"""

from __future__ import annotations

from fleetstream.emulator.sql.functions.signatures import Function, LambdaType, TypeVariable
from fleetstream.emulator.sql.typed_sql import let
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_TO_SECOND,
    TIMESTAMP,
    VARCHAR,
    ArrayType,
    RowType,
    TimeSeriesType,
)

T, U, S, R = TypeVariable("T"), TypeVariable("U"), TypeVariable("S"), TypeVariable("R")
LIST = ArrayType(T)
MAX_ENTRIES = 10_000
"""Trino's limit for the results of SEQUENCE and REPEAT."""

_TOO_MANY = f"error('The result would have more than {MAX_ENTRIES} entries, the most allowed')"


def _decided_by(word: str, otherwise: str) -> str:
    """Whether a lambda is ``word`` for an element; null if it is null for one instead."""
    return let(
        "t",
        "list_transform({0}, {1})",
        f"CASE WHEN list_contains(t, {word}) THEN {word}"
        f" WHEN list_count(t) = len(t) THEN {otherwise} END",
    )


_ALL, _ANY = _decided_by("false", "true"), _decided_by("true", "false")
_DISTINCT = "list_filter({0}, lambda e, i: list_position({0}, e) = i)"


def _sequence(start: str, stop: str, step: str) -> str:
    """Numbers from ``start`` to ``stop``; an error for a step of 0 or in the wrong direction."""
    return (
        f"CASE WHEN {step} = 0 OR ({stop} - {start}) * sign({step}) < 0"
        " THEN error('The step of a sequence must lead from its start to its end')"
        f" WHEN ({stop} - {start}) // {step} >= {MAX_ENTRIES} THEN {_TOO_MANY}"
        f" ELSE generate_series({start}, {stop}, {step}) END"
    )


def _timestamps(start: str, stop: str, step: str, duckdb_type: str) -> str:
    numbers = _sequence(f"epoch_ns({start})", f"epoch_ns({stop})", step)
    return f"list_transform({numbers}, lambda n: CAST(make_timestamp_ns(n) AS {duckdb_type}))"


_DAY = "CAST(86400000000000 AS BIGINT)"

FUNCTIONS = (
    Function("all_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, _ALL),
    Function("any_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, _ANY),
    Function("none_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, f"(NOT {_ANY})"),
    Function("array_distinct", (LIST,), LIST, _DISTINCT),
    Function(
        "array_except",
        (LIST, LIST),
        LIST,
        f"list_filter({_DISTINCT}, lambda e: list_position({{1}}, e) IS NULL)",
    ),
    Function(
        "array_intersect",
        (LIST, LIST),
        LIST,
        f"list_filter({_DISTINCT}, lambda e: list_position({{1}}, e) IS NOT NULL)",
    ),
    Function("array_union", (LIST, LIST), LIST, _DISTINCT.replace("{0}", "list_concat({0}, {1})")),
    Function(
        "array_join",
        (ArrayType(VARCHAR), VARCHAR),
        VARCHAR,
        "coalesce(array_to_string({0}, {1}), CASE WHEN {0} IS NOT NULL THEN '' END)",
    ),
    Function(
        "array_join",
        (ArrayType(VARCHAR), VARCHAR, VARCHAR),
        VARCHAR,
        "array_to_string(list_transform({0}, lambda e: coalesce(e, {2})), {1})",
    ),
    Function(
        "array_max", (LIST,), T, "CASE WHEN list_count({0}) = len({0}) THEN list_max({0}) END"
    ),
    Function(
        "array_min", (LIST,), T, "CASE WHEN list_count({0}) = len({0}) THEN list_min({0}) END"
    ),
    Function(
        "array_position",
        (LIST, T),
        BIGINT,
        "CASE WHEN {1} IS NOT NULL AND {0} IS NOT NULL"
        " THEN CAST(coalesce(list_position({0}, {1}), 0) AS BIGINT) END",
    ),
    Function("array_remove", (LIST, T), LIST, "list_filter({0}, lambda e: e IS DISTINCT FROM {1})"),
    Function("array_sort", (LIST,), LIST, "list_sort({0}, 'ASC', 'NULLS LAST')"),
    Function("arrays_overlap", (LIST, LIST), BOOLEAN, "list_has_any({0}, {1})"),
    Function("cardinality", (LIST,), BIGINT, "len({0})"),
    Function("concat", (LIST, LIST), LIST, "list_concat({all})", variadic=True),
    Function("contains", (LIST, T), BOOLEAN, "list_contains({0}, {1})"),
    Function(
        "element_at",
        (LIST, BIGINT),
        T,
        "CASE WHEN {1} = 0 THEN error('SQL array indices start at 1') ELSE ({0})[{1}] END",
    ),
    Function("filter", (LIST, LambdaType((T,), BOOLEAN)), LIST, "list_filter({0}, {1})"),
    Function(
        "filter",
        (TimeSeriesType(T), LambdaType((RowType((("time", TIMESTAMP), ("value", T))),), BOOLEAN)),
        TimeSeriesType(T),
        "list_filter({0}, {1})",
    ),
    Function("flatten", (ArrayType(LIST),), LIST, "flatten({0})"),
    Function(
        "reduce",
        (LIST, S, LambdaType((S, T), S), LambdaType((S,), R)),
        R,
        "list_transform([list_reduce({0}, {2}, {1})], {3})[1]",
    ),
    Function(
        "repeat",
        (T, BIGINT),
        LIST,
        f"CASE WHEN {{1}} > {MAX_ENTRIES} THEN {_TOO_MANY}"
        " ELSE list_transform(range(0, {1}), lambda n: {0}) END",
    ),
    Function("reverse", (LIST,), LIST, "list_reverse({0})"),
    Function(
        "sequence",
        (BIGINT, BIGINT),
        ArrayType(BIGINT),
        _sequence("{0}", "{1}", "(CASE WHEN {1} >= {0} THEN 1 ELSE -1 END)"),
    ),
    Function(
        "sequence", (BIGINT, BIGINT, BIGINT), ArrayType(BIGINT), _sequence("{0}", "{1}", "{2}")
    ),
    Function(
        "sequence",
        (TIMESTAMP, TIMESTAMP, DAY_TO_SECOND),
        ArrayType(TIMESTAMP),
        _timestamps("{0}", "{1}", "{2}", "TIMESTAMP_NS"),
    ),
    Function(
        "sequence",
        (DATE, DATE),
        ArrayType(DATE),
        _timestamps("CAST({0} AS TIMESTAMP_NS)", "CAST({1} AS TIMESTAMP_NS)", _DAY, "DATE"),
    ),
    Function(
        "slice",
        (LIST, BIGINT, BIGINT),
        LIST,
        "CASE WHEN {1} = 0 THEN error('SQL array indices start at 1') WHEN {2} < 0"
        " THEN error('The length of a slice must not be negative') WHEN {1} > 0"
        " THEN ({0})[{1}:{1} + {2} - 1] WHEN -{1} > len({0}) THEN ({0})[1:0]"
        " ELSE ({0})[len({0}) + {1} + 1:len({0}) + {1} + {2}] END",
    ),
    Function("transform", (LIST, LambdaType((T,), U)), ArrayType(U), "list_transform({0}, {1})"),
    Function(
        "zip",
        (ArrayType(T), ArrayType(U)),
        ArrayType(RowType(((None, T), (None, U)))),
        "list_transform(range(1, greatest(len({0}), len({1})) + 1),"
        " lambda i: struct_pack(f1 := ({0})[i], f2 := ({1})[i]))",
    ),
)
