"""Findings about a migration: how two targets differ from each other and from what is expected."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fleetstream.verify.findings import Fault


class Side(StrEnum):
    """One of the two targets."""

    SOURCE = "source"
    DESTINATION = "destination"


EXPECTED = "expected"

PLACES = (*Side, EXPECTED)
"""Where a record has values: on the sides, and in what the run must have written."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A record that is wrong on a side.

    ``time`` is ISO 8601 in UTC, or empty; ``series`` has its dimensions by name, without those that
    it does not have. ``values`` has the values by column, by :data:`PLACES`, None where there is no
    such record there; of a different record only the columns that are not the same in all places.
    ``times`` is how often the record is on the side.
    """

    side: Side
    fault: Fault
    time: str
    series: Mapping[str, str]
    measure_name: str
    values: Mapping[str, Mapping[str, Any] | None]
    times: int


@dataclass(slots=True)
class MigrationFindings:
    """What a comparison of two targets has found.

    ``names`` are those of the targets, for people. ``expected`` counts the records that must be in
    both, ``records`` and ``values`` by side what is there. Records of interrupted sweeps that
    neither has are not expected: ``absent`` counts them. ``faults`` counts wrong records by side
    and fault; ``series`` has a hash of each series of theirs, and ``examples`` the first by time.
    """

    names: dict[Side, str] = field(default_factory=dict)
    expected: int = 0
    absent: int = 0
    records: Counter[Side] = field(default_factory=Counter)
    values: Counter[Side] = field(default_factory=Counter)
    faults: Counter[tuple[Side, Fault]] = field(default_factory=Counter)
    series: dict[tuple[Side, Fault], set[int]] = field(
        default_factory=lambda: {(side, fault): set() for side in Side for fault in Fault}
    )
    examples: dict[tuple[Side, Fault], list[Discrepancy]] = field(
        default_factory=lambda: {(side, fault): [] for side in Side for fault in Fault}
    )
    finished: bool = False

    @property
    def matches(self) -> bool:
        """Whether everything was compared and nothing is wrong on either side."""
        return self.finished and not self.faults.total()
