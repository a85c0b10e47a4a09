"""The values that a model states, drawn without the keys of the generator.

Plots compare them with the values of the generator. Each law is evaluated on evenly spaced numbers
between 0 and 1 in random order, by NumPy's generator, so that a histogram of it has no noise.
"""

from collections.abc import Sequence

import numpy as np

from fleetstream.generate.generator import Generator
from fleetstream.generate.values import Grid
from fleetstream.report.series import Values


def stated_values(
    generator: Generator, kind: str, measure: str, timestamps: Sequence[int], repeats: int = 1
) -> Values:
    """Values of a measure as the model states them, one row per timestamp.

    One column per series, ``repeats`` times. What is fixed per series (the class of a mixture, a
    fixed variable) is that of the generator's series, since a small fleet differs from the shares
    that the model states for a large one. Missing values are left out of account.
    """
    chunks = [chunk for chunk in generator.chunks if chunk.kind == kind]
    grids = [generator.instances(chunk, timestamps).grid for chunk in chunks]
    fixed = {
        name: np.tile(np.concatenate([grid.fixed[name] for grid in grids]), repeats)
        for name in (grids[0].fixed if grids else ())
    }
    keys = np.zeros(len(generator.tables[kind]) * repeats, np.uint64)
    even = _EvenGrid(np.array(timestamps, np.int64), keys, fixed)
    return generator.evaluators[kind].evaluate(even)[measure]


class _EvenGrid(Grid):
    """A grid whose cells have evenly spaced numbers in random order, whatever their keys."""

    def uniforms(self, purpose: str, name: str) -> Values:
        count = self.shape[0] * self.shape[1]
        random = np.random.default_rng([*purpose.encode(), *name.encode()])
        uniforms: Values = (random.permutation(count).reshape(self.shape) + 0.5) / count
        return uniforms
