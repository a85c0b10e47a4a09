"""From the rows of a query's result to records, by the target configuration's mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.scheduled.shapes import (
    MixedMeasureMapping,
    MultiMeasureAttribute,
    TimestreamConfiguration,
)
from fleetstream.emulator.sql import (
    BOOLEAN,
    INTEGERS,
    NUMERIC,
    TIMESTAMP,
    VARCHAR,
    SqlType,
    TranslatedStatement,
)

Row = Mapping[str, str | None]
"""A row's values, as the texts that the query API returns, by column."""

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
        self._types = {column.name: column.type for column in statement.columns}
        if (target.multi_measure_mappings is UNSET) == (target.mixed_measure_mappings is UNSET):
            raise ValidationException(
                "The target needs either MultiMeasureMappings or MixedMeasureMappings."
            )
        self._require(target.time_column, "TIMESTAMP")
        for dimension in target.dimension_mappings:
            self._require(dimension.name, "VARCHAR")
        if target.measure_name_column is not UNSET:
            self._require(target.measure_name_column, "VARCHAR")
        if target.multi_measure_mappings is not UNSET:
            if (
                target.measure_name_column is UNSET
                and target.multi_measure_mappings.target_multi_measure_name is UNSET
            ):
                raise ValidationException(
                    "MultiMeasureMappings need a TargetMultiMeasureName, or the target needs a"
                    " MeasureNameColumn."
                )
            self._check_attributes(target.multi_measure_mappings.multi_measure_attribute_mappings)
        for mapping in target.mixed_measure_mappings or ():
            self._check_mixed(mapping)

    def records(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """The API's Records; a row without values has none."""
        for row in rows:
            common = {
                "Time": _nanoseconds(row[self._target.time_column]),
                "TimeUnit": "NANOSECONDS",
                "Dimensions": [
                    {"Name": dimension.name, "Value": value}
                    for dimension in self._target.dimension_mappings
                    if (value := row[dimension.name]) is not None
                ],
            }
            for measure in self._measures(row):
                yield common | measure

    def _measures(self, row: Row) -> Iterator[dict[str, Any]]:
        name = _optional(row, self._target.measure_name_column)
        multi = self._target.multi_measure_mappings
        if multi is not UNSET:
            measure_name = name or multi.target_multi_measure_name or None
            yield from _multi(row, measure_name, multi.multi_measure_attribute_mappings)
            return
        for mapping in self._target.mixed_measure_mappings or ():
            if self._target.measure_name_column is not UNSET and mapping.measure_name != name:
                continue
            measure_name = (
                mapping.target_measure_name or mapping.measure_name or mapping.source_column or None
            )
            if mapping.measure_value_type == "MULTI":
                attributes = mapping.multi_measure_attribute_mappings or ()
                yield from _multi(row, measure_name, attributes)
            elif (value := _optional(row, mapping.source_column)) is not None:
                yield {
                    "MeasureName": measure_name,
                    "MeasureValue": value,
                    "MeasureValueType": mapping.measure_value_type,
                }

    def _check_mixed(self, mapping: MixedMeasureMapping) -> None:
        if self._target.measure_name_column is not UNSET and mapping.measure_name is UNSET:
            raise ValidationException(
                "A mapping in MixedMeasureMappings needs a MeasureName, because the target has a"
                " MeasureNameColumn."
            )
        if mapping.measure_value_type == "MULTI":
            if mapping.multi_measure_attribute_mappings is UNSET:
                raise ValidationException("A mapping to MULTI needs MultiMeasureAttributeMappings.")
            if mapping.target_measure_name is UNSET and mapping.measure_name is UNSET:
                raise ValidationException("A mapping to MULTI needs a TargetMeasureName.")
            self._check_attributes(mapping.multi_measure_attribute_mappings)
        elif mapping.source_column is UNSET:
            raise ValidationException("A mapping in MixedMeasureMappings needs a SourceColumn.")
        else:
            self._require(mapping.source_column, mapping.measure_value_type)

    def _check_attributes(self, attributes: Sequence[MultiMeasureAttribute]) -> None:
        for attribute in attributes:
            self._require(attribute.source_column, attribute.measure_value_type)

    def _require(self, name: str, wanted: str) -> None:
        of = self._types.get(name)
        if of is None:
            raise ValidationException(f"The query has no column {name}, which the target maps.")
        if of not in _ACCEPTED[wanted]:
            raise ValidationException(
                f"The column {name} has the type {of}, and can't be mapped to {wanted}."
            )


def _multi(
    row: Row, measure_name: str | None, attributes: Sequence[MultiMeasureAttribute]
) -> Iterator[dict[str, Any]]:
    values = []
    for attribute in attributes:
        value = row[attribute.source_column]
        if value is not None:
            if attribute.measure_value_type == "TIMESTAMP":
                value = _nanoseconds(value)
            name = attribute.target_multi_measure_attribute_name or attribute.source_column
            values.append({"Name": name, "Type": attribute.measure_value_type, "Value": value})
    if values:
        yield {"MeasureName": measure_name, "MeasureValueType": "MULTI", "MeasureValues": values}


def _optional(row: Row, column: str | UnsetType) -> str | None:
    return None if column is UNSET else row[column]


def _nanoseconds(text: str | None) -> str | None:
    """A timestamp as a number of nanoseconds since 1970."""
    return None if text is None else str(np.datetime64(text, "ns").astype(np.int64))
