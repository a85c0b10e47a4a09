"""Incidents: what goes wrong, how often, what it does to values, and what it spreads to."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

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
    multiplies the value by an expression (``multiply``), adds one to it (``add``), puts one in its
    place (``replace``) or the value without incidents of so many seconds earlier (``delay``; later
    where it is negative), or makes it missing (``drop``). Without a target, it delays or drops all
    measures of the kind. A value is also missing where the expression is not defined, or the
    result too large for its type.
    """

    driver: str | None = None
    kind: str | None = None
    target: str | None = None
    multiply: str | None = None
    add: str | None = None
    replace: str | None = None
    delay: str | None = None
    drop: bool = False

    def __post_init__(self) -> None:
        if (self.driver is None) == (self.kind is None):
            raise ValueError("an effect needs either a driver or a kind")
        given = [each for each in self._texts.values() if each is not None]
        if len(given) + self.drop != 1:
            raise ValueError(
                "an effect needs exactly one of multiply, add, replace, delay and drop"
            )
        moves = self.drop or self.delay is not None
        if self.target is None and self.kind is not None and not moves:
            raise ValueError(
                "an effect on a kind needs a target, unless it delays or drops everything"
            )
        if self.driver is not None and (self.target is not None or self.drop):
            raise ValueError("an effect on a driver has no target and cannot drop it")
        if self.expression is not None and (unknown := self.expression.names - INCIDENT_NAMES):
            raise ValueError(
                f"an effect refers to {min(unknown)!r}; it may refer to "
                f"{', '.join(sorted(INCIDENT_NAMES))}"
            )

    @cached_property
    def expression(self) -> Expression | None:
        """The expression of what is multiplied, added or put in place, or of the delay."""
        text = next((each for each in self._texts.values() if each is not None), None)
        return None if text is None else Expression(text)

    @property
    def operation(self) -> str:
        """What the effect does, in one word."""
        return next((name for name, text in self._texts.items() if text is not None), "drop")

    @property
    def _texts(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in ("multiply", "add", "replace", "delay")}


class IncidentSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an incident happens that is not left to chance.

    It happens to all rows of its level below the ``place``, which maps levels to texts, such as
    ``{ service = "cart" }``; without a place, to all rows. ``start`` is a time in UTC unless it
    says otherwise, ``for`` how long it lasts, and ``severity`` by default the worst of the
    incident.
    """

    start: datetime
    duration: DurationText = msgspec.field(name="for")
    place: dict[str, str] = {}
    severity: Severity | None = None

    def __post_init__(self) -> None:
        _ = self.duration_us

    @property
    def duration_us(self) -> int:
        return microseconds(self.duration)


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How an incident at one row of its level affects other rows of the level.

    It goes ``to`` the siblings (the other rows under the same row of the level above), or along the
    model's ``dependencies``: to the dependents, which depend on the row, or to the dependencies, on
    which the row depends. It gets as far as ``hops`` steps along them. Each step takes the
    ``delay``, at the beginning and at the end, and multiplies the severity by ``attenuation``. It
    has the given ``effects`` there, by default those of the incident.
    """

    to: Literal["siblings", "dependents", "dependencies"]
    delay: DurationText | None = None
    attenuation: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    hops: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    effects: list[Effect] = []

    def __post_init__(self) -> None:
        _ = self.delay_us
        if self.to == "siblings" and self.hops > 1:
            raise ValueError("all siblings are one hop away; leave out hops")

    @cached_property
    def delay_us(self) -> int:
        return 0 if self.delay is None else microseconds(self.delay)


class Incident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A kind of incident that happens to the rows of ``level``, each independently.

    Its ``effects`` are what it does to the series there and below.
    It happens ``every`` so often on average, lasts from ``shortest`` to ``longest``, and has a
    severity between ``mildest`` and ``worst``; ``only`` limits it to rows with some texts of
    levels, such as ``{ service = ["cart", "search"] }``. An incident ends early when the next of
    its kind begins at the same row. Without these times it happens only when it is ``scheduled``,
    here or by a run, and then at any row. ``spreads`` says what else it affects.
    """

    level: str
    effects: list[Effect]
    every: DurationText | None = None
    shortest: DurationText | None = None
    longest: DurationText | None = None
    mildest: Severity = 0.2
    worst: Severity = 1.0
    only: dict[str, list[str]] = {}
    scheduled: list[IncidentSchedule] = []
    spreads: list[Spread] = []
    description: str = ""

    def __post_init__(self) -> None:
        if not self.effects:
            raise ValueError("an incident needs at least one effect")
        if self.mildest > self.worst:
            raise ValueError("mildest must not be above worst")
        if len({each is None for each in (self.every, self.shortest, self.longest)}) > 1:
            raise ValueError("an incident needs every, shortest and longest, or none of them")
        rate = self.rate
        if rate is not None and not rate.shortest_us <= rate.longest_us <= rate.every_us // 4:
            raise ValueError(
                f"an incident lasts from {self.shortest} to {self.longest}, but must last at most "
                f"a quarter of {self.every}, and the shortest must not be above the longest"
            )

    @cached_property
    def rate(self) -> "Rate | None":
        """How often it happens and how long it lasts; None where it is only scheduled."""
        if self.every is None or self.shortest is None or self.longest is None:
            return None
        return Rate(
            microseconds(self.every), microseconds(self.shortest), microseconds(self.longest)
        )

    def effects_of(self, spread: int | None) -> Sequence[Effect]:
        """Its effects at the row that it happens to, or where one of its spreads takes it."""
        return self.effects if spread is None else self.spreads[spread].effects or self.effects

    @property
    def all_effects(self) -> list[Effect]:
        """Its effects, and those where it spreads to."""
        return [*self.effects, *(each for spread in self.spreads for each in spread.effects)]


class Rate(msgspec.Struct, frozen=True):
    """How often an incident happens to a row on average and how long it lasts, in microseconds."""

    every_us: int
    shortest_us: int
    longest_us: int


def concerns(effects: Sequence[Effect], kind: str, drivers: Collection[str]) -> bool:
    """Whether effects change values of a kind, which follows these drivers."""
    return any(each.kind == kind or each.driver in drivers for each in effects)
