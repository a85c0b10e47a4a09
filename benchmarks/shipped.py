"""What generating a value of each shipped model costs, beside the sample fleet's."""

import time
from collections.abc import Iterator

from benchmarks.measure import alternating, ratios
from benchmarks.results import Result, against, at_most
from fleetstream.generate.generator import Generator
from fleetstream.generate.schema import kind_of
from fleetstream.model import DEFAULT_MODEL, builtin_models, load_model

VALUES = 4_000_000
START = 1_793_577_600_000_000
"""2026-11-02."""

INTERVAL = 10_000_000
"""Ten seconds in microseconds, where a model names no interval."""


def results() -> Iterator[Result]:
    """CPU time per value of history with the default parameters, as a multiple."""
    names = [DEFAULT_MODEL, *(name for name in builtin_models() if name != DEFAULT_MODEL)]
    sample, *others = alternating(
        *(lambda name=name: _nanoseconds(name) for name in names)  # type: ignore[misc]
    )
    for name, costs in zip(names[1:], others, strict=True):
        yield at_most(
            f"CPU time of generating a value of `{name}`, as a multiple of `{DEFAULT_MODEL}`'s",
            2,
            ratios(costs, sample),
            against(costs, sample, "ns"),
        )


def _nanoseconds(name: str) -> float:
    model = load_model(name)
    step = model.interval_us or INTERVAL
    made = Generator(model, 7, step=step)
    size = made.timestamps_per_batch()
    values = number = 0
    began = time.process_time()
    while values < VALUES:
        first = START + number * size * step
        for batch in made.batches(range(first, first + size * step, step)):
            values += batch.num_rows * len(made.model.kinds[kind_of(batch.schema)].measures)
        number += 1
    return (time.process_time() - began) / values * 1e9
