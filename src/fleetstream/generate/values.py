"""The values of one kind of series on a grid of timestamps and series.

Arrays have the shape (timestamps, series). Within an evaluation, the values of a variable have one
timestamp or one series where all are alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fleetstream.generate.counters import CounterTotals
from fleetstream.generate.drivers import DriverView
from fleetstream.generate.incidents import Active, IncidentView, ValuesAt
from fleetstream.generate.keys import (
    Bits,
    Booleans,
    Numbers,
    cell_offsets,
    cell_uniforms,
    mix,
    name_key,
    uniform,
)
from fleetstream.generate.lattice import SmoothNoise, Times
from fleetstream.generate.lives import BEGINNING
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.signals import Signal
from fleetstream.model import DataType, Measure, SeriesKind, Variable
from fleetstream.model.dynamics import Counter, RecentQuantile, Smooth
from fleetstream.model.kinds import BIRTH, CLOCKS, TIME_COLUMN
from fleetstream.model.laws import Constant, Mixture

LATEST_SECONDS = 9_223_372_036.0
"""The latest time of a TIMESTAMP measure, in seconds: in 2262, as Amazon Timestream takes it."""

MAX_INTEGER = 2.0**63
"""BIGINTs are below this, and above its negative."""

TIMESTAMP_DECIMALS = 3
"""Decimals of the seconds of a TIMESTAMP measure; all generated timestamps are milliseconds."""


OtherCells = tuple[bytes, bytes, str | None]
"""Other times, places of series, and the only value that is wanted of them, None for all."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Some series of a kind at some timestamps (microseconds).

    ``keys`` depend on seed and series, ``fixed`` has the values per series that depend on neither
    seed nor time: of fixed variables, the classes of mixtures, and integers of levels. ``births``
    is when each series began (microseconds), None without a life cycle. ``drivers`` has those that
    the series follow, ``incidents`` those that may happen to them. ``noise`` and ``counters`` are
    there unless no value needs them.
    """

    timestamps: npt.NDArray[np.int64]
    keys: Bits
    fixed: Mapping[str, npt.NDArray[np.generic]]
    births: Times | None = None
    drivers: Mapping[str, DriverView] = field(default_factory=dict)
    incidents: Sequence[IncidentView] = ()
    noise: SmoothNoise | None = None
    counters: CounterTotals | None = None
    known: dict[OtherCells, dict[str, Numbers]] = field(default_factory=dict, compare=False)
    """Values at other times that the last evaluation needed, for what stays the same."""
    parts: "dict[bytes, Grid]" = field(default_factory=dict, compare=False)
    """The series that it needed at other times, with what their noise remembers."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.timestamps), len(self.keys)

    def only(self, series: npt.NDArray[np.intp]) -> "Grid":
        """Some of the series, at no timestamps yet."""
        return grid_of(
            self.keys[series],
            {name: values[series] for name, values in self.fixed.items()},
            None if self.births is None else self.births[series],
            {name: DriverView(view.rows, view.of[series]) for name, view in self.drivers.items()},
            [IncidentView(view.source, view.of[series]) for view in self.incidents],
        )

    def active(self) -> list[Active]:
        """The incidents that are going on at any of the timestamps."""
        return [each for view in self.incidents for each in view.active(self.timestamps)]

    def uniforms(self, purpose: str, name: str) -> Numbers:
        """A uniform number in (0, 1) per cell; another purpose or name gives independent ones."""
        return cell_uniforms(self.keys, cell_offsets(name_key(purpose, name), self.timestamps))


def grid_of(
    keys: Bits,
    fixed: Mapping[str, npt.NDArray[np.generic]],
    births: Times | None,
    drivers: Mapping[str, DriverView],
    incidents: Sequence[IncidentView],
) -> Grid:
    """A grid of series at no timestamps yet, with their noise and counters."""
    noise = SmoothNoise(keys)
    begins = np.full(len(keys), BEGINNING) if births is None else births
    counters = CounterTotals(keys, begins, drivers, noise)
    times = np.empty(0, np.int64)
    return Grid(times, keys, fixed, births, drivers, incidents, noise, counters)


