"""What `docs/models.md` says of noise, bursts and drift, of the model that it shows."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fleetstream
from fleetstream.generate.keys import Numbers

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
MINUTES = 5


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Numbers]:
    """Each measure every five minutes, of shape (times, sensors)."""
    section = PAGE.read_text().split("## Noise, bursts and drift")[1]
    (text,) = re.findall(r"```toml\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    path = tmp_path_factory.mktemp("models") / "noises.toml"
    path.write_text(text)
    table = fleetstream.telemetry(
        "sensor", model=path, seed=7, start="2026-11-02", end="2026-11-30", interval=f"{MINUTES}m"
    ).read_all()
    names = ("calm", "restless", "bursts", "drifting")
    return {name: table[name].to_numpy().reshape(-1, 20) for name in names}


def exponent(values: Numbers) -> float:
    """How the spectrum depends on the frequency, between periods of 12 hours and 40 minutes."""
    windowed = (values - values.mean(axis=0)) * np.hanning(len(values))[:, np.newaxis]
    power = (np.abs(np.fft.rfft(windowed, axis=0)) ** 2).mean(axis=1)
    hours = 1 / np.maximum(np.fft.rfftfreq(len(values), MINUTES / 60), 1e-9)
    edges = np.geomspace(12, 2 / 3, 12)
    bands = [power[(hours <= long) & (hours > short)].mean() for long, short in pairwise(edges)]
    middles = 1 / np.sqrt(edges[1:] * edges[:-1])
    return float(np.polyfit(np.log(middles), np.log(bands), 1)[0])


def test_octaves_fall_with_the_square_of_the_frequency_and_equal_movements_more_slowly(
    values: dict[str, Numbers],
) -> None:
    assert exponent(values["calm"]) == pytest.approx(-2, abs=0.25)
    assert -1.75 < exponent(values["restless"]) < -1


def test_bursts_are_a_twentieth_of_the_time_and_drift_is_slow(values: dict[str, Numbers]) -> None:
    assert np.mean(values["bursts"] > 2) == pytest.approx(0.05, abs=0.015)
    assert values["bursts"].max() > 100
    steps = np.abs(np.diff(values["drifting"], axis=0))
    ranges = values["drifting"].max(axis=0) - values["drifting"].min(axis=0)
    assert steps.max() < ranges.mean() / 100
    assert values["drifting"].mean(axis=0).std() > 5
