"""What a run chooses about generation, as plain data that is cheap to import."""

from enum import StrEnum
from typing import Annotated

import msgspec

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]

MEAN_YEAR = 365.2425 * 86_400
"""Seconds in a mean Gregorian year."""

PERIODS = {
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "we": 7 * 86_400.0,
    "mo": MEAN_YEAR / 12,
    "qu": MEAN_YEAR / 4,
    "ye": MEAN_YEAR,
}
"""Seconds in a minute, hour, day, week, mean month, mean quarter and mean year."""


class RecordModel(StrEnum):
    """How values become records.

    Single: one record per value, named after its measure. Multi: one record per series and
    timestamp, named after the kind of series, with all its values.
    """

    SINGLE = "single"
    MULTI = "multi"


class Shape(StrEnum):
    """The form of one period of a signal."""

    SINE = "sine"
    SAWTOOTH = "sawtooth"


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of ``count`` parts of a fleet that are as nearly equal as possible, ``number`` from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def bounds(self, rows: int) -> tuple[int, int]:
        """The first of so many rows that it keeps, and the row after its last."""
        return rows * (self.number - 1) // self.count, rows * self.number // self.count

    def part_of(self, rows: int) -> tuple[int, int]:
        """As :meth:`bounds`, at least one row. Raises ValueError where that is impossible."""
        if not 1 <= self.number <= self.count:
            raise ValueError(
                f"There is no part {self.number} of {self.count}; the first of two parts is 1/2, "
                "the last 2/2."
            )
        if self.count > rows:
            raise ValueError(
                f"The fleet has {rows:,} rows to share, too few for {self.count:,} parts; ask for "
                "fewer."
            )
        return self.bounds(rows)


class Lateness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many measurements are late, in per cent, and by up to how many microseconds."""

    percent: Percent
    delay: Annotated[int, msgspec.Meta(ge=1)]


class Disorder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much disorder there is.

    Of all measurements, ``late`` are sent later than their sweep; ``out_of_order`` right after
    those of the next sweep; ``duplicate`` twice in their sweep. Raises ValueError where late and
    out of order together are more than 100 per cent.
    """

    late: Lateness | None = None
    out_of_order: Percent = 0.0
    duplicate: Percent = 0.0

    def __post_init__(self) -> None:
        if (self.late.percent if self.late else 0) + self.out_of_order > 100:
            raise ValueError(
                "--late and --out-of-order are more than 100% together, but a measurement cannot "
                "be both."
            )


class IncidentChoice(StrEnum):
    """Which incidents happen: all, those that are scheduled, or none."""

    ON = "on"
    SCHEDULED = "scheduled"
    OFF = "off"


class ScheduledIncident(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An incident of a model that a run schedules, as a model file can too.

    ``start`` and ``duration`` are in microseconds; a ``relative`` start is counted from the
    beginning of the run. Without a ``severity`` it has the worst of the model.
    """

    incident: str
    place: dict[str, str]
    start: int
    duration: Annotated[int, msgspec.Meta(ge=1)]
    severity: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    relative: bool = False

    def from_beginning(self, begin: int) -> "ScheduledIncident":
        """The same with an absolute start, for a run that begins at a time in microseconds."""
        if not self.relative:
            return self
        return msgspec.structs.replace(self, start=begin + self.start, relative=False)
