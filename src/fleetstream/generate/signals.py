"""Signals that overlay a measure: sine and sawtooth as functions of time alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.keys import Numbers
from fleetstream.generate.moments import MICROSECONDS

FULL_SCALE = 100.0
"""A signal ranges from 0 to this."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A periodic signal with white noise.

    ``ratio`` is the signal-to-noise ratio, above 0 and up to 100: the noise is uniform within
    ±50/ratio, and a ratio of 100 means no noise. ``frequency`` is one of :data:`PERIODS`. Raises
    ValueError for other values.
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
                f"There is no signal frequency {self.frequency!r}; choose from "
                f"{', '.join(PERIODS)}."
            )

    def __str__(self) -> str:
        noise = f"noise within ±{self.noise:g} %" if self.noise else "no noise"
        return f"{self.shape}, signal-to-noise ratio {self.ratio:g} ({noise})"

    @property
    def period(self) -> float:
        """Seconds in a period."""
        return PERIODS[self.frequency]

    @property
    def noise(self) -> float:
        """The largest deviation of the noise."""
        return 0.0 if self.ratio == 100 else FULL_SCALE / 2 / self.ratio

    def level(self, timestamps: npt.NDArray[np.int64]) -> Numbers:
        """The signal without noise at timestamps in microseconds, between 0 and 100."""
        phase = timestamps / MICROSECONDS % self.period / self.period
        if self.shape is Shape.SAWTOOTH:
            return phase * FULL_SCALE
        return (np.sin(2 * np.pi * phase) + 1) / 2 * FULL_SCALE

    def values(self, timestamps: npt.NDArray[np.int64], uniform: Numbers) -> Numbers:
        """The signal with noise, limited to 0–100; ``uniform`` has one row per timestamp."""
        noise = (2 * uniform - 1) * self.noise
        return np.clip(self.level(timestamps)[:, np.newaxis] + noise, 0.0, FULL_SCALE)
