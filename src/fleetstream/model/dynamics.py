"""What makes values depend on each other over time: drivers, smooth noise, counters, life cycles.

Everything here is a description; :mod:`fleetstream.generate` evaluates it as a pure function of
seed, series and time.
"""

import math
from functools import cached_property
from keyword import iskeyword
from statistics import NormalDist
from typing import Annotated

import msgspec

from fleetstream.model.calendar import Growth, Holidays
from fleetstream.model.durations import DurationText, microseconds
from fleetstream.model.expressions import MAX_NUMBER
from fleetstream.model.laws import Continuous, Mixture, Number, Positive, SimpleLaw
from fleetstream.model.normal import Numbers, normal_share

Factor = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Spread = Annotated[float, msgspec.Meta(ge=0, le=5)]
Quantile = Annotated[float, msgspec.Meta(ge=0.0001, le=0.9999)]

MAX_BUCKETS = 100


class Driver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A quantity around 1 that many series follow, such as the load of a service.

    There is one per row of ``level``, or one for the whole system. ``hours`` has its value at each
    full hour of the day, with straight lines between them, and ``weekdays`` a factor for each day
    from Monday to Sunday. Local time is ``utc_offset`` hours ahead of UTC: the name of an integer
    of the level or those above. ``months`` has a factor at the middle of each month. The factors
    ``spread`` (one per row) and ``noise`` (smooth, within ``period``) are lognormal with these
    standard deviations of the logarithm. ``growth`` is a trend over years, and ``holidays`` are
    days with a factor of their own.
    """

    level: str | None = None
    hours: tuple[Factor, ...] = (1.0,)
    weekdays: tuple[Factor, ...] = (1.0,)
    months: tuple[Factor, ...] = (1.0,)
    growth: Growth | None = None
    holidays: tuple[Holidays, ...] = ()
    utc_offset: str | None = None
    spread: Spread = 0.0
    noise: Spread = 0.0
    period: DurationText = "1h"
    description: str = ""

    def __post_init__(self) -> None:
        for name, count in (("hours", 24), ("weekdays", 7), ("months", 12)):
            values = getattr(self, name)
            if len(values) not in (1, count):
                raise ValueError(f"{name} has {len(values)} values, but must have 1 or {count}")
            if not any(values):
                raise ValueError(f"{name} must not be 0 throughout")
        _ = self.period_us

    @property
    def is_weekly(self) -> bool:
        """Whether the curve of each week is the same, but for noise."""
        return len(set(self.months)) == 1 and self.growth is None and not self.holidays

    @cached_property
    def period_us(self) -> int:
        """The period of the noise in microseconds."""
        return microseconds(self.period)


class Smooth(
    msgspec.Struct,
    frozen=True,
    tag_field="law",
    tag="smooth",
    forbid_unknown_fields=True,
    dict=True,
):
    """Normal with a mean and a standard deviation at every time, and smooth over time.

    Values ``period`` apart are independent. With more ``octaves`` there are also faster and smaller
    movements: each has a quarter of the period and half the standard deviation of the one before.
    """

    mean: Number
    sd: Annotated[float, msgspec.Meta(ge=0, le=1e15)]
    period: DurationText = "10m"
    octaves: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1

    def __post_init__(self) -> None:
        if self.period_us // 4**self.octaves < 1_000:
            raise ValueError(f"{self.period} is too short for {self.octaves} octaves")

    @cached_property
    def period_us(self) -> int:
        """The longest period in microseconds."""
        return microseconds(self.period)

    def __str__(self) -> str:
        return f"smooth, mean {self.mean:g}, sd {self.sd:g}, period {self.period}"


class Counter(
    msgspec.Struct,
    frozen=True,
    tag_field="law",
    tag="counter",
    forbid_unknown_fields=True,
    dict=True,
):
    """A total that never decreases: it grows at ``rate`` per second, times a ``driver``.

    It starts from 0 when the series begins or restarts; where nothing replaces the series, at the
    beginning of the year 2020. The factor of a series is lognormal with the standard deviation
    ``spread`` of the logarithm; counters with the same ``spread_name``, by default their own name,
    have the same. ``noise`` is the share of the rate that varies at random, within ``period``.
    """

    rate: Positive
    driver: str | None = None
    spread: Spread = 0.0
    spread_name: str = ""
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.5
    period: DurationText = "1m"

    def __post_init__(self) -> None:
        _ = self.period_us

    @cached_property
    def period_us(self) -> int:
        """The period of the noise in microseconds."""
        return microseconds(self.period)

    def __str__(self) -> str:
        follows = f" times {self.driver}" if self.driver else ""
        return f"counter, {self.rate:g} per second{follows}"


class RecentQuantile(
    msgspec.Struct,
    frozen=True,
    tag_field="law",
    tag="quantile",
    forbid_unknown_fields=True,
    dict=True,
):
    """The ``quantile`` of the sizes of recent events, which follow the law ``of``.

    It moves around the quantile of that law as the median of ``events`` events does, smoothly
    within ``period``. Those of the same ``noise_name``, by default their own name, move together,
    so a lower quantile is never above a higher one.
    """

    of: Continuous
    quantile: Quantile
    events: Annotated[float, msgspec.Meta(ge=1, le=1e15)]
    period: DurationText = "10m"
    noise_name: str = ""

    def __post_init__(self) -> None:
        _ = self.period_us

    @cached_property
    def period_us(self) -> int:
        """The period of the movement in microseconds."""
        return microseconds(self.period)

    def sizes(self, noise: Numbers) -> Numbers:
        """Values for standard normal noise."""
        deviation = math.sqrt(math.pi / 2 / self.events)
        score = NormalDist().inv_cdf(self.quantile)
        return self.of.quantile(normal_share(score + deviation * noise))

    def __str__(self) -> str:
        return f"quantile {self.quantile:g} of about {self.events:g} events: {self.of}"


Law = SimpleLaw | Mixture | Smooth | Counter | RecentQuantile


class Releases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Rolling deployments: every row of ``level`` gets a release ``every`` so often on average.

    The slots below it restart with the new release one after the other, within ``rollout``.
    """

    level: str
    every: DurationText
    rollout: DurationText = "10m"

    def __post_init__(self) -> None:
        if self.rollout_us > self.every_us // 4:
            raise ValueError(
                f"rollout is {self.rollout}, but must be at most a quarter of every, {self.every}"
            )

    @cached_property
    def every_us(self) -> int:
        return microseconds(self.every)

    @cached_property
    def rollout_us(self) -> int:
        return microseconds(self.rollout)


