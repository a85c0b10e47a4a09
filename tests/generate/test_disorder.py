"""Disorder: what comes late, out of order or twice is all there in the end, and repeatable."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Disorder, Lateness
from fleetstream.generate.disorder import DUPLICATE, LATE, OUT_OF_ORDER, DisorderedBatches
from fleetstream.generate.records import timestamps_of
from fleetstream.generate.schema import kind_of
from tests.telemetry import SECOND, generator

START = 1_793_491_200 * SECOND
SHARES = st.sampled_from([0.0, 0.1, 5.0, 50.0, 100.0])

Came = list[tuple[int, pa.RecordBatch]]
"""Batches, each with the timestamp of the sweep in which it came."""

Row = tuple[Any, ...]


class Recorded:
    """The batches of some sweeps in disorder, and what was reported of them."""

    def __init__(
        self, disorder: Disorder, sweeps: int, seed: int = 7, regions: Sequence[str] = ()
    ) -> None:
        self.held = Counter[Row]()
        self.counts = Counter[str]()
        self.came: Came = []
        made = generator(1, seed, regions)
        source = DisorderedBatches(
            made,
            disorder,
            held=lambda batch: self.held.update(rows(batch)),
            released=lambda batch: self.held.subtract(rows(batch)),
            counted=self._count,
        )
        for sweep in range(sweeps):
            timestamp = START + sweep * SECOND
            for batch in source.batches([timestamp], made.chunks):
                self.came.append((timestamp, batch))
        self.rest = list(source.rest())
        self.came += [(START + sweeps * SECOND, batch) for batch in self.rest]

    def _count(self, what: str, batch: pa.RecordBatch) -> None:
        self.counts[what] += batch.num_rows


def rows(batch: pa.RecordBatch) -> list[Row]:
    columns = (column.to_pylist() for column in batch.columns)
    return [(kind_of(batch.schema), *row) for row in zip(*columns, strict=True)]


@settings(max_examples=40)
@given(st.data())
def test_everything_comes_once_but_for_duplicates(data: st.DataObject) -> None:
    late = data.draw(SHARES)
    disorder = Disorder(
        late=Lateness(late, data.draw(st.integers(1, 10 * SECOND))),
        out_of_order=data.draw(SHARES.filter(lambda share: share + late <= 100)),
        duplicate=data.draw(SHARES),
    )
    sweeps = data.draw(st.integers(1, 6))
    found = Recorded(disorder, sweeps, regions=["eu-central-1"])
    counts = Counter(row for _, batch in found.came for row in rows(batch))
    times = [START + sweep * SECOND for sweep in range(sweeps)]
    whole = {
        row for batch in generator(1, 7, ["eu-central-1"]).batches(times) for row in rows(batch)
    }
    assert counts.keys() == whole
    assert len(whole) == sweeps * 22
    assert max(counts.values()) <= 2
    assert found.counts[DUPLICATE] == sum(count - 1 for count in counts.values())
    after = sum(int((timestamps_of(batch) < sweep).sum()) for sweep, batch in found.came)
    assert found.counts[LATE] + found.counts[OUT_OF_ORDER] == after
    assert not found.held.total()


def test_shares_and_delays_are_as_asked_for() -> None:
    found = Recorded(Disorder(late=Lateness(2, 20 * SECOND), duplicate=0.5), 60)
    measurements = 60 * 2_222
    assert abs(found.counts[LATE] / measurements - 0.02) < 0.003
    assert abs(found.counts[DUPLICATE] / measurements - 0.005) < 0.001
    prompt = [each for each in found.came if not any(each[1] is rest for rest in found.rest)]
    delays = {sweep - time for sweep, batch in prompt for time in timestamps_of(batch).tolist()}
    assert delays == {second * SECOND for second in range(21)}


def test_what_is_out_of_order_comes_after_the_next_sweep() -> None:
    found = Recorded(Disorder(out_of_order=10), 5)
    assert found.counts[OUT_OF_ORDER]
    for sweep, batch in found.came:
        times = timestamps_of(batch)
        late = times < sweep
        assert set(times.tolist()) <= {sweep - SECOND, sweep}
        assert not late[: (~late).sum()].any(), "they come after the measurements of the sweep"


def test_what_is_not_taken_is_still_held() -> None:
    """A batch counts as released only when the next is asked for, since the run may stop before."""
    held: list[pa.RecordBatch] = []
    made = generator(1, 7, ["eu-central-1"])
    source = DisorderedBatches(
        made,
        Disorder(out_of_order=100),
        held=held.append,
        released=lambda batch: held.remove(batch),
        counted=lambda *_: None,
    )
    assert not list(source.batches([START], made.chunks))
    assert len(held) == 2
    rest = source.rest()
    first = next(rest)
    assert any(first is batch for batch in held)
    next(rest)
    assert len(held) == 1
    assert not list(rest)
    assert not held


def test_disorder_is_repeatable() -> None:
    disorder = Disorder(late=Lateness(10, 3 * SECOND), out_of_order=5, duplicate=5)

    def sent(seed: int) -> list[tuple[int, list[tuple[Any, ...]]]]:
        return [(sweep, rows(batch)) for sweep, batch in Recorded(disorder, 4, seed).came]

    assert sent(7) == sent(7)
    assert sent(7) != sent(8)


def test_late_and_out_of_order_exclude_each_other() -> None:
    Disorder(late=Lateness(60, SECOND), out_of_order=40)
    with pytest.raises(ValueError, match="more than 100% together"):
        Disorder(late=Lateness(60, SECOND), out_of_order=41)
