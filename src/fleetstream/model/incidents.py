"""Incidents: what goes wrong, how often, and what it does to values."""

from collections.abc import Collection
from functools import cached_property
from typing import Annotated

import msgspec

from fleetstream.model.durations import DurationText, microseconds
from fleetstream.model.expressions import Expression

Severity = Annotated[float, msgspec.Meta(ge=0, le=1)]

INCIDENT_NAMES = frozenset({"severity", "progress", "elapsed"})
"""What expressions of effects may refer to: the severity from 0 to 1, the share of the incident's
time that has passed, and the seconds since it began."""


class Effect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What an incident does to the series below the row that it happens to.

    It acts on a ``driver`` as all kinds below follow it, or in one ``kind`` on a measure or
    variable, its ``target``; what is calculated from these changes with them. It does one thing: it
    multiplies the value, adds to it or replaces it by an expression, or makes it missing (``drop``;
    without a target, all measures of the kind).
    """

    driver: str | None = None
    kind: str | None = None
    target: str | None = None
    multiply: str | None = None
    add: str | None = None
    replace: str | None = None
    drop: bool = False

    def __post_init__(self) -> None:
        if (self.driver is None) == (self.kind is None):
            raise ValueError("an effect needs either a driver or a kind")
        given = [each for each in (self.multiply, self.add, self.replace) if each is not None]
        if len(given) + self.drop != 1:
            raise ValueError("an effect needs exactly one of multiply, add, replace and drop")
        if self.target is None and self.kind is not None and not self.drop:
            raise ValueError("an effect on a kind needs a target, unless it drops everything")
        if self.driver is not None and (self.target is not None or self.drop):
            raise ValueError("an effect on a driver has no target and cannot drop it")
        if self.expression is not None and (unknown := self.expression.names - INCIDENT_NAMES):
            raise ValueError(
                f"an effect refers to {min(unknown)!r}; it may refer to "
                f"{', '.join(sorted(INCIDENT_NAMES))}"
            )

    @cached_property
    def expression(self) -> Expression | None:
        """The expression of what is multiplied, added or put in place."""
        text = self.multiply or self.add or self.replace
        return None if text is None else Expression(text)

    @property
    def operation(self) -> str:
        """What the effect does, in one word."""
        names = ("multiply", "add", "replace")
        return next((name for name in names if getattr(self, name) is not None), "drop")


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A kind of incident that happens to the rows of ``level``, each independently.

    It happens ``every`` so often on average, lasts from ``shortest`` to ``longest``, and has a
    severity between ``mildest`` and ``worst``. An incident ends early when the next of its kind
    begins at the same row.
    """

    level: str
    every: DurationText
    shortest: DurationText
    longest: DurationText
    effects: list[Effect]
    mildest: Severity = 0.2
    worst: Severity = 1.0
    description: str = ""

    def __post_init__(self) -> None:
        if not self.effects:
            raise ValueError("an incident needs at least one effect")
        if self.mildest > self.worst:
            raise ValueError("mildest must not be above worst")
        if not self.shortest_us <= self.longest_us <= self.every_us // 4:
            raise ValueError(
                f"an incident lasts from {self.shortest} to {self.longest}, but must last at most "
                f"a quarter of {self.every}, and the shortest must not be above the longest"
            )

    def concerns(self, kind: str, drivers: Collection[str]) -> bool:
        """Whether it affects values of a kind, which follows these drivers."""
        return any(each.kind == kind or each.driver in drivers for each in self.effects)

    @cached_property
    def every_us(self) -> int:
        return microseconds(self.every)

    @cached_property
    def shortest_us(self) -> int:
        return microseconds(self.shortest)

    @cached_property
    def longest_us(self) -> int:
        return microseconds(self.longest)
