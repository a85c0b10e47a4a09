"""A small model whose series depend on time: drivers, counters, histograms and life cycles."""

from typing import Any

import msgspec

from fleetstream.generate.generator import Generator
from fleetstream.model import Model
from tests.telemetry import SECOND

START = 1_793_577_600 * SECOND
"""2026-11-02, a Monday."""

HOURS = [0.5, *(1.0 for _ in range(11)), 2.0, *(1.0 for _ in range(11))]


def content(**life: Any) -> dict[str, Any]:
    """A model of groups of slots; ``life`` has the fields of the slots' life cycle."""
    follows = {"law": "counter", "rate": 40.0, "driver": "load", "noise": 0.8, "period": "30s"}
    smooth = {"law": "smooth", "mean": 5.0, "sd": 2.0, "period": "5m", "octaves": 2}
    sizes = {"law": "lognormal", "median": 0.1, "sigma": 1.0}
    return {
        "name": "living",
        "shard_level": "slot",
        "parameters": {"slots": {"default": 20, "minimum": 1, "maximum": 10_000}},
        "drivers": {
            "load": {
                "level": "group",
                "hours": HOURS,
                "weekdays": [1, 1, 1, 1, 1, 0.5, 0.5],
                "utc_offset": "group.offset",
                "spread": 0.2,
                "noise": 0.1,
            }
        },
        "levels": [
            {
                "name": "group",
                "members": [{"name": "east", "offset": -5}, {"name": "west", "offset": 8}],
            },
            {"name": "slot", "count": "slots", "label": "s{slot.index}", "life": life},
        ],
        "kinds": {
            "task": {
                "noun": "tasks",
                "level": "slot",
                "dimensions": {
                    "group": "{group}",
                    "name": "{group}-{slot.id}",
                    "version": "1.{slot.release:03}",
                },
                "measures": [
                    {"name": "done", "type": "BIGINT", "value": follows},
                    {"name": "level", "decimals": 3, "value": smooth},
                    {"name": "age_now", "decimals": 3, "value": "age"},
                    {"name": "scaled", "decimals": 3, "value": "level * load", "minimum": 4},
                    {"name": "rare", "decimals": 2, "missing": 0.9, "value": smooth},
                ],
                "histograms": [
                    {
                        "name": "took",
                        "law": sizes,
                        "buckets": [0.01, 0.1, 1.0],
                        "rate": 50.0,
                        "driver": "load",
                        "spread": 0.5,
                    }
                ],
            },
            "group": {
                "noun": "groups",
                "level": "group",
                "interval": "1m",
                "dimensions": {"group": "{group}"},
                "measures": [{"name": "load_now", "decimals": 6, "value": "load"}],
            },
        },
    }


LIFE: dict[str, Any] = {
    "lifetime": "30m",
    "releases": {"level": "group", "every": "4h", "rollout": "10m"},
    "scale": "load",
    "full_at": 2.0,
    "presence": 0.95,
}


def living(seed: int = 7, step: int = 10 * SECOND, **arguments: Any) -> Generator:
    """A generator of the model with all that a life cycle can have."""
    model = msgspec.convert(content(**LIFE), Model)
    return Generator(model, seed, step=step, **arguments)
