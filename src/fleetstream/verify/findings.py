"""Findings: how what a target holds differs from what is expected."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

EXAMPLES = 5
"""Wrong records that are kept per fault."""


class Fault(StrEnum):
    """What can be wrong with a record."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class WrongRecord:
    """A record that is wrong: its time, series and measure name, and what is wrong with it."""

    time: str
    series: str
    measure_name: str
    detail: str


@dataclass(slots=True)
class Findings:
    """What a comparison has found.

    ``expected`` and ``held`` count the records that must be there and that are there. Of sweeps
    that were interrupted, some records may be missing: ``partial`` counts the records of such
    sweeps, ``absent`` those of them that are not there.
    """

    expected: int = 0
    held: int = 0
    partial: int = 0
    absent: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    examples: dict[Fault, list[WrongRecord]] = field(
        default_factory=lambda: {fault: [] for fault in Fault}
    )
    finished: bool = False

    @property
    def matches(self) -> bool:
        """Whether everything was compared and nothing is wrong."""
        return self.finished and not self.faults.total()
