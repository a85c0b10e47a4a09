"""The sample fleet's telemetry for tests: generators, large samples, and columns as arrays."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fleetstream.generate.generator import Generator
from fleetstream.model import Measure, load_model

TIMESTAMP = 1_700_000_000_000_000
"""A point in time that tests agree on, in microseconds of Unix time."""

SECOND = 1_000_000

HOST_SCALE = 100
"""101,000 hosts and 121,200 processes: more than 100,000 values of every measure in a sweep."""

METRICS, EVENTS = "metrics", "events"
KINDS = (METRICS, EVENTS)

MODEL = load_model()

STATES = "states"
TYPED = load_model(Path(__file__).with_name("typed.toml"))
"""A model with the kind :data:`STATES`, which has measures of all types."""


def generator(
    host_scale: int = 1,
    seed: int = 20_261_124,
    regions: Sequence[str] = (),
    services: Sequence[str] = (),
    **options: Any,
) -> Generator:
    """A generator of the sample fleet; without regions or services, of all of them."""
    include = {"region": regions, "microservice_name": services}
    return Generator(
        MODEL,
        seed,
        parameters={"host_scale": host_scale},
        include={name: values for name, values in include.items() if values},
        **options,
    )


def sweep_of(generator: Generator, kind: str, *timestamps: int) -> pa.RecordBatch:
    """All series of a kind at one or more timestamps, as one batch."""
    chunks = [chunk for chunk in generator.chunks if chunk.kind == kind]
    times = timestamps or (TIMESTAMP,)
    return pa.concat_batches([generator.batch(chunk, [time]) for time in times for chunk in chunks])


@cache
def sample(kind: str, seed: int = 20_261_124, timestamp: int = TIMESTAMP) -> pa.RecordBatch:
    """All series of a large fleet's kind at one timestamp."""
    return sweep_of(generator(HOST_SCALE, seed), kind, timestamp)


def measure(kind: str, name: str) -> Measure:
    found = MODEL.kinds[kind].measure(name)
    assert found is not None
    return found


def units(batch: pa.RecordBatch, kind: str, name: str) -> np.ndarray:
    """A column of numbers in units of their last decimal, so that sums are exact."""
    column = batch.column(name).to_numpy()
    return np.rint(column * 10 ** measure(kind, name).decimals).astype(np.int64)
