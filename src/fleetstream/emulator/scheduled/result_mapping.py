"""From the rows of a query's result to records, by the target configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.mapping.measures import MeasureMapping, Row
from fleetstream.emulator.scheduled.shapes import TimestreamConfiguration
from fleetstream.emulator.sql import (
    BOOLEAN,
    INTEGERS,
    NUMERIC,
    TIMESTAMP,
    VARCHAR,
    SqlType,
    TranslatedStatement,
)

_ACCEPTED: dict[str, tuple[SqlType, ...]] = {
    "VARCHAR": (VARCHAR,),
    "BIGINT": INTEGERS,
    "DOUBLE": NUMERIC,
    "BOOLEAN": (BOOLEAN,),
    "TIMESTAMP": (TIMESTAMP,),
}
"""The types of columns that can become a measure of each type."""


class ResultMapping:
    """Makes the records of a result's rows."""

    def __init__(self, target: TimestreamConfiguration, statement: TranslatedStatement) -> None:
        """Raises ValidationException if the mappings do not fit each other or the query."""
        self._target = target
        self._mapping = MeasureMapping(
            target.multi_measure_mappings,
            target.mixed_measure_mappings,
            target.measure_name_column,
            _nanoseconds,
        )
        types = {column.name: column.type for column in statement.columns}
        wanted = [
            (target.time_column, "TIMESTAMP"),
            *((dimension.name, "VARCHAR") for dimension in target.dimension_mappings),
            *self._mapping.columns(),
        ]
        for name, value_type in wanted:
            of = types.get(name)
            if of is None:
                raise ValidationException(f"The query has no column {name}, which the target maps.")
            if of not in _ACCEPTED[value_type]:
                raise ValidationException(
                    f"The column {name} has the type {of}, and can't be mapped to {value_type}."
                )

    def records(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """The API's Records; a row without values has none."""
        for row in rows:
            time = row[self._target.time_column]
            common = {
                "Time": None if time is None else _nanoseconds(time),
                "TimeUnit": "NANOSECONDS",
                "Dimensions": [
                    {"Name": dimension.name, "Value": value}
                    for dimension in self._target.dimension_mappings
                    if (value := row[dimension.name]) is not None
                ],
            }
            for measure in self._mapping.measures(row):
                yield common | measure


def _nanoseconds(text: str) -> str:
    """A timestamp as a number of nanoseconds since 1970."""
    return str(np.datetime64(text, "ns").astype(np.int64))
