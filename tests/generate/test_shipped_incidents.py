"""Every kind of incident of every shipped model: it acts exactly where its labels say."""

import numpy as np
import pyarrow as pa
import pytest

from fleetstream.generate.choices import IncidentChoice, ScheduledIncident
from fleetstream.generate.generator import Generator
from fleetstream.generate.labels import Label
from fleetstream.generate.points import PointLabels
from fleetstream.generate.topology import Topology
from fleetstream.model import DataType, Model, builtin_models, load_model
from tests.telemetry import SECOND

BEGIN = 1_793_577_600 * SECOND + 9 * 3_600 * SECOND
"""A Monday morning: most things are busy."""

STEP = 900 * SECOND
"""So that every kind is measured at all timestamps."""

FILTERS = {
    "aws-devops-realistic": {"region": ["us-east-1"], "cell": ["us-east-1-cell-1"]},
    "smart-meters": {"street": ["north-0001", "north-0002"]},
}
PLACES = {("web-shop", "slow-dependency"): {"region": "eu-central-1", "service": "catalog"}}
"""Places other than the first: one that others depend on."""

LEAST = 0.8
"""The share of the moments of an incident at which some value differs; others are lost in rounding
where an effect begins with nothing, or a sensor is stuck at what it would say anyway."""

MODELS = [name for name in builtin_models() if load_model(name).incidents]


def place_of(model: Model, topology: Topology, name: str) -> dict[str, str]:
    """A place that an incident may happen at, by default the first."""
    incident = model.incidents[name]
    row = topology.matching(incident.level, incident.only)[:1].astype(np.int32)
    return PLACES.get((model.name, name)) or topology.places(incident.level, row)[0]


def schedule(model: Model, topology: Topology) -> dict[str, ScheduledIncident]:
    """Every kind of incident, one after the other, as long as it may last."""
    found, start = {}, BEGIN
    for name, incident in model.incidents.items():
        assert incident.rate is not None
        place = place_of(model, topology, name)
        found[name] = ScheduledIncident(name, place, start, incident.rate.longest_us, 0.9)
        start += 2 * incident.rate.longest_us + 600 * SECOND
    return found


def moments(incident: ScheduledIncident) -> list[int]:
    """Some moments before, during and after an incident, also where it comes later."""
    shares = np.linspace(-0.1, 1.3, 15)
    return [incident.start + int(share * incident.duration) for share in shares]


def points(
    model: Model, scheduled: list[ScheduledIncident], name: str
) -> tuple[pa.Table, list[Label]]:
    """Labels of all points of numbers at the moments of the incidents, and their labels."""
    options = {"include": FILTERS.get(name, {}), "step": STEP, "scheduled": scheduled}
    real = Generator(model, 7, incidents=IncidentChoice.SCHEDULED, **options)
    calm = Generator(model, 7, incidents=IncidentChoice.OFF, **options)
    stamps = [stamp for each in scheduled for stamp in moments(each)]
    tables = []
    for key, kind in model.kinds.items():
        measures = [each.name for each in kind.measures if each.type is not DataType.VARCHAR]
        found = PointLabels(real, calm, key, measures)
        table = pa.Table.from_batches(found.batches(stamps), found.schema)
        tables.append(table.select(["time", "affected", "incidents"]))
    return pa.concat_tables(tables), real.labels(stamps[0], stamps[-1] + 1)


@pytest.mark.parametrize("name", MODELS)
def test_every_incident_acts_exactly_where_its_labels_say(name: str) -> None:
    model = load_model(name)
    topology = Topology(model, {}, FILTERS.get(name, {}), {}, None)
    scheduled = schedule(model, topology)
    table, labels = points(model, list(scheduled.values()), name)
    assert {label.incident for label in labels} == set(model.incidents)
    affected = table["affected"].to_numpy()
    named = np.diff(table["incidents"].combine_chunks().offsets.to_numpy()) > 0
    assert np.array_equal(affected, named), "a value differs where no label says so"
    times = table["time"].cast(pa.int64()).to_numpy()
    ids = table["incidents"].combine_chunks()
    of = np.repeat(np.arange(len(ids)), np.diff(ids.offsets.to_numpy()))
    flat = np.array(ids.flatten().to_pylist())
    stamps = np.unique(times)
    for label in labels:
        during = stamps[(stamps >= label.start) & (stamps < label.end)]
        found = np.unique(times[of[flat == label.id]])
        assert np.isin(found, during).all()
        assert len(found) >= LEAST * len(during), label
    for incident in model.incidents.values():
        reached = {label.spread for label in labels if model.incidents[label.incident] is incident}
        assert reached == {None, *range(len(incident.spreads))}
