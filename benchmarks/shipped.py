"""What generating a value of each shipped model costs, beside the sample fleet's."""

import time
from collections.abc import Iterable, Iterator

import pyarrow as pa

from benchmarks.measure import alternating, ratios
from benchmarks.results import Result, against, at_most
from fleetstream.generate.choices import IncidentChoice
from fleetstream.generate.generator import Generator
from fleetstream.generate.schema import kind_of
from fleetstream.model import DEFAULT_MODEL, builtin_models, load_model

VALUES = 4_000_000
START = 1_793_577_600_000_000
"""2026-11-02."""

INTERVAL = 10_000_000
"""Ten seconds in microseconds, where a model names no interval."""

SWEEPS = 40
LIVE_STEP = 60_000_000

ABOUT_AS_LARGE = {
    DEFAULT_MODEL: {},
    "aws-devops-realistic": {},
    "anomalies": {"series_count": 1_000},
    "iot-trucks": {"trucks": 500},
    "kubernetes": {"nodes": 400, "pods": 400},
    "smart-meters": {"streets": 200},
    "web-shop": {"instances": 250},
}
"""Parameters with which a sweep of each model has about as many values as one of the sample fleet;
meters are read in every fifteenth sweep only, so there are more of them."""


def results() -> Iterator[Result]:
    """CPU time per value, of history with the default parameters and of live sweeps."""
    others = [name for name in builtin_models() if name != DEFAULT_MODEL]
    on, off = IncidentChoice.ON, IncidentChoice.OFF
    sample, *costs = alternating(
        lambda: _history(DEFAULT_MODEL, on),
        *(lambda name=name: _history(name, off) for name in others),  # type: ignore[misc]
        *(lambda name=name: _history(name, on) for name in others),  # type: ignore[misc]
    )
    for place, name in enumerate(others):
        for which, most, found in (
            ("without incidents", 2, costs[place]),
            ("with incidents", 4, costs[place + len(others)]),
        ):
            yield at_most(
                f"CPU time of generating a value of `{name}` {which}, as a multiple of "
                f"`{DEFAULT_MODEL}`'s",
                most,
                ratios(found, sample),
                against(found, sample, "ns"),
            )
    sample, *costs = alternating(
        *(lambda name=name: _live(name) for name in ABOUT_AS_LARGE)  # type: ignore[misc]
    )
    for name, found in zip(list(ABOUT_AS_LARGE)[1:], costs, strict=True):
        yield at_most(
            f"CPU time of generating a value of `{name}` in live sweeps of about 26,000 values, as "
            f"a multiple of `{DEFAULT_MODEL}`'s",
            4,
            ratios(found, sample),
            against(found, sample, "ns"),
        )


def _history(name: str, incidents: IncidentChoice) -> float:
    """Nanoseconds per value, after a first batch."""
    model = load_model(name)
    step = model.interval_us or INTERVAL
    made = Generator(model, 7, step=step, incidents=incidents)
    size = made.timestamps_per_batch() * step
    _values(made, made.batches(range(START - size, START, step)))
    values, first = 0, START
    began = time.process_time()
    while values < VALUES:
        values += _values(made, made.batches(range(first, first + size, step)))
        first += size
    return (time.process_time() - began) / values * 1e9


def _live(name: str) -> float:
    """Nanoseconds per value of sweeps a minute apart, after a first one."""
    made = Generator(load_model(name), 7, step=LIVE_STEP, parameters=ABOUT_AS_LARGE[name])
    _values(made, made.batches([START - LIVE_STEP]))
    began = time.process_time()
    values = sum(
        _values(made, made.batches([START + sweep * LIVE_STEP])) for sweep in range(SWEEPS)
    )
    return (time.process_time() - began) / values * 1e9


def _values(made: Generator, batches: Iterable[pa.RecordBatch]) -> int:
    kinds = made.model.kinds
    return sum(batch.num_rows * len(kinds[kind_of(batch.schema)].measures) for batch in batches)
