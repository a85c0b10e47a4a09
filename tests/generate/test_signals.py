"""Signals: closed-form values of every shape and period, the noise's bounds, the clipping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import PERIODS, Shape
from fleetstream.generate.signals import Signal
from tests.telemetry import SECOND

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
UNIFORM = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20).map(
    lambda numbers: np.array([numbers])
)


def level(signal: Signal, time: float) -> float:
    """The level at one point in time, in seconds."""
    (found,) = signal.level(np.array([round(time * SECOND)]))
    return float(found)


def values(signal: Signal, time: int, uniform: np.ndarray) -> np.ndarray:
    return signal.values(np.array([time * SECOND]), uniform)


@pytest.mark.parametrize("frequency", SECONDS)
@pytest.mark.parametrize("phase", PHASES)
def test_levels_at_known_phases(frequency: str, phase: float) -> None:
    sine, sawtooth = PHASES[phase]
    time = (1_000 + phase) * SECONDS[frequency]
    assert level(Signal(Shape.SINE, 100, frequency), time) == pytest.approx(sine, abs=1e-4)
    assert level(Signal(Shape.SAWTOOTH, 100, frequency), time) == pytest.approx(sawtooth, abs=1e-4)


def test_periods() -> None:
    assert pytest.approx(SECONDS) == PERIODS


@given(FREQUENCIES, TIMES)
def test_levels_by_their_formulas(frequency: str, time: int) -> None:
    period = SECONDS[frequency]
    sine = (math.sin(2 * math.pi * time / period) + 1) / 2 * 100
    sawtooth = (time % period) / period * 100
    # At a large argument the sine itself loses digits, which the signal avoids.
    assert level(Signal(Shape.SINE, 100, frequency), time) == pytest.approx(sine, abs=1e-4)
    assert level(Signal(Shape.SAWTOOTH, 100, frequency), time) == pytest.approx(sawtooth, abs=1e-5)


@given(SHAPES, FREQUENCIES, TIMES, UNIFORM)
def test_a_ratio_of_100_is_the_signal_itself(
    shape: Shape, frequency: str, time: int, uniform: np.ndarray
) -> None:
    signal = Signal(shape, 100, frequency)
    assert signal.noise == 0
    assert np.all(values(signal, time, uniform) == level(signal, time))


@given(SHAPES, RATIOS.filter(lambda ratio: ratio < 100), FREQUENCIES, TIMES, UNIFORM)
def test_noise_stays_within_its_bounds(
    shape: Shape, ratio: float, frequency: str, time: int, uniform: np.ndarray
) -> None:
    signal = Signal(shape, ratio, frequency)
    found = values(signal, time, uniform)
    assert found.shape == uniform.shape
    assert np.all((found >= 0) & (found <= 100))
    assert np.all(np.abs(found - level(signal, time)) <= 50 / ratio + 1e-9)
    wanted = level(signal, time) + (2 * uniform - 1) * 50 / ratio
    inside = (wanted > 0) & (wanted < 100)
    assert found[inside] == pytest.approx(wanted[inside])


def test_noise_of_a_ratio_of_20() -> None:
    """The documented example: within ±2.5, all of it used, no part of it preferred."""
    uniform = np.random.default_rng(5).random((1, 100_000))
    noise = values(Signal(Shape.SAWTOOTH, 20, "m"), 30, uniform) - 50
    assert -2.5 <= noise.min() < -2.49
    assert 2.49 < noise.max() <= 2.5
    assert np.histogram(noise, bins=10)[0] == pytest.approx(np.full(10, 10_000), rel=0.05)


@pytest.mark.parametrize("time", [15, 45])
def test_values_beyond_the_scale_are_clipped(time: int) -> None:
    """At the crest and in the trough of a sine half of the noise is clipped."""
    uniform = np.random.default_rng(6).random((1, 10_000))
    found = values(Signal(Shape.SINE, 1, "m"), time, uniform)
    limit = 100 if time == 15 else 0
    assert np.count_nonzero(found == limit) / found.size == pytest.approx(0.5, abs=0.02)
    assert np.all((found >= 0) & (found <= 100))


@pytest.mark.parametrize("ratio", [0, -1, 100.5, math.nan])
def test_ratio_out_of_range(ratio: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 and at most 100"):
        Signal(Shape.SINE, ratio)


def test_unknown_frequency() -> None:
    with pytest.raises(ValueError, match="'w'; choose from m, h, d, we, mo, qu, ye"):
        Signal(Shape.SINE, 100, "w")


@given(SHAPES, FREQUENCIES, st.lists(TIMES, min_size=1, max_size=5))
def test_several_timestamps_have_the_levels_of_each(
    shape: Shape, frequency: str, times: list[int]
) -> None:
    signal = Signal(shape, 100, frequency)
    uniform = np.full((len(times), 3), 0.5)
    together = signal.values(np.array(times) * SECOND, uniform)
    assert together.tolist() == [[level(signal, time)] * 3 for time in times]


def test_description() -> None:
    assert str(Signal(Shape.SINE, 20)) == "sine, signal-to-noise ratio 20 (noise within ±2.5 %)"
    assert str(Signal(Shape.SAWTOOTH, 100)) == "sawtooth, signal-to-noise ratio 100 (no noise)"
