"""From the rows of a CSV file to records, by a data model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from fleetstream.emulator.api.write_records import NANOSECONDS
from fleetstream.emulator.batch_load.shapes import DataModel
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.mapping.measures import MeasureMapping, Row
from fleetstream.emulator.store.values import MAX_TIME, MIN_TIME

_NUMBER = re.compile(r"-?\d{1,19}")


class InvalidRow(Exception):
    """A row can't become records; the message says why."""


class DataModelMapping:
    """Makes the records of rows."""

    def __init__(self, model: DataModel, version: int) -> None:
        """Raises ValidationException if the model is incomplete or contradicts itself."""
        if model.time_column is UNSET:
            raise ValidationException("The data model needs a TimeColumn.")
        self._time_column = model.time_column
        self._time_unit = model.time_unit or "MILLISECONDS"
        self._measures = MeasureMapping(
            model.multi_measure_mappings, model.mixed_measure_mappings, model.measure_name_column
        )
        self._dimensions: list[tuple[str, str]] = []
        for dimension in model.dimension_mappings:
            if dimension.source_column is UNSET:
                raise ValidationException("A mapping in DimensionMappings needs a SourceColumn.")
            target = dimension.destination_column or dimension.source_column
            self._dimensions.append((dimension.source_column, target))
        self._version = version

    def columns(self) -> list[str]:
        """The columns that every file must have."""
        measures = [name for name, _ in self._measures.columns()]
        return [self._time_column, *(source for source, _ in self._dimensions), *measures]

    def records(self, row: Row) -> Iterator[dict[str, Any]]:
        """The API's Records; raises InvalidRow if the time is invalid or there are none."""
        time = row[self._time_column] or ""
        nanoseconds = NANOSECONDS[self._time_unit]
        if not _NUMBER.fullmatch(time) or not MIN_TIME <= int(time) * nanoseconds <= MAX_TIME:
            raise InvalidRow(f"The time {time[:40]!r} is not a valid number of {self._time_unit}.")
        common = {
            "Time": time,
            "TimeUnit": self._time_unit,
            "Version": self._version,
            "Dimensions": [
                {"Name": target, "Value": value}
                for source, target in self._dimensions
                if (value := row[source]) is not None
            ],
        }
        found = False
        for measure in self._measures.measures(row):
            found = True
            yield common | measure
        if not found:
            raise InvalidRow("The row has no value of a measure that the data model maps.")
