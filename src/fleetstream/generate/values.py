"""The values of one kind of series on a grid of timestamps and series.

All arrays have the shape (timestamps, series).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fleetstream.generate.keys import (
    Bits,
    Numbers,
    cell_offsets,
    cell_uniforms,
    mix,
    name_key,
    uniform,
)
from fleetstream.generate.signals import Signal
from fleetstream.model import Measure, SeriesKind, Variable
from fleetstream.model.laws import Mixture

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """Some series of a kind at some timestamps (microseconds).

    ``keys`` depend on seed and series, ``fixed`` has the values per series that depend on neither
    seed nor time: of fixed variables, and the classes of mixtures.
    """

    timestamps: npt.NDArray[np.int64]
    keys: Bits
    fixed: Mapping[str, npt.NDArray[np.generic]]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.timestamps), len(self.keys)

    def uniforms(self, purpose: str, name: str) -> Numbers:
        """A uniform number in (0, 1) per cell; another purpose or name gives independent ones."""
        return cell_uniforms(self.keys, cell_offsets(name_key(purpose, name), self.timestamps))


class Evaluator:
    """Computes the values of a kind.

    ``signal`` replaces the measure ``signal_measure``; at each cell, the measures ``missing`` are
    all missing with a probability of ``missing_percent`` per cent.
    """

    def __init__(
        self,
        kind: SeriesKind,
        signal: Signal | None,
        signal_measure: str | None,
        missing: Sequence[str],
        missing_percent: float,
    ) -> None:
        self._kind = kind
        self._signal = signal
        self._signal_measure = signal_measure
        self._missing = frozenset(missing) & {measure.name for measure in kind.measures}
        self._missing_share = missing_percent / 100

    def fixed(self, identities: Bits) -> dict[str, npt.NDArray[np.generic]]:
        """What :attr:`Grid.fixed` holds for series of these identities."""
        fixed: dict[str, npt.NDArray[np.generic]] = {}
        for source in self._kind.evaluation_order:
            if isinstance(source.value, Mixture):
                classes = source.value.classes(_fixed_uniforms(identities, source.name))
                fixed[source.name] = classes.astype(np.uint8)
            elif isinstance(source, Variable) and source.fixed:
                assert not isinstance(source.value, str)
                values = source.value.quantile(_fixed_uniforms(identities, source.name))
                fixed[source.name] = _rounded(values, source.decimals)
        return fixed

    def evaluate(self, grid: Grid) -> dict[str, Numbers]:
        """All variables and measures by name; words as indices into those of their law."""
        columns: dict[str, Numbers] = {}
        for source in self._kind.evaluation_order:
            values = self._values(source, grid, columns)
            columns[source.name] = _rounded(values, source.decimals)
        return columns

    def missing(self, grid: Grid) -> Booleans | None:
        """Which cells of the measures that can be missing have no value, None for none."""
        if not self._missing or not self._missing_share:
            return None
        return grid.uniforms("missing", "") < self._missing_share

    def can_be_missing(self, measure: Measure) -> bool:
        return measure.name in self._missing

    def _values(
        self, source: Variable | Measure, grid: Grid, columns: Mapping[str, Numbers]
    ) -> Numbers:
        if isinstance(source, Variable) and source.fixed:
            return np.broadcast_to(grid.fixed[source.name].astype(np.float64), grid.shape)
        if self._signal is not None and source.name == self._signal_measure:
            return self._signal.values(grid.timestamps, grid.uniforms("value", source.name))
        if source.expression is not None:
            values = source.expression.evaluate(columns)
            return np.broadcast_to(np.asarray(values, np.float64), grid.shape)
        uniforms = grid.uniforms("value", source.name)
        law = source.value
        assert not isinstance(law, str)
        if isinstance(law, Mixture):
            return law.quantile_of(uniforms, grid.fixed[source.name].astype(np.intp))
        return law.quantile(uniforms)


def _fixed_uniforms(identities: Bits, name: str) -> Numbers:
    return uniform(mix(identities + name_key("fixed", name)))


def _rounded(values: Numbers, decimals: int | None) -> Numbers:
    """Each value rounded to the double nearest to its decimal text; None leaves it as it is."""
    if decimals is None:
        return values
    scale = 10.0**decimals
    rounded: Numbers = values * scale
    np.rint(rounded, out=rounded)
    if decimals:
        rounded /= scale
    rounded += 0.0  # turns −0.0, which would print as "-0", into 0.0
    return rounded
