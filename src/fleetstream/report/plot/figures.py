"""What a plot shows: a measure over time and its distribution, or signals over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import numpy as np
import numpy.typing as npt

from fleetstream.generate.choices import Shape
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import MICROSECONDS, to_datetime
from fleetstream.generate.signals import Signal
from fleetstream.model import DataType, Measure, Model
from fleetstream.model.laws import Choice
from fleetstream.report.plot.stated import stated_values
from fleetstream.report.series import Values, find_measure, unit_of, values_over_time, words_of

POINTS = 600
"""Points over time, at most."""

SAMPLED_VALUES = 400_000
"""Values that a distribution is made from, about, where the fleet has no more."""

BINS = range(50, 24, -1)
"""Possible numbers of bins of a histogram, the best first."""

SIGNALS = (
    (Shape.SINE, 100),
    (Shape.SINE, 20),
    (Shape.SINE, 1),
    (Shape.SAWTOOTH, 100),
    (Shape.SAWTOOTH, 10),
)
"""Shapes and signal-to-noise ratios in the figure of signals."""


@dataclass(frozen=True, slots=True)
class TimeLines:
    """Values over time: one row per time, one column per name, NaN where a value is missing.

    ``label`` names the measure with its unit. ``words`` are those that values are indices into,
    empty for numbers.
    """

    title: str
    label: str
    times: list[datetime]
    names: list[str]
    values: Values
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BinShares:
    """Shares of values in the bins between ``edges``, as generated and as stated.

    ``stated`` is None where values depend on each other over time, so that no law states them.
    """

    edges: npt.NDArray[np.float64]
    generated: npt.NDArray[np.float64]
    stated: npt.NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class WordShares:
    """Shares of words, as generated and as stated; ``stated`` as of :class:`BinShares`."""

    words: tuple[str, ...]
    generated: npt.NDArray[np.float64]
    stated: npt.NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class MeasureFigure:
    """A measure over time, and its distribution over all series of its kind.

    ``law`` describes the stated distribution.
    """

    measure: Measure
    law: str
    lines: TimeLines
    distribution: BinShares | WordShares


def measure_figure(
    generator: Generator, kind: str, measure: Measure, series: int, start: int, seconds: float
) -> MeasureFigure:
    """A measure of the first ``series`` series from ``start`` (microseconds) for ``seconds``.

    Raises ValueError where the kind has no series.
    """
    if not len(generator.tables[kind]):
        raise ValueError(
            f"There are no series of the kind {kind!r} to draw; choose other filters or a measure "
            "of another kind."
        )
    step = ceil(seconds / POINTS) * MICROSECONDS
    timestamps = range(start, start + int(seconds * MICROSECONDS) + 1, step)
    titles = generator.tables[kind].titles(series)
    values = values_over_time(generator, kind, measure.name, len(titles), timestamps)
    noun = generator.model.kinds[kind].noun
    signal = generator.signal if measure.name == generator.model.overlay.signal else None
    return MeasureFigure(
        measure=measure,
        law=str(signal or measure.origin),
        lines=TimeLines(
            title=f"{labelled(measure)}: {len(titles):,} of {len(generator.tables[kind]):,} {noun}",
            label=labelled(measure),
            times=[to_datetime(timestamp) for timestamp in timestamps],
            names=titles,
            values=values,
            words=words_of(measure),
        ),
        distribution=_distribution(generator, kind, measure, timestamps),
    )


def signal_figures(
    model: Model, seed: int, frequencies: Mapping[Shape, str], start: int
) -> list[TimeLines]:
    """Two periods of each of :data:`SIGNALS` in one series, from the start of a period.

    Raises ValueError where the model has no measure that a signal replaces.
    """
    if model.overlay.signal is None:
        raise ValueError(f"The model {model.name} has no measure that a signal replaces.")
    kind, measure = find_measure(model, model.overlay.signal)
    figures = []
    for shape, ratio in SIGNALS:
        signal = Signal(shape, ratio, frequencies[shape])
        generator = Generator(model, seed, signal=signal)
        period = int(signal.period * MICROSECONDS)
        first = start // period * period
        step = max(2 * period // POINTS, MICROSECONDS)
        timestamps = range(first, first + 2 * period + 1, step)
        figures.append(
            TimeLines(
                title=str(signal),
                label=labelled(measure),
                times=[to_datetime(timestamp) for timestamp in timestamps],
                names=generator.tables[kind].titles(1),
                values=values_over_time(generator, kind, measure.name, 1, timestamps),
            )
        )
    return figures


def labelled(measure: Measure) -> str:
    """The name of a measure with its unit."""
    unit = unit_of(measure)
    return f"{measure.name}, {unit}" if unit else measure.name


def _distribution(
    generator: Generator, kind: str, measure: Measure, timestamps: Sequence[int]
) -> BinShares | WordShares:
    """The distribution over all series at some of the timestamps."""
    size = max(len(generator.tables[kind]), 1)
    sampled = timestamps[:: ceil(len(timestamps) * size / SAMPLED_VALUES)]
    values = values_over_time(generator, kind, measure.name, size, sampled)
    generated = values[~np.isnan(values)]
    words = words_of(measure)
    if isinstance(measure.value, Choice):
        stated_shares = np.array(list(measure.value.shares.values()))
        return WordShares(words, _shares(generated, words), stated_shares)
    stated = None
    model = generator.model
    of_law = measure.type is not DataType.TIMESTAMP and not model.kinds[kind].is_dynamic
    if of_law and model.life_level(model.kinds[kind].level) is None:
        repeats = max(SAMPLED_VALUES // (len(sampled) * size), 1)
        stated = stated_values(generator, kind, measure.name, sampled, repeats).reshape(-1)
    if words:
        of_words = None if stated is None else _shares(stated, words)
        return WordShares(words, _shares(generated, words), of_words)
    return _histogram(measure.decimals, generated, stated)


def _shares(values: Values, words: Sequence[str]) -> Values:
    """How often each of the words is among values, which are indices into them."""
    counts = np.bincount(values.astype(np.int64), minlength=len(words))
    shares: Values = counts / max(len(values), 1)
    return shares


def _histogram(decimals: int, generated: Values, stated: Values | None) -> BinShares:
    """Bins end between the numbers that the decimals allow, with as many of them in each."""
    unit = 10.0**-decimals
    every = generated if stated is None else np.concatenate([generated, stated])
    low, high = (every.min(), every.max()) if len(every) else (0.0, 0.0)
    bins = min(BINS, key=lambda count: (round((high - low) / unit) + 1) % count)
    edges = np.linspace(low - unit / 2, high + unit / 2, bins + 1)
    shares, stated_shares = (
        None if values is None else np.histogram(values, edges)[0] / max(len(values), 1)
        for values in (generated, stated)
    )
    assert shares is not None
    return BinShares(edges, shares, stated_shares)
