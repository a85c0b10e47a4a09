"""The effects that `docs/incidents.md` states for anomalies, on measures of several kinds."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from fleetstream.generate.choices import IncidentChoice, ScheduledIncident
from fleetstream.generate.generator import Generator
from fleetstream.generate.points import PointLabels
from fleetstream.model import Model
from fleetstream.model.loader import builtin_content
from tests.telemetry import SECOND

PAGE = Path(__file__).parents[2] / "docs" / "incidents.md"

BEGIN = 1_793_577_600 * SECOND + 9 * 3_600 * SECOND
"""A Monday morning."""

MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND

MEASURES = {
    "an expression": ("web-shop", "service", "service", "latency_p50"),
    "a counter": ("web-shop", "instance", "instance", "requests_total"),
    "a law": ("aws-devops", "instance", "metrics", "memory_used"),
    "an integer": ("aws-devops", "process", "events", "task_completed"),
}
"""A model, a level, a kind, and a measure."""

FILTERS = {"web-shop": {"service": ["cart"]}, "aws-devops": {"region": ["eu-central-1"]}}


def recipes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each anomaly of the page and its effect."""
    table = PAGE.read_text().split("<!-- anomalies -->")[1].split("<!-- /anomalies -->")[0]
    for name, effect in re.findall(r"^\| ([a-z ]+) \| `([^`]+)`", table, re.MULTILINE):
        yield name, tomllib.loads(effect)


RECIPES = dict(recipes())


def values(case: str, effect: dict[str, Any]) -> pa.Table:
    """Points of a measure over three hours, the middle one with an anomaly."""
    name, level, kind, measure = MEASURES[case]
    document = tomllib.loads(builtin_content(name).decode())
    incident = {"level": level, "effects": [{"kind": kind, "target": measure, **effect}]}
    document["incidents"] = {"anomaly": incident}
    model = msgspec.convert(document, Model)
    made, calm = (
        Generator(
            model,
            7,
            include=FILTERS[name],
            step=MINUTE,
            incidents=choice,
            scheduled=[ScheduledIncident("anomaly", {}, BEGIN + HOUR, HOUR, 0.8)],
        )
        for choice in (IncidentChoice.ON, IncidentChoice.OFF)
    )
    labels = PointLabels(made, calm, kind, [measure])
    return pa.Table.from_batches(
        labels.batches(range(BEGIN, BEGIN + 3 * HOUR, MINUTE)), labels.schema
    )


def test_the_page_has_the_anomalies_of_the_shipped_model() -> None:
    model = tomllib.loads(builtin_content("anomalies").decode())
    assert {name.replace(" ", "-") for name in RECIPES} == set(model["incidents"])


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("case", MEASURES)
def test_an_anomaly_changes_any_measure_during_its_label_only(case: str, name: str) -> None:
    effect = RECIPES[name]
    if case == "a counter" and not effect.keys() & {"delay", "drop"}:
        with pytest.raises(msgspec.ValidationError, match="can only be dropped or delayed"):
            values(case, effect)
        return
    found = values(case, effect)
    times = found["time"].cast(pa.int64()).to_numpy()
    during = (times >= BEGIN + HOUR) & (times < BEGIN + 2 * HOUR)
    affected = found["affected"].to_numpy()
    assert not affected[~during].any()
    # Two moments may have the same value, and an anomaly may begin with nothing.
    assert np.mean(affected[during]) > 0.9
