"""Timestamps that are swept together: as many as are ready, never later than they could be."""

from collections.abc import Iterator
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleetstream.run.clock import Clock, HistoryClock, groups


class ScriptedClock:
    """Timestamps 0, 1, 2…; before each it waits, or it need not."""

    def __init__(self, waits: list[bool]) -> None:
        self._waits = waits
        self._given = 0

    @property
    def is_ready(self) -> bool:
        return self._given < len(self._waits) and not self._waits[self._given]

    def __iter__(self) -> Iterator[int]:
        for timestamp in range(len(self._waits)):
            self._given = timestamp + 1
            yield timestamp


def flat(clock: Clock, size: int, sweeps: int | None) -> list[int]:
    return list(chain.from_iterable(group or [] for group in groups(clock, size, sweeps)))


@given(st.lists(st.booleans(), min_size=1), st.integers(1, 5), st.none() | st.integers(1, 20))
def test_a_group_ends_where_the_clock_waits(
    waits: list[bool], size: int, sweeps: int | None
) -> None:
    made = list(groups(ScriptedClock(waits), size, sweeps))
    count = len(waits) if sweeps is None else min(sweeps, len(waits))
    assert [stamp for group in made for stamp in group or []] == list(range(count))
    for group in made:
        if group is not None:
            assert 1 <= len(group) <= size
            assert not any(waits[stamp] for stamp in group[1:])
    # A pause comes before each timestamp that is waited for, and nowhere before one that is not.
    for before, after in pairwise(made):
        if before is None:
            assert after is not None
            assert waits[after[0]]
        elif after is not None:
            assert not waits[after[0]]


@given(st.integers(1, 50), st.integers(1, 60), st.none() | st.integers(1, 60))
def test_history_comes_in_full_groups(count: int, size: int, sweeps: int | None) -> None:
    wanted = count if sweeps is None else min(count, sweeps)
    clock = HistoryClock(0, count, 1)
    sizes = [len(group) for group in groups(clock, size, sweeps) if group]
    assert sum(sizes) == wanted
    assert all(each == size for each in sizes[:-1])


def test_the_number_of_sweeps_limits_a_clock_that_has_more() -> None:
    assert flat(HistoryClock(0, 100, 1), 7, 10) == list(range(10))


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 50))
def test_live_timestamps_are_alone(count: int, size: int, live_from: int) -> None:
    made = [each for each in groups(HistoryClock(0, count, 1), size, None, live_from) if each]
    assert [stamp for group in made for stamp in group] == list(range(count))
    assert all(len(group) == 1 for group in made if group[-1] >= live_from)
    history = [len(group) for group in made if group[-1] < live_from]
    assert all(each == size for each in history[:-1])
