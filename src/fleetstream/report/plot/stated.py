"""The values that a model states, drawn without the keys of the generator.

Plots compare them with the values of the generator. Each law is evaluated on evenly spaced numbers
between 0 and 1 in random order, by NumPy's generator, so that a histogram of it has no noise.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fleetstream.generate.generator import Generator
from fleetstream.model import Measure, Variable
from fleetstream.model.laws import Mixture
from fleetstream.report.series import Values


def stated_values(
    generator: Generator, kind: str, measure: str, timestamps: Sequence[int], repeats: int = 1
) -> Values:
    """Values of a measure as the model states them, one row per timestamp.

    One column per series, ``repeats`` times. What is fixed per series (the class of a mixture, a
    fixed variable) is that of the generator's series, since a small fleet differs from the shares
    that the model states for a large one. Missing values are left out of account.
    """
    states = StatedColumns(generator, kind, np.array(timestamps, np.int64), repeats)
    return states.evaluate()[measure]


class StatedColumns:
    """Evaluates the variables and measures of a kind."""

    def __init__(
        self, generator: Generator, kind: str, timestamps: np.ndarray, repeats: int
    ) -> None:
        self._generator = generator
        self._kind = generator.model.kinds[kind]
        self._timestamps = timestamps
        self._fixed = _fixed(generator, kind, repeats)
        self._shape = len(timestamps), len(generator.tables[kind]) * repeats
        self._random = np.random.default_rng(0)

    def evaluate(self) -> dict[str, Values]:
        columns: dict[str, Values] = {}
        for source in self._kind.evaluation_order:
            values = self._values(source, columns)
            if source.decimals is not None:
                values = np.round(values, source.decimals)
            columns[source.name] = values
        return columns

    def _values(self, source: Variable | Measure, columns: Mapping[str, Values]) -> Values:
        signal, overlay = self._generator.signal, self._generator.model.overlay
        if isinstance(source, Variable) and source.fixed:
            return np.broadcast_to(self._fixed[source.name].astype(np.float64), self._shape)
        if source.expression is not None:
            values = np.asarray(source.expression.evaluate(columns), np.float64)
            return np.broadcast_to(values, self._shape)
        if signal is not None and source.name == overlay.signal:
            return signal.values(self._timestamps, self._uniforms())
        law = source.value
        assert not isinstance(law, str)
        if isinstance(law, Mixture):
            return law.quantile_of(self._uniforms(), self._fixed[source.name].astype(np.intp))
        return law.quantile(self._uniforms())

    def _uniforms(self) -> Values:
        count = self._shape[0] * self._shape[1]
        uniforms: Values = (self._random.permutation(count).reshape(self._shape) + 0.5) / count
        return uniforms


def _fixed(generator: Generator, kind: str, repeats: int) -> dict[str, np.ndarray]:
    """What is fixed per series, for all series of a kind, ``repeats`` times."""
    grids = [generator.grid(chunk, [0]) for chunk in generator.chunks if chunk.kind == kind]
    names = grids[0].fixed if grids else ()
    return {
        name: np.tile(np.concatenate([grid.fixed[name] for grid in grids]), repeats)
        for name in names
    }
