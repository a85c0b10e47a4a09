"""Sketches: the values that a plot shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

import numpy as np
import numpy.typing as npt

from fleetstream.report.plot.laws import law_of
from fleetstream.report.series import Values, labels, measure_named, values_over_time
from fleetstream.distributions import Choice, HostLoad, HostOffset
from fleetstream.fleet import Fleet
from fleetstream.measures import Measure
from fleetstream.generate.signals import MICROSECONDS, Shape, Signal
from fleetstream.workload import Workload

POINTS = 600
"""Points of a line, at most."""

SAMPLED = 400_000
"""Values that make a distribution, about."""

BINS = range(50, 24, -1)
"""How many bins a histogram may have, the best first."""

SIGNALS = ((Shape.SINE, 100), (Shape.SINE, 20), (Shape.SINE, 1), (Shape.SAWTOOTH, 100),
           (Shape.SAWTOOTH, 10))  # fmt: skip
"""The signals of the figure of signals: shape and signal-to-noise ratio."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Values over time: ``values`` has one row a time, one column a name; NaN where one misses."""

    title: str
    times: list[datetime]
    names: list[str]
    values: Values


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of values in the bins between ``edges``, as found and as the law has them."""

    edges: npt.NDArray[np.float64]
    found: npt.NDArray[np.float64]
    stated: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Words:
    """Shares of words, as found and as the law has them."""

    words: tuple[str, ...]
    found: npt.NDArray[np.float64]
    stated: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A measure over time, and how its values are distributed over the whole fleet."""

    measure: Measure
    law: str
    lines: Lines
    distribution: Histogram | Words


def sketch(workload: Workload, measure: Measure, series: int, start: int, seconds: float) -> Sketch:
    """A measure of the first so many hosts or processes from ``start`` on (µs of Unix time)."""
    table = workload.fleet.tables[measure.kind]
    series = min(series, len(table))
    step = ceil(seconds / POINTS) * MICROSECONDS
    timestamps = range(start, start + int(seconds * MICROSECONDS) + 1, step)
    sampled = timestamps[:: ceil(len(timestamps) * len(table) / SAMPLED)]
    every = values_over_time(workload, measure, len(table), sampled)
    distribution, signal = measure.distribution, workload.signal
    if isinstance(distribution, HostOffset):
        every = every - distribution.step * table.hosts
    found = every[~np.isnan(every)]
    law = _in_words(signal) if signal and isinstance(distribution, HostLoad) else str(distribution)
    return Sketch(
        measure=measure,
        law=law,
        lines=Lines(
            title=measure.name,
            times=_datetimes(timestamps),
            names=labels(workload, measure.kind, series),
            values=values_over_time(workload, measure, series, timestamps),
        ),
        distribution=_words(distribution, found)
        if isinstance(distribution, Choice)
        else _histogram(measure, workload, sampled, found),
    )


def signal_lines(seed: int, frequencies: Mapping[Shape, str], start: int) -> list[Lines]:
    """Two periods of each of :data:`SIGNALS` in the CPU load of a host, from a full period on."""
    measure = measure_named("cpu_user")
    fleet = Fleet(1, ["eu-central-1"], ["athena"])
    found = []
    for shape, ratio in SIGNALS:
        signal = Signal(shape, ratio, frequencies[shape])
        period = int(signal.period * MICROSECONDS)
        begin = start // period * period
        timestamps = range(begin, begin + 2 * period + 1, max(2 * period // POINTS, MICROSECONDS))
        emitting = Workload(fleet, seed, signal)
        found.append(
            Lines(
                title=_in_words(signal),
                times=_datetimes(timestamps),
                names=labels(emitting, measure.kind, 1),
                values=values_over_time(emitting, measure, 1, timestamps),
            )
        )
    return found


def _in_words(signal: Signal) -> str:
    noise = f"noise within ±{signal.noise:g} %" if signal.noise else "no noise"
    return f"{signal.shape}, signal-to-noise ratio {signal.ratio:g} ({noise})"


def _histogram(
    measure: Measure, workload: Workload, timestamps: Sequence[int], found: Values
) -> Histogram:
    """Bins end between the numbers that the measure's decimals allow, with as many in each."""
    law = law_of(measure.distribution, workload, timestamps)
    unit = 10.0**-measure.decimals
    low, high = (found.min(), found.max()) if len(found) else (law.low, law.high)
    numbers = round((high - low) / unit) + 1
    bins = min(BINS, key=lambda count: numbers % count)
    edges = np.linspace(low - unit / 2, high + unit / 2, bins + 1)
    counts, _ = np.histogram(found, edges)
    # A bin has the numbers from its lower edge up to, but without, the one above.
    below = law.share(edges - unit / 100)
    return Histogram(edges, counts / max(len(found), 1), np.diff(below))


def _words(choice: Choice, found: Values) -> Words:
    counts = np.bincount(found.astype(np.int64), minlength=len(choice.words))
    return Words(choice.words, counts / max(len(found), 1), np.array(choice.likelihoods))


def _datetimes(timestamps: Sequence[int]) -> list[datetime]:
    return [datetime.fromtimestamp(timestamp / MICROSECONDS, UTC) for timestamp in timestamps]
