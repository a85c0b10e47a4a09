"""Signals: closed-form values of every shape and period, the noise's bounds, the clipping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.signals import Signal

MONTH = 365.2425 / 12 * 86_400
SECONDS = {
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "we": 604_800,
    "mo": MONTH,
    "qu": 3 * MONTH,
    "ye": 12 * MONTH,
}
"""The length of each period: a month is a twelfth of the mean Gregorian year."""

PHASES = {0: (50, 0), 1 / 8: (50 + 50 / math.sqrt(2), 12.5), 1 / 4: (100, 25), 3 / 4: (0, 75)}
"""By phase, the level of a sine and of a sawtooth."""

FREQUENCIES = st.sampled_from(list(SECONDS))
SHAPES = st.sampled_from(list(Shape))
RATIOS = st.floats(0.1, 100)
TIMES = st.integers(0, 2**33)
UNIFORM = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20).map(np.array)


@pytest.mark.parametrize("frequency", SECONDS)
@pytest.mark.parametrize("phase", PHASES)
def test_levels_at_known_phases(frequency: str, phase: float) -> None:
    sine, sawtooth = PHASES[phase]
    time = (1_000 + phase) * SECONDS[frequency]
    assert Signal(Shape.SINE, 100, frequency).level(time) == pytest.approx(sine, abs=1e-4)
    assert Signal(Shape.SAWTOOTH, 100, frequency).level(time) == pytest.approx(sawtooth, abs=1e-4)


def test_periods() -> None:
    assert pytest.approx(SECONDS) == PERIODS


@given(FREQUENCIES, TIMES)
def test_levels_by_their_formulas(frequency: str, time: int) -> None:
    period = SECONDS[frequency]
    sine = (math.sin(2 * math.pi * time / period) + 1) / 2 * 100
    sawtooth = (time % period) / period * 100
    # At a large argument the sine itself loses digits, which the signal avoids.
    assert Signal(Shape.SINE, 100, frequency).level(time) == pytest.approx(sine, abs=1e-4)
    assert Signal(Shape.SAWTOOTH, 100, frequency).level(time) == pytest.approx(sawtooth, abs=1e-5)


@given(SHAPES, FREQUENCIES, TIMES, UNIFORM)
def test_a_ratio_of_100_is_the_signal_itself(
    shape: Shape, frequency: str, time: int, uniform: np.ndarray
) -> None:
    signal = Signal(shape, 100, frequency)
    assert signal.noise == 0
    assert np.all(signal.values(time, uniform) == signal.level(time))


@given(SHAPES, RATIOS.filter(lambda ratio: ratio < 100), FREQUENCIES, TIMES, UNIFORM)
def test_noise_stays_within_its_bounds(
    shape: Shape, ratio: float, frequency: str, time: int, uniform: np.ndarray
) -> None:
    signal = Signal(shape, ratio, frequency)
    values = signal.values(time, uniform)
    assert values.shape == uniform.shape
    assert np.all((values >= 0) & (values <= 100))
    assert np.all(np.abs(values - signal.level(time)) <= 50 / ratio + 1e-9)
    wanted = signal.level(time) + (2 * uniform - 1) * 50 / ratio
    inside = (wanted > 0) & (wanted < 100)
    assert values[inside] == pytest.approx(wanted[inside])


def test_noise_of_a_ratio_of_20() -> None:
    """The documented example: within ±2.5, all of it used, no part of it preferred."""
    uniform = np.random.default_rng(5).random(100_000)
    noise = Signal(Shape.SAWTOOTH, 20, "m").values(30, uniform) - 50
    assert -2.5 <= noise.min() < -2.49
    assert 2.49 < noise.max() <= 2.5
    assert np.histogram(noise, bins=10)[0] == pytest.approx(np.full(10, 10_000), rel=0.05)


@pytest.mark.parametrize("time", [15, 45])
def test_values_beyond_the_scale_are_clipped(time: int) -> None:
    """At the crest and in the trough of a sine half of the noise has nowhere to go."""
    uniform = np.random.default_rng(6).random(10_000)
    values = Signal(Shape.SINE, 1, "m").values(time, uniform)
    limit = 100 if time == 15 else 0
    assert np.count_nonzero(values == limit) / len(values) == pytest.approx(0.5, abs=0.02)
    assert np.all((values >= 0) & (values <= 100))


@pytest.mark.parametrize("ratio", [0, -1, 100.5, math.nan])
def test_ratio_out_of_range(ratio: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 and at most 100"):
        Signal(Shape.SINE, ratio)


def test_unknown_frequency() -> None:
    with pytest.raises(ValueError, match="'w'; choose among m, h, d, we, mo, qu, ye"):
        Signal(Shape.SINE, 100, "w")
