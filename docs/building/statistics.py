"""Statistics of series over time, for the documentation and the tests."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def autocorrelation(values: Values, lag: int) -> float:
    """The correlation of a series with itself ``lag`` points later, without missing values."""
    one, other = values[:-lag], values[lag:]
    known = ~(np.isnan(one) | np.isnan(other))
    return float(np.corrcoef(one[known], other[known])[0, 1])


def hurst(values: Values) -> float:
    """The Hurst parameter of a series by its variance-time plot, 0.5 for white noise.

    The variance of means over n points falls with n to the power 2H − 2.
    """
    sizes = np.unique(np.geomspace(4, len(values) // 16, 12).astype(int))
    variances = [
        values[: len(values) // size * size].reshape(-1, size).mean(axis=1).var() for size in sizes
    ]
    return float(1 + np.polyfit(np.log(sizes), np.log(variances), 1)[0] / 2)
