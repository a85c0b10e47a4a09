"""All functions that queries can call, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from fleetstream.emulator.sql.functions import (
    aggregates,
    array_building,
    arrays,
    conditionals,
    numbers,
    regular_expressions,
    strings,
    time_series,
    times,
)
from fleetstream.emulator.sql.functions.signatures import Aggregate, Function

Known = TypeVar("Known", Function, Aggregate)


def _by_name(signatures: Iterable[Known]) -> Mapping[str, tuple[Known, ...]]:
    found: defaultdict[str, list[Known]] = defaultdict(list)
    for signature in signatures:
        found[signature.name].append(signature)
    return {name: tuple(overloads) for name, overloads in found.items()}


SCALARS = _by_name(
    (
        *conditionals.FUNCTIONS,
        *numbers.FUNCTIONS,
        *strings.FUNCTIONS,
        *regular_expressions.FUNCTIONS,
        *times.FUNCTIONS,
        *arrays.FUNCTIONS,
        *array_building.FUNCTIONS,
        *time_series.FUNCTIONS,
    )
)
AGGREGATES = _by_name(aggregates.AGGREGATES)
WINDOW_FUNCTIONS = _by_name(aggregates.WINDOW_FUNCTIONS)