class Evaluator:
    """Computes the values of the kind with a key.

    ``signal`` replaces the measure ``signal_measure``; at each cell, the measures ``missing`` are
    all missing with a probability of ``missing_percent`` per cent.
    """

    def __init__(
        self,
        key: str,
        kind: SeriesKind,
        signal: Signal | None,
        signal_measure: str | None,
        missing: Sequence[str],
        missing_percent: float,
    ) -> None:
        self._key = key
        self._kind = kind
        self._signal = signal
        self._signal_measure = signal_measure
        self._missing = frozenset(missing) & {measure.name for measure in kind.measures}
        self._missing_share = missing_percent / 100
        expressions = [each.expression for each in kind.evaluation_order if each.expression]
        names = {name for each in expressions for name in each.names}
        self._followed = names & kind.driver_names
        self._clocks = names & CLOCKS
        self._needs: dict[str, frozenset[str]] = {}

    def fixed(self, identities: Bits) -> dict[str, npt.NDArray[np.generic]]:
        """What :attr:`Grid.fixed` holds for series of these identities."""
        fixed: dict[str, npt.NDArray[np.generic]] = {}
        for source in self._kind.evaluation_order:
            if isinstance(source.value, Mixture):
                classes = source.value.classes(_fixed_uniforms(identities, source.name))
                fixed[source.name] = classes.astype(np.uint8)
            elif isinstance(source, Variable) and source.fixed:
                assert not isinstance(source.value, str | Smooth | Counter | RecentQuantile)
                values = source.value.quantile(_fixed_uniforms(identities, source.name))
                fixed[source.name] = _rounded(values, source.decimals)
        return fixed

    @np.errstate(all="ignore")  # what is not defined is missing in the end
    def evaluate(
        self, grid: Grid, incidents: Sequence[Active] = (), only: str | None = None
    ) -> dict[str, Numbers]:
        """All variables and measures by name; words as indices into those of their law.

        The values of measures have the shape of the grid. ``incidents`` are those that are going
        on. With ``only``, there is just the value of that name and what it is calculated from.
        """
        columns: dict[str, Numbers] = {}
        others = _OtherTimes(self, grid)
        sources, followed = self._kind.evaluation_order, self._followed
        if only is not None:
            needed = self._needed(only)
            sources = [each for each in sources if each.name in needed]
            followed = followed & needed
        for name in followed:
            columns[name] = grid.drivers[name].values(grid.timestamps)
            for incident in incidents:
                columns[name] = incident.on_driver(name, columns[name], others.driver(name))
        for name in self._kind.integer_names:
            columns[name] = grid.fixed[name].astype(np.float64)[np.newaxis, :]
        columns |= {name: _clock(name, grid) for name in self._clocks}
        laws = (each.value for each in sources)
        counted = {law.driver for law in laws if isinstance(law, Counter)}
        grown = {driver: _counters(grid).grown(driver, grid.timestamps) for driver in counted}
        for source in sources:
            values = self._values(source, grid, columns, grown)
            for incident in incidents:
                values = incident.on_target(self._key, source, values, others.source(source.name))
            if isinstance(source, Measure):
                columns[source.name] = _spread(_stored(values, source), grid.shape)
            else:
                columns[source.name] = _rounded(values, source.decimals)
        return columns

    def _needed(self, name: str) -> frozenset[str]:
        """A variable or measure, and all names that it is calculated from."""
        if not self._needs:
            for each in self._kind.evaluation_order:
                names = each.expression.names if each.expression else frozenset[str]()
                above = (self._needs.get(other, frozenset[str]()) for other in names)
                self._needs[each.name] = frozenset({each.name}).union(names, *above)
        return self._needs[name]

    def missing(
        self, grid: Grid, incidents: Sequence[Active] = ()
    ) -> Callable[[Measure], Booleans | None]:
        """Returns which cells of a measure have no value, None for none."""
        together: Booleans | None = None
        if self._missing and self._missing_share:
            together = grid.uniforms("missing", "") < self._missing_share

        def cells(measure: Measure) -> Booleans | None:
            reasons = [each.drops(self._key, measure.name) for each in incidents]
            if measure.name in self._missing:
                reasons.append(together)
            if measure.missing:
                reasons.append(grid.uniforms("missing", measure.name) < measure.missing)
            known = [each for each in reasons if each is not None]
            return np.logical_or.reduce(known) if known else None

        return cells

    def _values(
        self,
        source: Variable | Measure,
        grid: Grid,
        columns: Mapping[str, Numbers],
        grown: Mapping[str | None, Numbers],
    ) -> Numbers:
        if isinstance(source, Variable) and source.fixed:
            return grid.fixed[source.name].astype(np.float64)[np.newaxis, :]
        if self._signal is not None and source.name == self._signal_measure:
            return self._signal.values(grid.timestamps, grid.uniforms("value", source.name))
        if source.expression is not None:
            values = source.expression.evaluate(columns)
            return np.array(values, np.float64, ndmin=2, copy=None)
        law = source.value
        assert not isinstance(law, str)
        if isinstance(law, Constant):
            return np.full((1, 1), law.value, np.float64)
        if isinstance(law, Smooth):
            assert grid.noise is not None
            noise = grid.noise.normal(source.name, grid.timestamps, law.period_us, law.octaves)
            noise *= law.sd
            noise += law.mean
            return noise
        if isinstance(law, Counter):
            grown_of = grown[law.driver]
            return _counters(grid).values(law, source.name, grid.timestamps, grown_of)
        if isinstance(law, RecentQuantile):
            assert grid.noise is not None
            name = law.noise_name or source.name
            return law.sizes(grid.noise.normal(name, grid.timestamps, law.period_us, 1))
        uniforms = grid.uniforms("value", source.name)
        if isinstance(law, Mixture):
            return law.quantile_of(uniforms, grid.fixed[source.name].astype(np.intp))
        return law.quantile(uniforms)


