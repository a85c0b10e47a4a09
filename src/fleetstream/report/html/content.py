"""What stands in a report: the summary, how the run went over time, and a sample of its data."""

from collections.abc import Mapping, Sequence
from math import isnan

import msgspec
import numpy as np

from fleetstream.fleet import Kind
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.measures import measures_of
from fleetstream.report.history import EVERY, LATENCY_BOUNDS, Interval, Sample, intervals
from fleetstream.report.run import Run
from fleetstream.report.series import labels, measure_named, values_over_time
from fleetstream.report.summary import Summary
from fleetstream.workload import Workload

POINTS = 300
"""Points of a line over time, about."""

SHOWN_MEASURE, SHOWN_HOSTS, SHOWN_SWEEPS = "cpu_user", 4, 60
"""The sample of the data: a measure of so many hosts in so many sweeps, at most."""


class Course(msgspec.Struct, frozen=True):
    """How a run went: one entry an interval that ends at ``seconds`` of the run.

    Latencies are in milliseconds, None where no request ended.
    """

    seconds: list[float]
    values_per_second: list[float]
    requests_per_second: list[float]
    bytes_per_second: list[float]
    p50: list[float | None]
    p90: list[float | None]
    p99: list[float | None]


class Distribution(msgspec.Struct, frozen=True):
    """How many requests took no longer than each latency, but longer than the one before it."""

    milliseconds: list[float]
    requests: list[int]


class Excerpt(msgspec.Struct, frozen=True):
    """A measure of a few hosts: one list of values a host, at Unix times in seconds."""

    measure: str
    unit: str
    hosts: list[str]
    times: list[float]
    values: list[list[float | None]]


class Example(msgspec.Struct, frozen=True):
    """A host or a process: its dimensions and its values in the latest sweep, as people read."""

    kind: str
    dimensions: dict[str, str]
    values: dict[str, str]


class Report(msgspec.Struct, frozen=True):
    """Everything that a report shows."""

    summary: Summary
    options: dict[str, str]
    course: Course
    distribution: Distribution
    excerpt: Excerpt
    examples: list[Example]


def report_on(
    run: Run, summary: Summary, samples: Sequence[Sample], options: Mapping[str, str]
) -> Report:
    """The report of a run that is over; ``samples`` are those of its history."""
    whole = Interval(samples[0], samples[-1])
    stamps = [sample.last_sweep for sample in samples if sample.last_sweep is not None]
    stamps = list(dict.fromkeys(stamps))
    shown = [stamps[place] for place in _spread(len(stamps), SHOWN_SWEEPS)]
    return Report(
        summary=summary,
        options=dict(options),
        course=_course(samples),
        distribution=_distribution(whole),
        excerpt=_excerpt(run.workload, shown),
        examples=[_example(run.workload, kind, stamps[-1]) for kind in Kind] if stamps else [],
    )


def _course(samples: Sequence[Sample]) -> Course:
    elapsed = samples[-1].elapsed
    length = EVERY if elapsed < 10 else max(1.0, elapsed / POINTS)
    parts = intervals(samples, length)
    latencies = [
        [1e3 * latency for latency in part.latencies.percentiles(50, 90, 99)]
        if part.latencies.counts.any()
        else [None, None, None]
        for part in parts
    ]
    return Course(
        seconds=[round(part.after.elapsed, 2) for part in parts],
        values_per_second=[round(part.values_per_second, 1) for part in parts],
        requests_per_second=[round(part.requests_per_second, 2) for part in parts],
        bytes_per_second=[round(part.bytes_per_second) for part in parts],
        p50=[each[0] for each in latencies],
        p90=[each[1] for each in latencies],
        p99=[each[2] for each in latencies],
    )


def _distribution(whole: Interval) -> Distribution:
    counts = whole.latencies.counts
    filled = np.flatnonzero(counts)
    span = slice(filled[0], filled[-1] + 1) if len(filled) else slice(0)
    return Distribution((1e3 * LATENCY_BOUNDS[span]).tolist(), counts[span].tolist())


def _excerpt(workload: Workload, timestamps: Sequence[int]) -> Excerpt:
    measure = measure_named(SHOWN_MEASURE)
    hosts = labels(workload, measure.kind, SHOWN_HOSTS)
    values = values_over_time(workload, measure, len(hosts), timestamps)
    columns = values.reshape(len(timestamps), len(hosts)).T
    return Excerpt(
        measure=measure.name,
        unit=measure.unit,
        hosts=hosts,
        times=[timestamp / MICROSECONDS for timestamp in timestamps],
        values=[
            [None if isnan(value) else value for value in column.tolist()] for column in columns
        ],
    )


def _example(workload: Workload, kind: Kind, timestamp: int) -> Example:
    block = next(block for block in workload.blocks if block.kind is kind)
    row = workload.batch(block, timestamp).slice(0, 1).to_pylist()[0]
    dimensions = workload.fleet.tables[kind].dimensions.schema.names
    return Example(
        kind=str(kind),
        dimensions={name: row[name] for name in dimensions},
        values={
            measure.name: _written(row[measure.name], measure.unit) for measure in measures_of(kind)
        },
    )


def _written(value: float | str | None, unit: str) -> str:
    if value is None:
        return "missing"
    return f"{value:g} {unit}" if isinstance(value, float) else f"{value} {unit}".rstrip()


def _spread(count: int, wanted: int) -> list[int]:
    """Places among ``count``, evenly spread, with both ends."""
    if count <= wanted:
        return list(range(count))
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]