class Life(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The life cycle of a level's rows, which are then slots: one instance follows another.

    An instance is replaced after ``lifetime`` on average, and with each of the ``releases``. Of the
    slots under one parent, the share that the driver ``scale`` has of its value ``full_at`` is in
    use, as an autoscaler decides every ``hold``. At any time, the share ``presence`` of slots is
    there, for about ``presence_period`` at a time.
    """

    lifetime: DurationText | None = None
    releases: Releases | None = None
    scale: str | None = None
    full_at: Positive = 1.0
    hold: DurationText = "5m"
    presence: Share = 1.0
    presence_period: DurationText = "10m"

    def __post_init__(self) -> None:
        if self.lifetime_us is not None and self.lifetime_us < 4_000:
            raise ValueError(f"lifetime is {self.lifetime}, but must be at least 4ms")
        _ = self.hold_us, self.presence_period_us

    @cached_property
    def lifetime_us(self) -> int | None:
        return None if self.lifetime is None else microseconds(self.lifetime)

    @cached_property
    def hold_us(self) -> int:
        return microseconds(self.hold)

    @cached_property
    def presence_period_us(self) -> int:
        return microseconds(self.presence_period)


class SizedEvents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What histograms and summaries have in common: how often events come, and their sizes."""

    name: str
    law: Continuous
    rate: Positive
    driver: str | None = None
    spread: Spread = 0.0
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.5
    period: DurationText = "1m"
    unit: str = ""
    decimals: int = 3
    group: str = ""
    description: str = ""

    def __str__(self) -> str:
        follows = f" times {self.driver}" if self.driver else ""
        return f"{self.rate:g} events per second{follows}, of sizes: {self.law}"

    def check_name(self) -> None:
        """Raises ValueError where the measures' expressions cannot refer to names made of it."""
        words = self.name.split(".")
        if any(not word.isidentifier() or iskeyword(word) for word in words):
            raise ValueError(
                f"a histogram or summary has the name {self.name!r}, which must be letters, digits "
                "and _, also with dots between, and no keyword of Python such as 'in'"
            )


class Histogram(SizedEvents, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Counts of events by their size, as Prometheus counts them.

    Events come as the law ``counter`` counts them: ``rate`` per second times a ``driver``, with
    ``spread``, ``noise`` and ``period``. Their sizes follow ``law``, in ``unit``; what has this
    unit is rounded to ``decimals``.
    The measures are ``NAME_bucket_le_BOUND``, the total of events up to each of the ``buckets``,
    ``NAME_count``, the total of all, and ``NAME_sum``, the total size, in which each event counts
    as the middle of its bucket.
    """

    buckets: list[Positive]

    def __post_init__(self) -> None:
        self.check_name()
        if not 1 <= len(self.buckets) <= MAX_BUCKETS:
            raise ValueError(f"a histogram has from 1 to {MAX_BUCKETS} buckets")
        if any(low >= high for low, high in zip(self.buckets, self.buckets[1:], strict=False)):
            raise ValueError(f"the buckets of {self.name!r} must increase")


class QuantileSummary(
    SizedEvents, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True
):
    """Quantiles of the sizes of recent events, with their number and total size in all.

    Events come as the law ``counter`` counts them: ``rate`` per second times a ``driver``, with
    ``spread``, ``noise`` and ``period``. Their sizes follow ``law``, in ``unit``; what has this
    unit is rounded to ``decimals``.
    The measures are ``NAME_quantile_Q`` for each of the ``quantiles``, of the events of about the
    last ``window``, ``NAME_count``, the total of all events, and ``NAME_sum``, their total size.
    """

    quantiles: list[Quantile]
    window: DurationText = "10m"

    def __post_init__(self) -> None:
        self.check_name()
        if not 1 <= len(self.quantiles) <= MAX_BUCKETS:
            raise ValueError(f"a summary has from 1 to {MAX_BUCKETS} quantiles")
        if len(set(self.quantiles)) < len(self.quantiles):
            raise ValueError(f"the summary {self.name!r} has a quantile twice")
        if not 0 <= self.law.mean <= MAX_NUMBER:
            raise ValueError(
                f"the mean size of the summary {self.name!r} is {self.law.mean:g}, but must be "
                f"from 0 to {MAX_NUMBER:g}"
            )
        _ = self.window_us

    @cached_property
    def window_us(self) -> int:
        """The window in microseconds."""
        return microseconds(self.window)
