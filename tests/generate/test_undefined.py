"""Effects whose result is not defined, or no number that a measure can hold: values are missing."""

from typing import Any

import pytest

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Direction
from fleetstream.generate.magnitudes import magnitudes
from fleetstream.generate.points import PointLabels
from fleetstream.model import Model
from tests.generate.models import model_of
from tests.telemetry import SECOND

START = 1_793_577_600 * SECOND
STAMPS = range(START, START + 5 * SECOND, SECOND)

LAWS: dict[str, dict[str, Any]] = {
    "DOUBLE": {"law": "normal", "mean": 5, "sd": 1},
    "BIGINT": {"law": "integer", "low": 1, "high": 9},
}


def model(type_: str, effect: dict[str, str]) -> Model:
    """A model of one series, whose measure a law draws; an incident lasts three seconds."""
    scheduled = {"start": "2026-11-02T00:00:01Z", "for": "3s"}
    effects = [{"kind": "x", "target": "drawn", **effect}]
    return model_of(
        {
            "name": "undefined",
            "shard_level": "x",
            "levels": [{"name": "x", "count": "1", "label": "x"}],
            "incidents": {"burst": {"level": "x", "scheduled": [scheduled], "effects": effects}},
            "kinds": {
                "x": {
                    "noun": "things",
                    "level": "x",
                    "dimensions": {"x": "{x}"},
                    "measures": [{"name": "drawn", "type": type_, "value": LAWS[type_]}],
                }
            },
        }
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("type_", LAWS)
@pytest.mark.parametrize(
    ("effect", "missing", "direction"),
    [
        ({"multiply": "9007199254740992 ** 30"}, 3, Direction.MISSING),
        ({"multiply": "1 / (elapsed - elapsed)"}, 3, Direction.MISSING),
        ({"add": "1 / elapsed"}, 1, Direction.UP),
        ({"replace": "log(elapsed - 2)"}, 3, Direction.REPLACED),
    ],
)
def test_what_an_effect_on_a_drawn_value_does_not_define_is_missing(
    type_: str, effect: dict[str, str], missing: int, direction: Direction
) -> None:
    made = Generator(model(type_, effect), 5, step=SECOND)
    (batch,) = made.batches(STAMPS)
    values = batch.column("drawn").to_pylist()
    assert [each is None for each in values] == [0 < at <= missing for at in range(len(STAMPS))]
    (label,) = made.labels(STAMPS.start, STAMPS.stop)
    assert label.directions == (direction,)
    calm = Generator(made.model, 5, step=SECOND, incidents=IncidentChoice.OFF)
    (points,) = PointLabels(made, calm, "x", ["drawn"]).batches(STAMPS)
    assert points.column("value").to_pylist() == values
    assert points.column("affected").to_pylist()[1 : missing + 1] == [True] * missing
    (found,) = magnitudes(made, [label], STAMPS)[label.id]
    there = [
        now - before
        for now, before in zip(values, points.column("without_incidents").to_pylist(), strict=True)
        if now is not None
    ][1:-1]
    assert (found.points, found.missing) == (len(there), missing)
    assert (found.lowest, found.highest) == ((min(there), max(there)) if there else (None, None))


def test_integers_above_two_to_the_53_are_labelled_as_doubles() -> None:
    large = {"add": "2 ** 60"}
    made = Generator(model("BIGINT", large), 5, step=SECOND)
    calm = Generator(made.model, 5, step=SECOND, incidents=IncidentChoice.OFF)
    (points,) = PointLabels(made, calm, "x", ["drawn"]).batches(STAMPS)
    assert points.column("value").to_pylist()[1:4] == [2.0**60] * 3
