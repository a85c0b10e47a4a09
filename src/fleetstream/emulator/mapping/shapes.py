"""Shapes of the mappings of measures, which both APIs have."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from fleetstream.emulator.api.shapes import MeasureType
from fleetstream.emulator.store.table_properties import ApiShape
from fleetstream.emulator.store.values import ValueType


class MultiMeasureAttribute(ApiShape, frozen=True, omit_defaults=True):
    """A column that becomes a value of a multi-measure record."""

    source_column: str
    measure_value_type: ValueType | UnsetType = UNSET
    target_multi_measure_attribute_name: str | UnsetType = UNSET

    @property
    def value_type(self) -> ValueType:
        """The type of the value; by default, as in WriteRecords, a DOUBLE."""
        return self.measure_value_type or "DOUBLE"


MultiMeasureAttributes = Annotated[tuple[MultiMeasureAttribute, ...], Meta(min_length=1)]


class MultiMeasureMappings(ApiShape, frozen=True, omit_defaults=True):
    """Rows as multi-measure records."""

    multi_measure_attribute_mappings: MultiMeasureAttributes
    target_multi_measure_name: str | UnsetType = UNSET


class MixedMeasureMapping(ApiShape, frozen=True, omit_defaults=True):
    """Rows, or those with one measure name, as records of any kind."""

    measure_value_type: MeasureType
    measure_name: str | UnsetType = UNSET
    source_column: str | UnsetType = UNSET
    target_measure_name: str | UnsetType = UNSET
    multi_measure_attribute_mappings: MultiMeasureAttributes | UnsetType = UNSET


MixedMeasureMappings = Annotated[tuple[MixedMeasureMapping, ...], Meta(min_length=1)]
