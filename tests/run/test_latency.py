"""The buckets of latencies."""

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.run.latency import LatencyHistogram


@given(st.lists(st.floats(1e-6, 3_600), min_size=1, max_size=20))
def test_each_latency_is_within_a_thousandth_below_the_end_of_its_bucket(
    latencies: list[float],
) -> None:
    histogram = LatencyHistogram()
    for seconds in latencies:
        histogram.record(seconds)
    counts = histogram.counts()
    ends = np.repeat(counts.seconds, counts.counts)
    assert len(ends) == len(latencies)
    kept = np.floor(np.sort(latencies) * 1e6) / 1e6
    assert (kept <= ends + 1e-9).all()
    assert (ends <= kept * 1.001 + 1e-6).all()


def test_buckets_end_where_the_library_says() -> None:
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    starts = map(histogram.get_value_from_index, range(histogram.counts_len))
    ends = [histogram.get_highest_equivalent_value(start) / 1e6 for start in starts]
    assert LatencyHistogram().counts().seconds.tolist() == ends
