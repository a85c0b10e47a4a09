"""Latencies of requests: a histogram, and the figures derived from it."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

UNIT = 1e6
"""Latencies are kept in microseconds, from 1 µs to an hour, to three significant digits."""

_LOWEST, _HIGHEST, _DIGITS = 1, int(3600 * UNIT), 3


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latencies in seconds; all zero before the first request."""

    mean: float = 0.0
    deviation: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """A histogram of latencies.

    ``counts`` has the number of requests per bucket (int64), ``seconds`` the longest latency of
    each bucket (float64, ascending). A bucket is narrower than 0.1 % of its latency.
    """

    seconds: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    def percentiles(self, *wanted: float) -> list[float]:
        """Latencies in seconds that so many per cent of requests did not exceed, 0 without any."""
        cumulated = np.cumsum(self.counts)
        ranks = np.ceil(np.array(wanted) / 100 * cumulated[-1])
        if not cumulated[-1]:
            return [0.0] * len(wanted)
        return [float(end) for end in self.seconds[np.searchsorted(cumulated, ranks)]]


class LatencyHistogram:
    """Counts latencies, and adds up those of other processes."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)

    def record(self, seconds: float) -> None:
        self._histogram.record_value(max(_LOWEST, int(seconds * UNIT)))

    def encode(self) -> bytes:
        """The histogram as bytes, for :meth:`counts` of another process."""
        encoded: bytes = self._histogram.encode()
        return encoded

    def counts(self, *others: bytes) -> LatencyCounts:
        """This histogram together with encoded ones, as a copy."""
        histogram = self._histogram
        if others:
            histogram = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
            histogram.add(self._histogram)
            for other in others:
                histogram.decode_and_add(other)
        return LatencyCounts(_bucket_ends(), np.frombuffer(histogram.counts, np.int64).copy())


@cache
def _bucket_ends() -> npt.NDArray[np.float64]:
    """The longest latency in seconds of each bucket.

    The histogram's own functions say the same of one bucket at a time. It divides each doubling of
    the latency into ``sub_bucket_half_count`` buckets, and what is below the first doubling too.
    """
    histogram = HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)
    half = histogram.sub_bucket_half_count
    doubling, place = np.divmod(np.arange(histogram.counts_len), half)
    widths = 1 << np.maximum(doubling - 1, 0)
    starts = (place + half * np.minimum(doubling, 1)) * widths
    ends: npt.NDArray[np.float64] = (starts + widths - 1) / UNIT
    return ends
