"""The measures of the records that a row becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.mapping.shapes import (
    MixedMeasureMapping,
    MixedMeasureMappings,
    MultiMeasureAttribute,
    MultiMeasureMappings,
)

Row = Mapping[str, str | None]
"""A row's values as texts, by column."""


class MeasureMapping:
    """Either multi-measure or mixed mappings, with or without a column of measure names."""

    def __init__(
        self,
        multi: MultiMeasureMappings | UnsetType,
        mixed: MixedMeasureMappings | UnsetType,
        measure_name_column: str | UnsetType,
        timestamp: Callable[[str], str] = str,
    ) -> None:
        """``timestamp`` makes a value of type TIMESTAMP of a column's text.

        Raises ValidationException if the mappings do not fit each other.
        """
        self._multi, self._mixed = multi, mixed
        self._name_column = measure_name_column
        self._timestamp = timestamp
        if (multi is UNSET) == (mixed is UNSET):
            raise ValidationException(
                "Either MultiMeasureMappings or MixedMeasureMappings are required."
            )
        if (
            multi is not UNSET
            and measure_name_column is UNSET
            and multi.target_multi_measure_name is UNSET
        ):
            raise ValidationException(
                "MultiMeasureMappings need a TargetMultiMeasureName, or a MeasureNameColumn."
            )
        for mapping in mixed or ():
            self._check(mapping)

    def columns(self) -> Iterator[tuple[str, str]]:
        """The columns that are read, each with the type of the measure that it becomes."""
        if self._name_column is not UNSET:
            yield self._name_column, "VARCHAR"
        attributes = [] if self._multi is UNSET else [self._multi.multi_measure_attribute_mappings]
        for mapping in self._mixed or ():
            if mapping.multi_measure_attribute_mappings is not UNSET:
                attributes.append(mapping.multi_measure_attribute_mappings)
            elif mapping.source_column is not UNSET:
                yield mapping.source_column, mapping.measure_value_type
        for group in attributes:
            for attribute in group:
                yield attribute.source_column, attribute.value_type

    def measures(self, row: Row) -> Iterator[dict[str, Any]]:
        """Members of the API's Record, for each record of a row; nulls are left out."""
        name = None if self._name_column is UNSET else row[self._name_column]
        if self._multi is not UNSET:
            measure_name = name or self._multi.target_multi_measure_name or None
            yield from self._values(row, measure_name, self._multi.multi_measure_attribute_mappings)
            return
        for mapping in self._mixed or ():
            if self._name_column is not UNSET and mapping.measure_name != name:
                continue
            target = mapping.target_measure_name or mapping.measure_name or mapping.source_column
            if mapping.multi_measure_attribute_mappings is not UNSET:
                yield from self._values(
                    row, target or None, mapping.multi_measure_attribute_mappings
                )
            elif mapping.source_column is not UNSET:
                value = self._value(row, mapping.source_column, mapping.measure_value_type)
                if value is not None:
                    yield {
                        "MeasureName": target,
                        "MeasureValue": value,
                        "MeasureValueType": mapping.measure_value_type,
                    }

    def _values(
        self, row: Row, measure_name: str | None, attributes: Sequence[MultiMeasureAttribute]
    ) -> Iterator[dict[str, Any]]:
        values = [
            {
                "Name": attribute.target_multi_measure_attribute_name or attribute.source_column,
                "Type": attribute.value_type,
                "Value": value,
            }
            for attribute in attributes
            if (value := self._value(row, attribute.source_column, attribute.value_type))
            is not None
        ]
        if values:
            yield {
                "MeasureName": measure_name,
                "MeasureValueType": "MULTI",
                "MeasureValues": values,
            }

    def _value(self, row: Row, column: str, value_type: str) -> str | None:
        text = row[column]
        return self._timestamp(text) if text is not None and value_type == "TIMESTAMP" else text

    def _check(self, mapping: MixedMeasureMapping) -> None:
        if self._name_column is not UNSET and mapping.measure_name is UNSET:
            raise ValidationException(
                "A mapping in MixedMeasureMappings needs a MeasureName, because there is a"
                " MeasureNameColumn."
            )
        if mapping.measure_value_type != "MULTI":
            if mapping.source_column is UNSET:
                raise ValidationException("A mapping in MixedMeasureMappings needs a SourceColumn.")
        elif mapping.multi_measure_attribute_mappings is UNSET:
            raise ValidationException("A mapping to MULTI needs MultiMeasureAttributeMappings.")
        elif mapping.target_measure_name is UNSET and mapping.measure_name is UNSET:
            raise ValidationException("A mapping to MULTI needs a TargetMeasureName.")
