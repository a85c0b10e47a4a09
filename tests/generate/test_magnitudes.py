"""Magnitudes of incidents: what comparing all values with those without incidents gives."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fleetstream
from fleetstream.generate.labels import Label
from fleetstream.generate.magnitudes import Magnitude, magnitudes
from fleetstream.generate.points import reached_by_incident
from fleetstream.model import Model
from tests.generate.living import LIFE, START
from tests.generate.models import Cell, cells
from tests.generate.test_incidents import EFFECTS, STEP, document, pair

FIELDS = ("points", "missing", "mean", "lowest", "highest")


def compared(
    real: dict[Cell, Any], calm: dict[Cell, Any], model: Model, label: Label
) -> dict[str, tuple[Any, ...]]:
    """The magnitudes of a label, by comparing all cells one by one."""
    found = {}
    for kind, described in model.kinds.items():
        reached = reached_by_incident(model, kind)[label.incident, label.spread]
        for measure in (each.name for each in described.measures if each.name in reached):
            during = [
                cell
                for cell in calm
                if cell[0] == kind
                and cell[2] == measure
                and dict(cell[1])["group"] == label.place["group"]
                and label.start <= cell[3] < label.end
                and calm[cell] is not None
            ]
            there = [real[cell] - calm[cell] for cell in during if real[cell] is not None]
            missing = len(during) - len(there)
            values = (np.abs(there).mean(), min(there), max(there)) if there else (None,) * 3
            if during:
                found[f"{kind}.{measure}"] = (len(there), missing, *values)
    return found


@pytest.mark.parametrize("life", [{}, LIFE], ids=["forever", "with lives"])
@settings(max_examples=10, deadline=None)
@given(
    names=st.lists(st.sampled_from([*EFFECTS]), min_size=1, max_size=3, unique=True),
    first=st.integers(0, 2_000),
    count=st.integers(1, 120),
)
def test_magnitudes_are_those_of_a_comparison_with_the_same_fleet_without_incidents(
    life: dict[str, Any], names: list[str], first: int, count: int
) -> None:
    text = document([EFFECTS[name] for name in names])
    text["incidents"]["again"] = {**text["incidents"]["trouble"], "effects": [EFFECTS["driver"]]}
    text["levels"][1]["life"] = life
    model = msgspec.convert(text, Model)
    stamps = range(START + first * STEP, START + (first + count) * STEP, STEP)
    with_, without = (cells(made, stamps) for made in pair(model))
    made, _ = pair(model)
    labels = made.labels(stamps[0], stamps[-1] + 1)
    found = magnitudes(made, labels, stamps)
    assert [*found] == [label.id for label in labels]
    for label in labels:
        wanted = compared(with_, without, model, label)
        assert [each.measure for each in found[label.id]] == [*wanted]
        for each in found[label.id]:
            values = [getattr(each, name) for name in FIELDS]
            assert values == pytest.approx([*wanted[each.measure]], nan_ok=False)


def test_no_points_have_no_mean() -> None:
    magnitude = Magnitude("kind.measure")
    assert magnitude.mean is None
    magnitude.add(np.array([]), 3)
    assert (magnitude.missing, magnitude.points, magnitude.mean) == (3, 0, None)
    magnitude.add(np.array([-4.0, 2.0]), 0)
    assert (magnitude.mean, magnitude.lowest, magnitude.highest) == (3.0, -4.0, 2.0)


def test_history_of_many_batches_counts_every_point_once() -> None:
    """A region's surge, over more timestamps than are generated at once."""
    run: dict[str, Any] = {
        "model": "aws-devops-realistic",
        "seed": 7,
        "start": "2026-11-02",
        "autostop": 180,
        "interval": "1m",
        "incidents": "scheduled",
        "incident": ["traffic-surge region=us-east-1 start=+30m for=2h"],
    }
    (label,) = fleetstream.labels(magnitudes=True, **run).to_pylist()
    found = {each["measure"]: each for each in label["magnitudes"]}
    hosts = fleetstream.series(model=run["model"], include_region="us-east-1").num_rows
    assert hosts == 450
    assert found["metrics.cpu_user"]["points"] == 120 * hosts
    assert found["metrics.cpu_user"]["highest"] > 10
    assert "metrics.cpu_nice" not in found
    assert "events.task_end_state" not in found
