"""All functions that queries can call, by name, and the few that are put together here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from fleetstream.local.sql import (
    aggregate_functions,
    array_functions,
    math_functions,
    series_functions,
    string_functions,
    time_functions,
)
from fleetstream.local.sql.signatures import Function, Variable

_T = Variable("T")


def _unless_null(call: str) -> Function:
    """GREATEST or LEAST: null when any argument is; DuckDB would pass over it."""
    return Function(
        call,
        (_T, _T),
        _T,
        f"CASE WHEN list_count([{{all}}]) = len([{{all}}]) THEN {call}({{all}}) END",
        variadic=True,
    )


CONDITIONALS = (
    Function("coalesce", (_T, _T), _T, "coalesce({all})", variadic=True),
    _unless_null("greatest"),
    _unless_null("least"),
    Function("nullif", (_T, _T), _T, "nullif({0}, {1})"),
)


def _by_name(functions: Iterable[Function]) -> Mapping[str, tuple[Function, ...]]:
    found: defaultdict[str, list[Function]] = defaultdict(list)
    for function in functions:
        found[function.name].append(function)
    return {name: tuple(signatures) for name, signatures in found.items()}


SCALARS = _by_name(
    (
        *CONDITIONALS,
        *math_functions.FUNCTIONS,
        *string_functions.FUNCTIONS,
        *time_functions.FUNCTIONS,
        *array_functions.FUNCTIONS,
        *series_functions.FUNCTIONS,
    )
)
AGGREGATES = _by_name(aggregate_functions.AGGREGATES)
WINDOW_FUNCTIONS = _by_name(aggregate_functions.WINDOW_FUNCTIONS)
