"""The series of a record: its dimensions and measure name, validated."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, cast

import msgspec

from fleetstream.emulator import limits
from fleetstream.emulator.api.decoding import decode
from fleetstream.emulator.api.shapes import DimensionShape, DimensionShapes
from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.store.pending_records import RecordRejected
from fleetstream.emulator.store.series import SeriesIdentity

CACHED_SERIES = 100_000
_RESERVED_PREFIXES = ("ts_", "measure_name", "measure_value")


@lru_cache(maxsize=CACHED_SERIES)
def identify_series(measure_name: str, common: bytes, own: bytes) -> SeriesIdentity:
    """The series of a record.

    ``common`` and ``own`` are the dimensions of CommonAttributes and of the record, as JSON; either
    can be empty. Raises SerializationException or ValidationException if the request is invalid,
    and RecordRejected if the record exceeds a limit.
    """
    dimensions = (
        *_decode_dimensions(common, "CommonAttributes.Dimensions"),
        *_decode_dimensions(own, "Record.Dimensions"),
    )
    pairs = sorted((dimension.name, dimension.value) for dimension in dimensions)
    names = [name for name, _ in pairs]
    if not pairs:
        raise ValidationException("At least one dimension is required for a record.")
    if len(set(names)) != len(names):
        raise ValidationException(
            "Duplicate dimensions are not permitted: a record's dimensions, with those of"
            f" CommonAttributes, must have unique names, but these are {', '.join(names)}."
        )
    for name in (*names, measure_name):
        _check_name(name)
    for name in names:
        if len(name.encode()) > limits.DIMENSION_NAME_BYTES:
            raise RecordRejected(
                f"The dimension name {name} is longer than {limits.DIMENSION_NAME_BYTES} bytes."
            )
    _check_measure_name_length(measure_name)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in pairs)
    if size > limits.SERIES_BYTES:
        raise RecordRejected(
            f"The names and values of the dimensions have {size} bytes together, more than"
            f" {limits.SERIES_BYTES}."
        )
    identity = msgspec.json.encode((measure_name, pairs))
    key = hashlib.blake2b(identity, digest_size=16).digest()
    return SeriesIdentity(measure_name, tuple(pairs), key, size + len(measure_name.encode()))


def _decode_dimensions(json: bytes, path: str) -> tuple[DimensionShape, ...]:
    if not json:
        return ()
    found: tuple[DimensionShape, ...] | None = decode(json, cast("Any", DimensionShapes), path)
    return found or ()


@lru_cache(maxsize=1024)
def measure_names_size(names: tuple[str, ...]) -> int:
    """Metered size of the value names of a multi-measure record, in bytes.

    Raises ValidationException if a name is reserved or repeated, and RecordRejected if there are
    too many names, or one is too long.
    """
    if len(set(names)) != len(names):
        raise ValidationException(
            "Duplicate measure names are not permitted in a record, but these are"
            f" {', '.join(names)}."
        )
    if len(names) > limits.MULTI_MEASURES_PER_RECORD:
        raise RecordRejected(
            f"The record has {len(names)} measures, more than {limits.MULTI_MEASURES_PER_RECORD}."
        )
    for name in names:
        _check_name(name)
        _check_measure_name_length(name)
    return sum(len(name.encode()) for name in names)


def _check_name(name: str) -> None:
    """Refuse names that the guide's "System identifiers" and "Naming constraints" reserve."""
    if name == "time" or name.startswith(_RESERVED_PREFIXES) or ":" in name:
        raise ValidationException(
            f"The name {name} is not allowed for a dimension or measure: it must not be time,"
            " start with ts_, measure_name or measure_value, or contain a colon."
        )


def _check_measure_name_length(name: str) -> None:
    if len(name.encode()) > limits.MEASURE_NAME_BYTES:
        raise RecordRejected(
            f"The measure name {name[:60]}... is longer than {limits.MEASURE_NAME_BYTES} bytes."
        )
