"""Progress is exact, whatever the batches, the requests and the order in which they settle."""

from collections import Counter
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records, values_by_timestamp
from fleetstream.run.progress import Progress, ProgressTracker
from fleetstream.targets.sink import Request
from tests.batches import batches, counted


@given(
    st.lists(batches(rows=12), min_size=1, max_size=4),
    st.sampled_from(RecordModel),
    st.data(),
)
def test_a_timestamp_is_open_until_its_last_value_has_an_outcome(
    made: list[pa.RecordBatch], model: RecordModel, data: st.DataObject
) -> None:
    tracker = ProgressTracker()
    left: Counter[int] = Counter()
    ranges = []
    for batch in made:
        tracker.entered(batch)
        left.update(counted(values_by_timestamp(batch)))
        records = Records(batch, model)
        cuts = sorted(data.draw(st.sets(st.integers(0, len(records)), max_size=4)))
        bounds = [0, *cuts, len(records)]
        ranges += [
            RecordRange(records, start, stop) for start, stop in pairwise(bounds) if start < stop
        ]
    ranges = data.draw(st.permutations(ranges))
    assert tracker.progress().open == {stamp for stamp, values in left.items() if values}
    while ranges:
        size = data.draw(st.integers(1, len(ranges)))
        request, ranges = Request(tuple(ranges[:size]), None), ranges[size:]
        tracker.settled(request)
        for each in request.ranges:
            # Counted by hand, record by record.
            for index in range(each.start, each.stop):
                one = RecordRange(each.records, index, index + 1)
                left[int(one.timestamps[0])] -= one.values
        assert tracker.progress().open == {stamp for stamp, values in left.items() if values}
    assert not tracker.progress().open


@given(batches(rows=12))
def test_a_batch_that_was_held_back_is_open_until_it_is_delivered(batch: pa.RecordBatch) -> None:
    tracker = ProgressTracker()
    records = Records(batch, RecordModel.SINGLE)
    request = Request((RecordRange(records, 0, len(records)),), None)
    stamps = {stamp for stamp, values in counted(values_by_timestamp(batch)).items() if values}
    tracker.entered(batch)  # held back
    tracker.entered(batch)  # on its way to the sink
    tracker.released(batch)
    assert tracker.progress().open == stamps
    tracker.settled(request)
    assert not tracker.progress().open


def test_a_sweep_is_settled_when_it_is_generated_and_nothing_of_it_is_open() -> None:
    progress = Progress(swept=5, open=frozenset([3]))
    assert [progress.settled(stamp) for stamp in (2, 3, 5, 6)] == [True, False, True, False]
