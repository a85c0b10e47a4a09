"""Array functions: the developer guide's page of that name.

Indexes start at 1. Functions without a signature for time series treat them as arrays of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.equality import all_true, any_true, equal
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Function, LambdaType, TypeVariable
from fleetstream.emulator.sql.functions.sizes import bounded_part, bounded_text, transformed
from fleetstream.emulator.sql.functions.strings import joined
from fleetstream.emulator.sql.typed_sql import TypedSql, as_template, let, unless_null
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVALS,
    TIME,
    TIMESTAMP,
    VARCHAR,
    ArrayType,
    RowType,
    TimeSeriesType,
)

T, U, S, R = TypeVariable("T"), TypeVariable("U"), TypeVariable("S"), TypeVariable("R")
LIST = ArrayType(T)
PRINTED = TypeVariable(
    "P", (VARCHAR, BOOLEAN, INTEGER, BIGINT, DOUBLE, DATE, TIME, TIMESTAMP, *INTERVALS)
)


def _set(chosen: str, first: str = "{0}", second: str | None = None) -> str:
    """The distinct elements of ``first`` that are ``chosen``, in their order.

    All elements are sorted, those of ``second`` before equal ones of ``first``. ``chosen`` tests
    an element of ``first``, the first of its equals: ``b`` is the element before it in that
    order, and ``same`` stands for whether the two are equal. So the time is not quadratic.
    """
    tagged = "list_transform({list}, lambda e, i: struct_pack(v := e, s := {side}, i := i))"
    rows = tagged.replace("{list}", first).replace("{side}", "1")
    if second is not None:
        other = tagged.replace("{list}", second).replace("{side}", "0")
        rows = f"list_concat({other}, {rows})"
    same = "((b).v IS NOT DISTINCT FROM (r).v AND k > 1)"
    test = f"(r).s = 1 AND NOT ({same} AND (b).s = 1) AND {chosen.replace('same', same)}"
    kept = f"list_filter(o, lambda r, k: {let('b', 'o[k - 1]', test)})"
    ordered = f"list_sort(list_transform({kept}, lambda r: struct_pack(i := (r).i, v := (r).v)))"
    result = let("o", f"list_sort({rows})", f"list_transform({ordered}, lambda r: (r).v)")
    # DuckDB's list_concat takes null for an empty list.
    return f"CASE WHEN {first} IS NOT NULL AND {second or first} IS NOT NULL THEN {result} END"


_UNION = let(
    "u",
    "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN list_concat({0}, {1}) END",
    _set("true", "u"),
)
_TESTS = "list_transform({0}, {1})"
_NO_INDEX = fail("'SQL array indices start at 1'")
_NO_LENGTH = fail("'The length of a slice must not be negative'")
_SLICE_LENGTH = "least({2}, len({0}))"
# A null is equal to nothing, and to everything.
_OVERLAP = (
    "CASE WHEN list_has_any({0}, {1}) THEN true WHEN len({0}) = 0 OR len({1}) = 0 THEN false"
    " WHEN list_count({0}) = len({0}) AND list_count({1}) = len({1}) THEN false END"
)


def _tests(arguments: Sequence[TypedSql]) -> str:
    """Which elements of the first argument are equal to the second."""
    return f"list_transform({{0}}, lambda e: {equal(arguments[1].type, 'e', '{1}')})"


def _contains(arguments: Sequence[TypedSql]) -> str:
    return f"CASE WHEN {{1}} IS NOT NULL THEN {any_true(_tests(arguments))} END"


def _position(arguments: Sequence[TypedSql]) -> str:
    found = f"coalesce(list_position({_tests(arguments)}, true), 0)"
    return f"CASE WHEN {{1}} IS NOT NULL AND {{0}} IS NOT NULL THEN CAST({found} AS BIGINT) END"


def _remove(arguments: Sequence[TypedSql]) -> str:
    different = f"({equal(arguments[1].type, 'e', '{1}')}) IS DISTINCT FROM true"
    return f"CASE WHEN {{1}} IS NOT NULL THEN list_filter({{0}}, lambda e: {different}) END"


def _join(arguments: Sequence[TypedSql]) -> str:
    """Texts of the elements, with a delimiter; nulls are left out, or replaced."""
    array = arguments[0].type
    element = array.element if isinstance(array, ArrayType) else VARCHAR
    text, parts = as_template(cast_sql("e", element, VARCHAR)), "{0}"
    if len(arguments) == 3:
        parts = (
            f"list_transform({{0}}, lambda e: coalesce({text}, {bounded_part('{2}', 'len({0})')}))"
        )
    elif element != VARCHAR:
        parts = f"list_transform({{0}}, lambda e: {text})"
    text = bounded_text(joined(parts, bounded_part("{1}", "len({0})")))
    return unless_null(range(len(arguments)), text)


FUNCTIONS = (
    Function("all_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, all_true(_TESTS)),
    Function("any_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, any_true(_TESTS)),
    Function("none_match", (LIST, LambdaType((T,), BOOLEAN)), BOOLEAN, f"(NOT {any_true(_TESTS)})"),
    Function("array_distinct", (LIST,), LIST, _set("true")),
    Function(
        "array_except",
        (LIST, LIST),
        LIST,
        _set("NOT same", second="{1}"),
    ),
    Function(
        "array_intersect",
        (LIST, LIST),
        LIST,
        _set("same", second="{1}"),
    ),
    Function("array_union", (LIST, LIST), LIST, _UNION),
    Function("array_join", (ArrayType(PRINTED), VARCHAR), VARCHAR, _join),
    Function("array_join", (ArrayType(PRINTED), VARCHAR, VARCHAR), VARCHAR, _join),
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
        _position,
    ),
    Function("array_remove", (LIST, T), LIST, _remove),
    Function("array_sort", (LIST,), LIST, "list_sort({0}, 'ASC', 'NULLS LAST')"),
    Function("arrays_overlap", (LIST, LIST), BOOLEAN, _OVERLAP),
    Function("cardinality", (LIST,), BIGINT, "len({0})"),
    Function("contains", (LIST, T), BOOLEAN, _contains),
    Function(
        "element_at",
        (LIST, BIGINT),
        T,
        f"CASE WHEN {{1}} = 0 THEN {_NO_INDEX} ELSE ({{0}})[{{1}}] END",
    ),
    Function("filter", (LIST, LambdaType((T,), BOOLEAN)), LIST, "list_filter({0}, {1})"),
    Function(
        "filter",
        (TimeSeriesType(T), LambdaType((RowType((("time", TIMESTAMP), ("value", T))),), BOOLEAN)),
        TimeSeriesType(T),
        "list_filter({0}, {1})",
    ),
    Function(
        "reduce",
        (LIST, S, LambdaType((S, T), S), LambdaType((S,), R)),
        R,
        "list_transform([list_reduce({0}, {2}, {1})], {3})[1]",
    ),
    Function("reverse", (LIST,), LIST, "list_reverse({0})"),
    Function(
        "slice",
        (LIST, BIGINT, BIGINT),
        LIST,
        f"CASE WHEN {{1}} = 0 THEN {_NO_INDEX} WHEN {{2}} < 0 THEN {_NO_LENGTH}"
        " WHEN {2} IS NULL THEN NULL WHEN {1} > 0"
        f" THEN ({{0}})[{{1}}:{{1}} - 1 + {_SLICE_LENGTH}]"
        " WHEN {1} < -len({0}) THEN ({0})[1:0]"
        f" ELSE ({{0}})[len({{0}}) + {{1}} + 1:len({{0}}) + {{1}} + {_SLICE_LENGTH}] END",
    ),
    Function(
        "transform", (LIST, LambdaType((T,), U)), ArrayType(U), partial(transformed, "{0}", 1)
    ),
)
