"""Signals: shapes that overlay the CPU load, as functions of time alone."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

MICROSECONDS = 1_000_000
"""Timestamps are whole microseconds of Unix time."""

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

FULL_SCALE = 100.0
"""A signal runs from 0 to this, in per cent of CPU."""


class Shape(StrEnum):
    """The form of one period."""

    SINE = "sine"
    SAWTOOTH = "sawtooth"


@dataclass(frozen=True, slots=True)
class Signal:
    """A periodic signal with white noise on it.

    ``ratio`` is the signal-to-noise ratio, above 0 and up to 100: the noise is uniform within
    ±50/ratio per cent of CPU, and a ratio of 100 means none at all. ``frequency`` is one of
    :data:`PERIODS`. Raises :class:`ValueError` with a sentence for anything else.
    """

    shape: Shape
    ratio: float
    frequency: str = "m"

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 100:
            raise ValueError(
                f"The signal-to-noise ratio is {self.ratio:g}, but must be above 0 and at most 100."
            )
        if self.frequency not in PERIODS:
            raise ValueError(
                f"There is no signal frequency {self.frequency!r}; choose among "
                f"{', '.join(PERIODS)}."
            )

    @property
    def period(self) -> float:
        """The length of a period in seconds."""
        return PERIODS[self.frequency]

    @property
    def noise(self) -> float:
        """The noise's largest deviation, in per cent of CPU."""
        return 0.0 if self.ratio == 100 else FULL_SCALE / 2 / self.ratio

    def level(self, time: float) -> float:
        """The signal without noise at ``time`` (Unix time in seconds), between 0 and 100."""
        phase = (time % self.period) / self.period
        if self.shape is Shape.SAWTOOTH:
            return phase * FULL_SCALE
        return float((np.sin(2 * np.pi * phase) + 1) / 2 * FULL_SCALE)

    def values(self, time: float, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The signal with noise at ``time``, one value for each of ``uniform`` (draws from [0, 1)).

        Values are clipped to 0–100.
        """
        noisy = self.level(time) + (2 * uniform - 1) * self.noise
        return np.clip(noisy, 0.0, FULL_SCALE)
