"""Time series: what identifies one, and what of them a table has seen.

"Series" is Timestream's word for all records with the same dimensions and measure name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from fleetstream.local import limits
from fleetstream.local.errors import ValidationException
from fleetstream.local.requests import Dimension, Dimensions, decode

REMEMBERED_SERIES = 100_000
_NEVER = np.iinfo(np.int64).min
_RESERVED_BEGINNINGS = ("ts_", "measure_name", "measure_value")


class Rejected(Exception):
    """A record that can't be stored; the message is the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One time series.

    Comparing them is left to `key`, since comparing all of their texts would cost more.
    `dimensions` are sorted by name; `key` is the same for equal series only; `size` is what
    dimensions and measure name count towards a record's size, in bytes.
    """

    measure_name: str
    dimensions: tuple[tuple[str, str], ...]
    key: bytes
    size: int


@lru_cache(maxsize=REMEMBERED_SERIES)
def identify(measure_name: str, common: bytes, own: bytes) -> Series:
    """The series of a record whose dimensions are these texts of JSON.

    `common` are those of CommonAttributes, `own` those of the record; either can be empty.

    Raises:
        SerializationException: a text is not of the shape of dimensions.
        ValidationException: there is no dimension, one is named twice, or a name is not allowed.
        Rejected: a limit of the service is exceeded; says which.

    """
    dimensions = (
        *_dimensions(common, "CommonAttributes.Dimensions"),
        *_dimensions(own, "Record.Dimensions"),
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
            raise Rejected(
                f"The dimension name {name} is longer than {limits.DIMENSION_NAME_BYTES} bytes."
            )
    _check_measure_name(measure_name)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in pairs)
    if size > limits.SERIES_BYTES:
        raise Rejected(
            f"The names and values of the dimensions have {size} bytes together, more than"
            f" {limits.SERIES_BYTES}."
        )
    identity = msgspec.json.encode((measure_name, pairs))
    key = hashlib.blake2b(identity, digest_size=16).digest()
    return Series(measure_name, tuple(pairs), key, size + len(measure_name.encode()))


def _dimensions(text: bytes, path: str) -> tuple[Dimension, ...]:
    """The dimensions that a text of JSON stands for; none for one that is empty or null."""
    if not text:
        return ()
    found: tuple[Dimension, ...] | None = decode(text, cast("Any", Dimensions), path)
    return found or ()


@lru_cache(maxsize=1024)
def measure_names_bytes(names: tuple[str, ...]) -> int:
    """The UTF-8 length of the names of one multi-measure record's values, all together.

    Raises:
        ValidationException: one is not allowed, or stands there twice.
        Rejected: there are too many, or one is too long.

    """
    if len(set(names)) != len(names):
        raise ValidationException(
            "Duplicate measure names are not permitted in a record, but these are"
            f" {', '.join(names)}."
        )
    if len(names) > limits.MULTI_MEASURES_PER_RECORD:
        raise Rejected(
            f"The record has {len(names)} measures, more than {limits.MULTI_MEASURES_PER_RECORD}."
        )
    for name in names:
        _check_name(name)
        _check_measure_name(name)
    return sum(len(name.encode()) for name in names)


def _check_name(name: str) -> None:
    """Refuse what the guide's "System identifiers" and "Naming constraints" reserve."""
    if name == "time" or name.startswith(_RESERVED_BEGINNINGS) or ":" in name:
        raise ValidationException(
            f"The name {name} is not allowed for a dimension or measure: it must not be time,"
            " start with ts_, measure_name or measure_value, or have a colon."
        )


def _check_measure_name(name: str) -> None:
    """Reject a name that is too long."""
    if len(name.encode()) > limits.MEASURE_NAME_BYTES:
        raise Rejected(
            f"The measure name {name[:60]}... is longer than {limits.MEASURE_NAME_BYTES} bytes."
        )


class SeriesIndex:
    """A table's series: a number for each, and the latest time that each has a record of.

    This is what makes most writes cheap: a record later than everything in its series can't be a
    duplicate, so nothing has to be looked up. It takes about 200 bytes a series, and nothing a
    record.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self.latest: npt.NDArray[np.int64] = np.full(1024, _NEVER)

    @classmethod
    def load(cls, connection: duckdb.DuckDBPyConnection, series: str, points: str) -> SeriesIndex:
        """The index of stored tables, given by their SQL names."""
        index = cls()
        rows = connection.execute(f"SELECT series, key FROM {series}").fetchall()
        index._numbers = {key: number for number, key in rows}
        index.make_room(len(rows))
        latest = connection.execute(
            f"SELECT series, epoch_ns(max(time)) AS time FROM {points} GROUP BY series"
        ).fetchnumpy()
        index.latest[latest["series"]] = latest["time"]
        return index

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, series: Series | None) -> int | None:
        """The series' number, or None for one that is new, or for none."""
        return self._numbers.get(series.key) if series is not None else None

    def add(self, series: Series) -> int:
        """Give a new series its number."""
        number = self._numbers[series.key] = len(self._numbers)
        self.make_room(number + 1)
        return number

    def make_room(self, count: int) -> None:
        """Make `latest` at least this long."""
        missing = count - len(self.latest)
        if missing > 0:
            room = np.full(max(missing, len(self.latest)), _NEVER)
            self.latest = np.concatenate([self.latest, room])
