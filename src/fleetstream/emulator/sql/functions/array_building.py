"""Array functions that make arrays of numbers, moments and other arrays.

They are on the developer guide's page "Array functions", as those of ``arrays``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fleetstream.emulator import limits
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Function, LambdaType, TypeVariable
from fleetstream.emulator.sql.functions.sizes import (
    TOO_LARGE,
    TOO_MANY,
    bounded_array,
    entries,
    transformed,
)
from fleetstream.emulator.sql.instants import add_months, to_microseconds
from fleetstream.emulator.sql.typed_sql import TypedSql, unless_null
from fleetstream.emulator.sql.types import (
    BIGINT,
    DATE,
    DAY_TO_SECOND,
    TIMESTAMP,
    YEAR_TO_MONTH,
    ArrayType,
    RowType,
    SqlType,
    as_array,
)

T, U, R = TypeVariable("T"), TypeVariable("U"), TypeVariable("R")
LIST = ArrayType(T)
MOMENT = TypeVariable("M", (DATE, TIMESTAMP))

_WRONG_STEP = fail("'The step of a sequence must not be 0, and lead from its start to its end'")
_NO_LENGTH = fail("'The length of an n-gram must be greater than 0'")
_DAY = 86_400 * 10**9


def _numbers(start: str, stop: str, step: str) -> str:
    """A template for the numbers from ``start`` to ``stop``."""
    return (
        f"generate_series({start}, CASE WHEN {step} = 0 OR ({stop} - {start}) * sign({step}) < 0"
        f" THEN {_WRONG_STEP} WHEN ({stop} - {start}) // {step} >= {limits.ARRAY_ENTRIES}"
        f" THEN {TOO_MANY} ELSE {stop} END, {step})"
    )


def _towards(start: str, stop: str, size: int) -> str:
    """The step of a sequence without one."""
    return f"CAST(CASE WHEN {stop} >= {start} THEN {size} ELSE -{size} END AS BIGINT)"


def _moments(arguments: Sequence[TypedSql]) -> str:
    """A sequence of timestamps or dates, with a step of nanoseconds, by default of a day."""
    of = arguments[0].type
    start, stop = (f"epoch_ns(CAST({{{number}}} AS TIMESTAMP_NS))" for number in (0, 1))
    step = "{2}" if len(arguments) == 3 else _towards(start, stop, _DAY)
    if of == DATE:
        whole = fail("'The step of a sequence of dates must be a number of days'")
        step = f"CASE WHEN {step} % {_DAY} <> 0 THEN {whole} ELSE {step} END"
    numbers = _numbers(start, stop, step)
    return f"list_transform({numbers}, lambda n: CAST(make_timestamp_ns(n) AS {of.duckdb}))"


def _months(arguments: Sequence[TypedSql]) -> str:
    """A sequence of timestamps or dates, with a step of months."""
    of = arguments[0].type
    months = f"date_sub('month', {to_microseconds('{0}', of)}, {to_microseconds('{1}', of)})"
    steps = (
        f"CASE WHEN {{2}} = 0 OR ({{0}} <> {{1}} AND ({{1}} > {{0}}) <> ({{2}} > 0))"
        f" THEN {_WRONG_STEP} WHEN {months} // {{2}} >= {limits.ARRAY_ENTRIES}"
        f" THEN {TOO_MANY} ELSE {months} // {{2}} END"
    )
    moment = add_months("{0}", of, "(i * {2})")
    return f"list_transform(generate_series(0, {steps}), lambda i: {moment})"


def _repeat(arguments: Sequence[TypedSql]) -> str:
    count = (
        f"CASE WHEN {{1}} > {limits.ARRAY_ENTRIES} THEN {TOO_MANY}"
        f" WHEN {{1}} * {entries(arguments[0].type, '{0}')} > {limits.VALUE_ENTRIES}"
        f" THEN {TOO_LARGE} ELSE {{1}} END"
    )
    return f"list_transform(range(0, {count}), lambda n: {{0}})"


def _concat(arguments: Sequence[TypedSql]) -> str:
    # DuckDB's list_concat takes null for an empty list.
    array = unless_null(range(len(arguments)), "list_concat({all})")
    return bounded_array(arguments[0].type, array)


def _flatten(arguments: Sequence[TypedSql]) -> str:
    return bounded_array(_element(arguments[0].type), "flatten({0})")


def _element(of: SqlType) -> SqlType:
    array = as_array(of)
    return array.element if isinstance(array, ArrayType) else array


# DuckDB takes a null array for an empty one.
_APPENDED = "CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END"
_PREPENDED = "CASE WHEN {1} IS NOT NULL THEN list_prepend({0}, {1}) END"


def _zipped(count: int) -> str:
    """The rows of the elements of ``count`` arrays at the same places."""
    lengths = ", ".join(f"len({{{number}}})" for number in range(count))
    fields = ", ".join(f"f{number + 1} := ({{{number}}})[i]" for number in range(count))
    rows = f"list_transform(range(1, greatest({lengths}) + 1), lambda i: struct_pack({fields}))"
    return unless_null(range(count), rows)


def _zip(count: int) -> Function:
    types = [TypeVariable(name) for name in "TUVWX"[:count]]
    row = RowType(tuple((None, of) for of in types))
    return Function("zip", tuple(map(ArrayType, types)), ArrayType(row), _zipped(count))


_NGRAMS = (
    f"list_transform(range(1, CASE WHEN {{1}} <= 0 THEN {_NO_LENGTH}"
    f" WHEN {{1}} * len({{0}}) > {limits.VALUE_ENTRIES} THEN {TOO_LARGE}"
    " ELSE greatest(len({0}) - {1} + 1, 1) + 1 END), lambda i: ({0})[i:i + {1} - 1])"
)

FUNCTIONS = (
    Function("concat", (LIST, LIST), LIST, _concat, variadic=True),
    Function("concat", (LIST, T), LIST, _APPENDED),
    Function("concat", (T, LIST), LIST, _PREPENDED),
    Function("flatten", (ArrayType(LIST),), LIST, _flatten),
    Function(
        "ngrams",
        (LIST, BIGINT),
        ArrayType(LIST),
        unless_null((0, 1), _NGRAMS),
    ),
    Function("repeat", (T, BIGINT), LIST, _repeat),
    Function(
        "sequence",
        (BIGINT, BIGINT),
        ArrayType(BIGINT),
        _numbers("{0}", "{1}", _towards("{0}", "{1}", 1)),
    ),
    Function(
        "sequence", (BIGINT, BIGINT, BIGINT), ArrayType(BIGINT), _numbers("{0}", "{1}", "{2}")
    ),
    Function("sequence", (MOMENT, MOMENT), ArrayType(MOMENT), _moments),
    Function("sequence", (MOMENT, MOMENT, DAY_TO_SECOND), ArrayType(MOMENT), _moments),
    Function("sequence", (MOMENT, MOMENT, YEAR_TO_MONTH), ArrayType(MOMENT), _months),
    Function(
        "shuffle",
        (LIST,),
        LIST,
        "list_transform(list_sort(list_transform({0}, lambda e: struct_pack(r := random(), e := e)"
        ")), lambda s: (s).e)",
    ),
    *(_zip(count) for count in (2, 3, 4, 5)),
    Function(
        "zip_with",
        (ArrayType(T), ArrayType(U), LambdaType((T, U), R, packed=True)),
        ArrayType(R),
        partial(transformed, _zipped(2), 2),
    ),
)
