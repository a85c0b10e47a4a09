"""How rows of a level lose their connection, and send what they measured meanwhile later."""

from functools import cached_property

import msgspec
import numpy as np

from fleetstream.model.durations import DurationText, microseconds
from fleetstream.model.laws import Continuous
from fleetstream.model.normal import Numbers

SECOND = 1_000_000
"""In microseconds."""


class Connectivity(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True
):
    """How the rows of a level lose their connection, each independently.

    A row loses it ``every`` so often on average, for a number of seconds that follows the law
    ``lasts``, but not longer than ``longest``, by default an eighth of ``every``. What its series,
    and those below it, measure meanwhile is delivered at once when it is connected again. Values
    and timestamps are those of the measurements, so only the order of arrival changes.
    """

    every: DurationText
    lasts: Continuous
    longest: DurationText | None = None

    def __post_init__(self) -> None:
        if self.longest_us >= self.every_us // 4:
            raise ValueError(
                f"a connection is lost for up to {self.longest}, but longest must be less than a "
                f"quarter of every, {self.every}"
            )
        if self.share == 0:
            raise ValueError("a connection is lost for no time at all; lasts must be above 0")

    @cached_property
    def every_us(self) -> int:
        """Microseconds between two losses on average."""
        every = microseconds(self.every)
        if every < 8_000:
            raise ValueError(f"every is {self.every}, but must be at least 8ms")
        return every

    @cached_property
    def longest_us(self) -> int:
        """The most microseconds without a connection."""
        return self.every_us // 8 if self.longest is None else microseconds(self.longest)

    def durations(self, uniform: Numbers) -> Numbers:
        """Microseconds without a connection, for uniform numbers."""
        limited: Numbers = np.clip(self.lasts.quantile(uniform) * SECOND, 0, self.longest_us)
        return limited

    @cached_property
    def share(self) -> float:
        """The share of time without a connection, to about three digits."""
        points = (np.arange(10_000) + 0.5) / 10_000
        return float(np.mean(self.durations(points))) / self.every_us

    def __str__(self) -> str:
        percent = f"{self.share:.1%}" if self.share >= 0.001 else "less than 0.1%"
        limit = f", at most {self.longest}" if self.longest else ""
        return f"lost every {self.every}, {percent} of the time (seconds: {self.lasts}{limit})"
