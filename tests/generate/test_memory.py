"""What generators remember from one call to the next changes no value, and is bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.generator import Generator
from fleetstream.generate.keys import seeded
from fleetstream.generate.lattice import POINTS, SmoothNoise
from fleetstream.model import load_model
from tests.generate.living import START, living
from tests.generate.models import cells
from tests.telemetry import SECOND

KEYS = seeded(np.arange(1, 6, dtype=np.uint64), 3)
STEP = 10 * SECOND
USED, USED_BESIDE = living(), living()
"""Generators that have been asked for much already."""

TIMES = st.lists(st.integers(0, 40_000), min_size=1, max_size=8, unique=True).map(sorted)

SMALL = {
    "aws-devops-realistic": ({}, {"region": ["eu-central-1"]}),
    "iot-trucks": ({"trucks": 3}, {}),
    "kubernetes": ({"nodes": 2, "pods": 2}, {}),
    "smart-meters": ({"streets": 1, "houses": 2}, {}),
    "web-shop": ({"instances": 1}, {}),
}


@given(st.lists(st.tuples(TIMES, st.sampled_from([7, 60, 3_600])), min_size=1, max_size=8))
def test_noise_does_not_depend_on_what_was_asked_before(
    calls: list[tuple[list[int], int]],
) -> None:
    used = SmoothNoise(KEYS)
    for seconds, period in calls:
        times = START + np.array(seconds) * SECOND
        fresh = SmoothNoise(KEYS)
        arguments = "noise", times, period * SECOND
        np.testing.assert_array_equal(used.normal(*arguments, 2), fresh.normal(*arguments, 2))
        np.testing.assert_array_equal(used.bounded(*arguments), fresh.bounded(*arguments))


@given(TIMES, st.sampled_from([1, 7, 60, 3_600]))
def test_few_points_of_noise_are_remembered(seconds: list[int], period: int) -> None:
    noise = SmoothNoise(KEYS)
    noise.normal("noise", START + np.array(seconds) * SECOND, period * SECOND, 3)
    for points in noise._known.values():
        assert len(points.values) <= max(8 * len(seconds) + 2, POINTS)


@settings(max_examples=25)
@given(TIMES)
def test_values_do_not_depend_on_what_was_asked_before(steps: list[int]) -> None:
    """Neither on values at other times, nor on questions of another kind."""
    stamps = [START + step * STEP for step in steps]
    for chunk in USED_BESIDE.chunks:
        USED_BESIDE.ends(chunk, stamps)
        USED_BESIDE.instances(chunk, stamps[:1])
    assert cells(USED, stamps) == cells(USED_BESIDE, stamps) == cells(living(), stamps)


@pytest.mark.parametrize("name", SMALL)
def test_live_sweeps_of_shipped_models_agree_with_their_history(name: str) -> None:
    """Over a night, in which instances come and go, and incidents begin and end."""
    parameters, include = SMALL[name]
    live, history = (
        Generator(load_model(name), 5, parameters=parameters, include=include, step=900 * SECOND)
        for _ in range(2)
    )
    stamps = range(START, START + 12 * 3_600 * SECOND, 900 * SECOND)
    one_by_one = {}
    for stamp in stamps:
        one_by_one |= cells(live, [stamp])
    assert one_by_one == cells(history, stamps)
