"""Bounds on the texts and arrays that functions make, checked before they are made.

A check stands inside the argument that decides on the size, not around the call: DuckDB computes a
call of constants before it looks at the CASE around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.emulator import limits
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.typed_sql import TypedSql, as_template, let
from fleetstream.emulator.sql.types import ArrayType, RowType, SqlType, as_array

TOO_MANY = fail(
    f"'The result would have more than {limits.ARRAY_ENTRIES} entries, the most allowed'"
)
TOO_LARGE = fail(
    f"'The result would have more than {limits.VALUE_ENTRIES} entries, with those of the arrays in"
    " it, the most allowed'"
)
TOO_LONG = fail(f"'The result would be longer than {limits.TEXT_BYTES} bytes, the most allowed'")

_FIRST_ELEMENTS = limits.VALUE_ENTRIES // limits.ARRAY_ENTRIES + 1
_WORST_TEXT_BYTES = 100 * limits.TEXT_BYTES
"""What a replacement may need at most, if it is possible that it needs less."""


def bounded_text(text: str) -> str:
    """A text, which must not be longer than a text may be."""
    return let("t", text, f"CASE WHEN strlen(t) > {limits.TEXT_BYTES} THEN {TOO_LONG} ELSE t END")


def bounded_part(part: str, times: str) -> str:
    """A text that a function inserts up to ``times`` times into another one."""
    return (
        f"CASE WHEN {times} * strlen({part}) > {_WORST_TEXT_BYTES} THEN {TOO_LONG} ELSE {part} END"
    )


def bounded_array(of: SqlType, array: str) -> str:
    """An array of the type ``of``, which must not have more entries than a value may have."""
    return let(
        "a",
        array,
        f"CASE WHEN {entries(of, 'a')} > {limits.VALUE_ENTRIES} THEN {TOO_LARGE} ELSE a END",
    )


def transformed(array: str, number: int, arguments: Sequence[TypedSql]) -> str:
    """A template for the results of a lambda, argument ``number``, for the elements of ``array``.

    If the results have arrays in them, their entries are counted before the results are kept.
    """
    function = arguments[number]
    count = _entries(function.type, "v", 0)
    if count is None:
        return f"list_transform({array}, {{{number}}})"
    names, body = function.lambda_parts
    counted = f"lambda {names}: {let('v', as_template(body), count)}"
    # Large results are found at the first elements, before all are computed.
    checks = " ".join(
        f"WHEN list_sum(list_transform({part}, {counted})) > {limits.VALUE_ENTRIES}"
        f" THEN {TOO_LARGE}"
        for part in (f"a[:{_FIRST_ELEMENTS}]", "a")
    )
    return f"list_transform({let('a', array, f'CASE {checks} ELSE a END')}, {{{number}}})"


def entries(of: SqlType, value: str) -> str:
    """The number of entries of the arrays in a value, at least 1; ``value`` is used repeatedly."""
    return _entries(of, value, 0) or "1"


def _entries(of: SqlType, value: str, depth: int) -> str | None:
    """As ``entries``; None for a type without arrays."""
    of = as_array(of)
    if isinstance(of, RowType):
        parts = (
            _entries(field, f"({value}).f{number}", depth)
            for number, (_, field) in enumerate(of.fields, 1)
        )
        counts = [part for part in parts if part is not None]
        return f"({' + '.join(counts)})" if counts else None
    if not isinstance(of, ArrayType):
        return None
    inner = _entries(of.element, f"n{depth}", depth + 1)
    if inner is None:
        return f"greatest(len({value}), 1)"
    counted = f"list_sum(list_transform({value}, lambda n{depth}: {inner}))"
    return f"greatest(CAST({counted} AS BIGINT), 1)"
