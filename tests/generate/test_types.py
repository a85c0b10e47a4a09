"""Truth and times as values of measures."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from fleetstream.generate.generator import Generator
from fleetstream.generate.points import PointLabels
from fleetstream.model import Model
from tests.generate.models import Cell, cells, model_of
from tests.telemetry import SECOND, STATES, TIMESTAMP, TYPED

MINUTE = 60 * SECOND
TIMES = range(TIMESTAMP, TIMESTAMP + 60 * MINUTE, MINUTE)


def table(made: Generator) -> pa.Table:
    return pa.Table.from_batches(list(made.batches(TIMES))).combine_chunks()


HOUR = table(Generator(TYPED, 5, parameters={"devices": 400}))
"""About 21,600 rows of 400 devices."""


def microseconds(name: str) -> np.ndarray:
    return HOUR[name].cast(pa.int64()).drop_null().to_numpy()


def test_a_comparison_is_true_where_it_holds() -> None:
    assert HOUR["hot"].type == pa.bool_()
    assert HOUR["hot"].equals(pc.greater(HOUR["heat"], 60))


def test_a_probability_is_the_share_of_what_is_true() -> None:
    """Of what is not missing; independent of time and series."""
    known = HOUR["on"].drop_null().to_numpy(zero_copy_only=False)
    assert stats.binomtest(len(HOUR) - len(known), len(HOUR), 0.2).pvalue > 0.001
    assert stats.binomtest(int(known.sum()), len(known), 0.7).pvalue > 0.001
    assert abs(np.corrcoef(known[1:], known[:-1])[0, 1]) < 0.03


def test_expressions_see_truth_as_one_and_zero() -> None:
    jobs, hot = HOUR["jobs"].to_numpy(), HOUR["hot"].to_numpy()
    assert set(jobs.tolist()) == {0, 5, 20, 25}
    assert np.array_equal(jobs >= 20, hot)
    assert stats.binomtest(int((jobs % 20 == 5).sum()), len(jobs), 0.25).pvalue > 0.001


def test_a_birth_is_the_same_at_all_times() -> None:
    """One per session, before its first measurement, and not long before it."""
    sessions = HOUR.group_by("session").aggregate([("started", "count_distinct"), ("time", "min")])
    assert set(sessions["started_count_distinct"].to_pylist()) == {1}
    assert len(sessions) > 600
    assert np.all(microseconds("started") <= microseconds("time"))
    assert HOUR["started"].type == HOUR["time"].type
    assert np.all(microseconds("started") % 1_000 == 0)


def test_times_can_be_calculated_from_that_of_the_measurement() -> None:
    silence = pc.subtract(HOUR["time"], HOUR["seen"]).cast(pa.int64()).drop_null().to_numpy()
    assert np.all(silence % 1_000 == 0)
    assert stats.kstest(silence / SECOND, stats.expon(scale=20).cdf).pvalue > 0.001


def test_truth_and_times_do_not_depend_on_other_timestamps() -> None:
    made = Generator(TYPED, 5)
    alone: dict[Cell, object] = {}
    for time in TIMES:
        alone |= cells(made, [time])
    assert cells(made, TIMES) == alone


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("0 - 5", 0),
        ("12.3456", 12_346_000),
        ("time", TIMESTAMP),
        ("time - 0.001", TIMESTAMP - 1_000),
        ("(time - time) / (time - time)", 0),
        ("1e15 * time", 9_223_372_036_000_000),
    ],
)
def test_times_are_milliseconds_that_every_target_takes(value: str, wanted: int) -> None:
    model = with_measure({"name": "m", "type": "TIMESTAMP", "value": value})
    with np.errstate(invalid="ignore"):
        (batch,) = Generator(model, 1).batches([TIMESTAMP])
    assert batch["m"].cast(pa.int64()).to_pylist() == [wanted]


def test_an_incident_can_change_truth() -> None:
    content = document({"name": "m", "type": "BOOLEAN", "value": "0"})
    content["incidents"] = {
        "fault": {
            "level": "box",
            "every": "1h",
            "shortest": "10m",
            "longest": "15m",
            "effects": [{"kind": "box", "target": "m", "replace": "3"}],
        }
    }
    made = Generator(model_of(content), 3)
    day = range(TIMESTAMP, TIMESTAMP + 24 * 60 * MINUTE, MINUTE)
    found = pa.Table.from_batches(list(made.batches(day)))
    labels = made.labels(day[0], day[-1] + 1)
    affected = sum(label.start <= time < label.end for time in day for label in labels)
    assert 0 < affected == pc.sum(found["m"]).as_py() < len(day)
    points = PointLabels(made, Generator(model_of(content), 3, incidents=False), "box", ["m"])
    labelled = pa.Table.from_batches(list(points.batches(day)))
    assert pc.sum(labelled["affected"]).as_py() == affected
    assert labelled["value"].to_pylist() == [float(each) for each in found["m"].to_pylist()]


def test_points_have_times_in_seconds() -> None:
    made = Generator(TYPED, 5)
    points = pa.Table.from_batches(
        list(PointLabels(made, made, STATES, ["started"]).batches(TIMES))
    )
    births = pa.Table.from_batches(list(made.batches(TIMES)))["started"].cast(pa.int64())
    assert points["value"].to_pylist() == [each / SECOND for each in births.to_pylist()]


def document(measure: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "boxes",
        "shard_level": "box",
        "levels": [{"name": "box", "members": [{"name": "one"}]}],
        "kinds": {
            "box": {
                "noun": "boxes",
                "level": "box",
                "dimensions": {"box": "{box}"},
                "measures": [measure],
            }
        },
    }


def with_measure(measure: dict[str, Any]) -> Model:
    return model_of(document(measure))


def test_the_kind_has_a_measure_of_every_type() -> None:
    """So that tests with this model are about all types."""
    assert len({each.type for each in TYPED.kinds[STATES].measures}) == 5


def ratio(kind: str, value: str) -> list[object]:
    """A measure of the type of three series."""
    model = model_of(
        {
            "name": "undefined",
            "shard_level": "x",
            "levels": [{"name": "x", "count": "3", "label": "{x.index}"}],
            "kinds": {
                "x": {
                    "noun": "things",
                    "level": "x",
                    "dimensions": {"x": "{x}"},
                    "measures": [{"name": "ratio", "type": kind, "value": value}],
                }
            },
        }
    )
    (batch,) = Generator(model, 5).batches([TIMESTAMP])
    values: list[object] = batch.column("ratio").to_pylist()
    return values


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["DOUBLE", "BIGINT"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("6 / (x.index - 1)", [-6, None, 6]),
        ("6 / sqrt(x.index - 1)", [None, None, 6]),
        ("6 * (x.index - 1) / (x.index != 1)", [-6, None, 6]),
    ],
)
def test_what_is_not_defined_is_missing(kind: str, value: str, expected: list[object]) -> None:
    assert ratio(kind, value) == expected


@pytest.mark.filterwarnings("error")
def test_integers_that_are_too_large_are_missing() -> None:
    value = "where(x.index == 1, 1e15 * 1e15, 6)"
    assert ratio("BIGINT", value) == [6, None, 6]
    assert ratio("DOUBLE", value) == [6, 1e30, 6]
