"""The content of a report: the summary, the run over time, and a sample of its data."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan

import msgspec
import numpy as np

from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model import DataType, Measure
from fleetstream.report.facts import RunFacts
from fleetstream.report.history import LATENCY_BOUNDS, SAMPLE_SECONDS, Interval, Sample, intervals
from fleetstream.report.series import first_measure, unit_of, values_over_time, words_of
from fleetstream.report.summary import Summary

POINTS = 300
"""Points of a line over time, about."""

SHOWN_SERIES, SHOWN_SWEEPS = 4, 60
"""Size of the sample of the data, at most."""


class Timeline(msgspec.Struct, frozen=True):
    """The run over time: one entry per interval, which ends at ``seconds`` of the run.

    Latencies are in seconds, None where no request ended; ``bytes_per_second`` is empty where the
    target has no such figure.
    """

    seconds: list[float]
    values_per_second: list[float]
    requests_per_second: list[float]
    bytes_per_second: list[float]
    p50: list[float | None]
    p90: list[float | None]
    p99: list[float | None]


class LatencyDistribution(msgspec.Struct, frozen=True):
    """How many requests took at most each latency, in seconds, but longer than the one before."""

    seconds: list[float]
    requests: list[int]


class Excerpt(msgspec.Struct, frozen=True):
    """A measure of a few series at Unix times in seconds: one list of values per series.

    ``words`` are those that values are indices into, empty for numbers.
    """

    measure: str
    unit: str
    noun: str
    names: list[str]
    times: list[float]
    values: list[list[float | None]]
    words: list[str]


class SeriesExample(msgspec.Struct, frozen=True):
    """The first series of a kind: its dimensions, and its values in the latest sweep as text."""

    noun: str
    count: int
    dimensions: dict[str, str]
    values: dict[str, str]


class ReportContent(msgspec.Struct, frozen=True):
    """Everything that a report shows."""

    summary: Summary
    options: dict[str, str]
    timeline: Timeline
    latencies: LatencyDistribution
    excerpt: Excerpt
    examples: list[SeriesExample]


def report_content(
    facts: RunFacts, summary: Summary, samples: Sequence[Sample], options: Mapping[str, str]
) -> ReportContent:
    """The report of a run that is over; ``samples`` are those of its history."""
    stamps = [sample.last_sweep for sample in samples if sample.last_sweep is not None]
    stamps = list(dict.fromkeys(stamps))
    shown = [stamps[place] for place in _spread(len(stamps), SHOWN_SWEEPS)]
    return ReportContent(
        summary=summary,
        options=dict(options),
        timeline=_timeline(samples),
        latencies=_latencies(Interval(samples[0], samples[-1])),
        excerpt=_excerpt(facts.generator, shown),
        examples=_examples(facts.generator, stamps[-1]) if stamps else [],
    )


def _timeline(samples: Sequence[Sample]) -> Timeline:
    elapsed = samples[-1].elapsed
    length = SAMPLE_SECONDS if elapsed < 10 else max(1.0, elapsed / POINTS)
    parts = intervals(samples, length)
    latencies: list[Sequence[float | None]] = [
        part.latencies.percentiles(50, 90, 99) if part.latencies.counts.any() else [None] * 3
        for part in parts
    ]
    return Timeline(
        seconds=[round(part.after.elapsed, 2) for part in parts],
        values_per_second=[round(part.values_per_second, 1) for part in parts],
        requests_per_second=[round(part.requests_per_second, 2) for part in parts],
        bytes_per_second=[
            round(part.bytes_per_second or 0)
            for part in parts
            if samples[-1].totals.bytes_sent is not None
        ],
        p50=[each[0] for each in latencies],
        p90=[each[1] for each in latencies],
        p99=[each[2] for each in latencies],
    )


def _latencies(whole: Interval) -> LatencyDistribution:
    counts = whole.latencies.counts
    filled = np.flatnonzero(counts)
    span = slice(filled[0], filled[-1] + 1) if len(filled) else slice(0)
    return LatencyDistribution(LATENCY_BOUNDS[span].tolist(), counts[span].tolist())


def _excerpt(generator: Generator, timestamps: Sequence[int]) -> Excerpt:
    """The first measure of the first series."""
    kind, measure = first_measure(generator)
    names = generator.tables[kind].titles(SHOWN_SERIES)
    values = values_over_time(generator, kind, measure.name, len(names), timestamps)
    return Excerpt(
        measure=measure.name,
        unit=unit_of(measure),
        noun=generator.model.kinds[kind].noun,
        names=names,
        times=[timestamp / MICROSECONDS for timestamp in timestamps],
        values=[
            [None if isnan(value) else value for value in column.tolist()] for column in values.T
        ],
        words=list(words_of(measure)),
    )


def _examples(generator: Generator, timestamp: int) -> list[SeriesExample]:
    """The first series of each kind that has any at a timestamp."""
    examples = []
    for key, kind in generator.model.kinds.items():
        chunks = [each for each in generator.chunks if each.kind == key]
        batch = next(generator.batches([timestamp], chunks[:1]), None)
        if batch is None:
            continue
        row = batch.slice(0, 1).to_pylist()[0]
        examples.append(
            SeriesExample(
                noun=kind.noun,
                count=len(generator.tables[key]),
                dimensions={name: row[name] for name in kind.dimensions},
                values={each.name: _text(row[each.name], each) for each in kind.measures},
            )
        )
    return examples


def _text(value: float | str | datetime | None, measure: Measure) -> str:
    if value is None:
        return "missing"
    if isinstance(value, datetime):
        return f"{value.isoformat(sep=' ', timespec='milliseconds')} UTC"
    if isinstance(value, bool):
        return str(value).lower()
    if measure.type is DataType.DOUBLE:
        return f"{value:.{measure.decimals}f} {measure.unit}".rstrip()
    return f"{value} {measure.unit}".rstrip()


def _spread(count: int, wanted: int) -> list[int]:
    """Evenly spread indices of ``count`` items, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]