class _OtherTimes:
    """The values of a grid's series at other times, without incidents."""

    def __init__(self, evaluator: Evaluator, grid: Grid) -> None:
        self._evaluator = evaluator
        self._grid = grid
        self._known, self._parts = dict(grid.known), dict(grid.parts)
        grid.known.clear()
        grid.parts.clear()

    def driver(self, name: str) -> ValuesAt:
        """A function that returns the values of a driver."""
        return lambda times, series, _alone: self._part(series).drivers[name].values(times)

    def source(self, name: str) -> ValuesAt:
        """A function that returns the values of a variable or measure."""
        return lambda times, series, alone: _spread(
            self._columns(times, series, name if alone else None)[name], (len(times), len(series))
        )

    def _columns(
        self, times: Times, series: npt.NDArray[np.intp], only: str | None
    ) -> dict[str, Numbers]:
        known, place = self._grid.known, (times.tobytes(), series.tobytes(), only)
        if place not in known:
            found = self._known.get(place)
            if found is None:
                part = replace(self._part(series), timestamps=times)
                found = self._evaluator.evaluate(part, only=only)
            known[place] = found
        return known[place]

    def _part(self, series: npt.NDArray[np.intp]) -> Grid:
        """Some series, without incidents."""
        place, parts = series.tobytes(), self._grid.parts
        if place not in parts:
            parts[place] = self._parts.get(place) or self._made_part(series)
        return parts[place]

    def _made_part(self, series: npt.NDArray[np.intp]) -> Grid:
        grid = self._grid
        births = None if grid.births is None else grid.births[series]
        fixed = {name: values[series] for name, values in grid.fixed.items()}
        drivers = {name: view.part(series) for name, view in grid.drivers.items()}
        return grid_of(grid.keys[series], fixed, births, drivers, ())


def undefined_values(measure: Measure, values: Numbers) -> Booleans | None:
    """Which values are no numbers of the measure's type, and so missing; None for none."""
    limit = MAX_INTEGER if measure.type is DataType.BIGINT else np.inf
    # The least and the greatest are enough for most arrays, and both are NaN if any value is.
    if -limit < values.min(initial=0.0) and values.max(initial=0.0) < limit:
        return None
    undefined: Booleans = ~(np.abs(values) < limit)
    return undefined


def _counters(grid: Grid) -> CounterTotals:
    assert grid.counters is not None
    return grid.counters


def _fixed_uniforms(identities: Bits, name: str) -> Numbers:
    return uniform(mix(identities + name_key("fixed", name)))


def _clock(name: str, grid: Grid) -> Numbers:
    """What one of :data:`~fleetstream.model.kinds.CLOCKS` is in each cell, in seconds."""
    if name == TIME_COLUMN:
        times: Numbers = grid.timestamps[:, np.newaxis] / MICROSECONDS
        return times
    assert grid.births is not None
    if name == BIRTH:
        births: Numbers = grid.births[np.newaxis, :] / MICROSECONDS
        return births
    age = (grid.timestamps[:, np.newaxis] - grid.births) / MICROSECONDS
    since: Numbers = np.maximum(age, 0.0)  # cells before the birth are left out later
    return since


def _spread(values: Numbers, shape: tuple[int, int]) -> Numbers:
    """Values for each timestamp and series."""
    return values if values.shape == shape else np.broadcast_to(values, shape)


def _stored(values: Numbers, measure: Measure) -> Numbers:
    """The values as they are stored, times in seconds, truth as 1 and 0, words as positions."""
    if measure.type is DataType.BOOLEAN:
        truth: Numbers = (values != 0).astype(np.float64)
        return truth
    values = _limited(values, measure)
    # Unlike minimum and maximum, these limits replace what is not a number.
    if measure.words:
        return _rounded(np.fmin(np.fmax(values, 0.0), len(measure.words) - 1), 0)
    if measure.type is DataType.TIMESTAMP:
        return _rounded(np.fmin(np.fmax(values, 0.0), LATEST_SECONDS), TIMESTAMP_DECIMALS)
    return _rounded(values, measure.decimals)


def _limited(values: Numbers, measure: Measure) -> Numbers:
    """The values within the measure's minimum and maximum."""
    if measure.minimum is not None:
        values = np.maximum(values, measure.minimum)
    if measure.maximum is not None:
        values = np.minimum(values, measure.maximum)
    return values


def _rounded(values: Numbers, decimals: int | None) -> Numbers:
    """Each value rounded to the double nearest to its decimal text; None leaves it as it is."""
    if decimals is None:
        return values
    scale = 10.0**decimals
    rounded: Numbers = np.rint(values * scale if decimals else values)
    if decimals:
        rounded /= scale
    rounded += 0.0  # turns −0.0, which would print as "-0", into 0.0
    return rounded
