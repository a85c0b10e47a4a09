"""Words that follow from other values."""

from typing import Any

import pyarrow as pa
import pytest

from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from tests.generate.models import model_of
from tests.telemetry import SECOND, TIMESTAMP

TIMES = range(TIMESTAMP, TIMESTAMP + 600 * SECOND, 10 * SECOND)
STATES = ["closed", "half-open", "open"]


def made(state: str, **settings: Any) -> pa.Table:
    """Measurements of breakers whose state is at a position among the states."""
    model = model_of(
        {
            "name": "breakers",
            "shard_level": "breaker",
            "levels": [
                # An attribute of a member may be named as the share of an option is.
                {"name": "service", "members": [{"name": "cart", "share": 3}]},
                {"name": "breaker", "count": "20", "label": "{breaker.index}"},
            ],
            "incidents": {
                "failures": {
                    "level": "breaker",
                    "every": "20m",
                    "shortest": "1m",
                    "longest": "5m",
                    "effects": [{"kind": "breaker", "target": "errors", "replace": "9"}],
                },
                "stuck": {
                    "level": "service",
                    "scheduled": [{"start": "2020-01-01T00:00:00Z", "for": "1h"}],
                    "effects": [{"kind": "breaker", "target": "state", "replace": "2"}],
                },
            },
            "kinds": {
                "breaker": {
                    "noun": "breakers",
                    "level": "breaker",
                    "dimensions": {"breaker": "{breaker}"},
                    "measures": [
                        {"name": "errors", "value": {"law": "integer", "low": 0, "high": 8}},
                        {"name": "state", "type": "VARCHAR", "words": STATES, "value": state},
                    ],
                }
            },
        }
    )
    batches = Generator(model, 5, **settings).batches(TIMES)
    return pa.Table.from_batches(list(batches)).combine_chunks()


def test_a_word_is_at_the_position_that_its_value_says() -> None:
    found = made("(errors > 3) + (errors > 6)")
    pairs = zip(found["errors"].to_pylist(), found["state"].to_pylist(), strict=True)
    assert all(state == STATES[(errors > 3) + (errors > 6)] for errors, state in pairs)
    assert set(found["state"].to_pylist()) == set(STATES)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("0 - 7", 0),
        ("0.4", 0),
        ("0.6", 1),
        ("1e12", 2),
        ("0 * service.share / (service.share - 3)", 0),
        ("service.share - 2", 1),
    ],
)
def test_positions_are_rounded_and_limited(value: str, word: int) -> None:
    assert set(made(value)["state"].to_pylist()) == {STATES[word]}


def test_incidents_change_words_through_what_they_follow_from() -> None:
    value = "(errors > 3) + (errors > 8)"
    without = made(value, incidents=IncidentChoice.OFF)["state"].to_pylist()
    changed = made(value)["state"].to_pylist()
    assert "open" not in without
    assert "open" in changed
