"""Lost connections: what is measured meanwhile arrives once, when the connection is there again."""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import Disorder, Lateness
from fleetstream.generate.disorder import BUFFERED, LATE, DisorderedBatches
from fleetstream.generate.ends import BatchesWithEnds
from fleetstream.generate.generator import Generator
from fleetstream.generate.keys import mix
from fleetstream.generate.lost_connections import LostConnections
from fleetstream.generate.records import timestamps_of
from fleetstream.generate.schema import dimension_names, kind_of
from fleetstream.model import Model
from fleetstream.model.connectivity import Connectivity
from tests.generate.living import LIFE, START, content
from tests.telemetry import SECOND

MINUTE = 60 * SECOND

LAWS = st.one_of(
    st.builds(
        lambda low, more: {"law": "uniform", "low": low, "high": low + more},
        st.floats(0, 600),
        st.floats(1, 600),
    ),
    st.builds(lambda mean: {"law": "exponential", "mean": mean}, st.floats(1, 2_000)),
)

OFTEN = {"every": "40m", "lasts": {"law": "exponential", "mean": 200}}

Row = tuple[Any, ...]
"""Kind, dimensions, time in microseconds, and all values."""


def connectivity(**fields: Any) -> Connectivity:
    return msgspec.convert(fields, Connectivity)


def generator(seed: int = 7, **arguments: Any) -> Generator:
    """Slots with all that a life cycle can have, which lose their connection every 40 minutes."""
    described = content(**LIFE)
    described["levels"][1]["connectivity"] = OFTEN
    return Generator(msgspec.convert(described, Model), seed, step=MINUTE, **arguments)


def rows(batch: pa.RecordBatch) -> list[Row]:
    names = dimension_names(batch.schema)
    columns = [each.to_pylist() for each in batch.columns]
    dimensions = zip(*columns[: len(names)], strict=True)
    values = zip(*columns[len(names) + 1 :], strict=True)
    times = timestamps_of(batch).tolist()
    kind = kind_of(batch.schema)
    return [(kind, *each) for each in zip(dimensions, times, values, strict=True)]


def came(source: DisorderedBatches, times: list[int], cuts: set[int]) -> list[tuple[int, Row]]:
    """The rows in the order in which they came, each with the last sweep of its group."""
    found: list[tuple[int, Row]] = []
    chunks = source._generator.chunks
    for first, last in pairwise([0, *sorted(cuts), len(times)]):
        for batch in source.batches(times[first:last], chunks):
            found += [(times[last - 1], row) for row in rows(batch)]
    return found


def arrivals(made: Generator, times: list[int]) -> dict[Row, int]:
    """When each row arrives."""
    found: dict[Row, int] = {}
    for chunk in made.chunks:
        for batch, instances in made.measured(chunk, made.due(chunk.kind, times)):
            cells = made.arrivals(chunk, instances)
            at = instances.times if cells is None else instances.flat(cells)
            found |= dict(zip(rows(batch), at.tolist(), strict=True))
    return found


@settings(max_examples=30)
@given(
    law=LAWS,
    longest=st.sampled_from(["2m", "9m"]),
    seconds=st.integers(-(10**9), 4 * 10**9),
    seed=st.integers(0, 2**32),
)
def test_a_connection_is_lost_until_everything_arrives(
    law: dict[str, Any], longest: str, seconds: int, seed: int
) -> None:
    """What is measured between a measurement and its arrival arrives at the same time."""
    keys = mix(np.arange(200, dtype=np.uint64) + np.uint64(seed))
    lost = LostConnections(connectivity(every="40m", lasts=law, longest=longest), keys)
    places = np.arange(200)
    times = np.full(200, seconds * SECOND)
    until = lost.arrivals(times, places)
    assert (until >= times).all()
    assert (until - times <= lost.connectivity.longest_us).all()
    assert (lost.arrivals(until, places) == until).all()
    for share in (0.0, 0.25, 0.5, 0.999):
        between = times + ((until - times) * share).astype(np.int64)
        assert (lost.arrivals(between, places) == until).all()
    grid = lost.arrivals(np.array([[seconds], [seconds + 60]]) * SECOND, places)
    assert (grid[0] == until).all()


def test_delays_are_those_of_the_law() -> None:
    """Of durations D, one every T: late is the share E(D)/T, by E(D²)/2E(D) on average."""
    lost = LostConnections(
        connectivity(every="1h", lasts={"law": "uniform", "low": 120, "high": 480}, longest="10m"),
        mix(np.arange(20_000, dtype=np.uint64)),
    )
    times = np.arange(100)[:, np.newaxis] * 909 * SECOND  # spread evenly over cells of 900 s
    delays = (lost.arrivals(times, np.arange(20_000)) - times) / SECOND
    mean, square = 300, (480**3 - 120**3) / 3 / 360
    assert lost.connectivity.share == pytest.approx(mean / 3_600, rel=1e-3)
    assert (delays > 0).mean() == pytest.approx(mean / 3_600, rel=0.01)
    assert delays[delays > 0].mean() == pytest.approx(square / 2 / mean, rel=0.01)
    assert delays.max() <= 480


def test_durations_are_limited() -> None:
    """An exponential law of mean m, up to c: the mean is m (1 − exp(−c/m))."""
    limited = connectivity(every="4h", lasts={"law": "exponential", "mean": 600}, longest="10m")
    assert limited.share == pytest.approx(600 * (1 - np.exp(-1)) / (4 * 3_600), rel=1e-3)
    assert limited.durations(np.array([1 - 2**-40])) == 600 * SECOND


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(1, 44)), late=st.booleans())
def test_everything_arrives_once_and_in_its_sweep(seed: int, cuts: set[int], late: bool) -> None:
    """However the timestamps are grouped, as in history or one by one as live."""
    made = generator(seed)
    times = [START + place * MINUTE for place in range(45)]
    disorder = Disorder(late=Lateness(20, 5 * MINUTE) if late else None)
    source = DisorderedBatches(made, disorder)
    found = came(source, times, cuts)
    rest = [row for batch in source.rest() for row in rows(batch)]
    whole = arrivals(made, times)
    assert len(found) + len(rest) == len(whole)
    assert {row for _, row in found} | set(rest) == set(whole)
    held = {row for row, at in whole.items() if at > times[-1]}
    assert held <= set(rest)
    if not late:
        assert held == set(rest)
        edges = [times[each - 1] for each in [*sorted(cuts), len(times)]]
        for sweep, row in found:
            assert sweep == next(each for each in edges if each >= whole[row])


def test_measurements_of_a_series_stay_in_order() -> None:
    """And those of other series do not wait for them."""
    made = generator()
    times = [START + place * MINUTE for place in range(90)]
    for cuts in (set(range(1, 90)), {30, 60}, set[int]()):
        source = DisorderedBatches(made, Disorder())
        order = [row for _, row in came(source, times, cuts)]
        order += [row for batch in source.rest() for row in rows(batch)]
        latest: dict[Row, int] = {}
        for kind, series, time, _ in order:
            assert latest.get((kind, series), -1) < time
            latest[kind, series] = time
        tasks = [time for kind, _, time, _ in order if kind == "task"]
        assert tasks != sorted(tasks)


def test_a_group_of_sweeps_arrives_as_they_would_one_by_one() -> None:
    made = generator()
    chunks = [chunk for chunk in made.chunks if chunk.kind == "task"]
    times = [START + place * MINUTE for place in range(60)]
    one_by_one = DisorderedBatches(made, Disorder())
    live = [
        row for time in times for each in one_by_one.batches([time], chunks) for row in rows(each)
    ]
    together = DisorderedBatches(made, Disorder()).batches(times, chunks)
    history = [row for each in together for row in rows(each)]
    assert history == live


def test_what_has_arrived_later_is_counted_and_held_until_then() -> None:
    made = generator()
    counts: dict[str, int] = {}
    held: list[Row] = []

    def count(what: str, batch: pa.RecordBatch) -> None:
        counts[what] = counts.get(what, 0) + batch.num_rows

    def release(batch: pa.RecordBatch) -> None:
        for row in rows(batch):
            held.remove(row)

    source = DisorderedBatches(
        made,
        Disorder(late=Lateness(10, MINUTE)),
        held=lambda batch: held.extend(rows(batch)),
        released=release,
        counted=count,
    )
    times = [START + place * MINUTE for place in range(30)]
    whole = arrivals(made, times)
    came(source, times, set(range(1, 30)))
    assert len(held) >= sum(at > times[-1] for at in whole.values())
    assert held
    list(source.rest())
    assert not held
    buffered = sum(at > row[2] for row, at in whole.items())
    assert counts[LATE] == pytest.approx(0.1 * len(whole), rel=0.3)
    assert counts[BUFFERED] == pytest.approx(0.9 * buffered, rel=0.2)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(1, 44)))
def test_ends_come_after_what_was_measured_before(seed: int, cuts: set[int]) -> None:
    """Where a target has to be told that a series has ended, also when it had no connection."""
    made = generator(seed)
    times = [START + place * MINUTE for place in range(45)]
    source = DisorderedBatches(made, Disorder(), marks_ends=True)
    order = [row for _, row in came(source, times, cuts)]
    order += [row for batch in source.rest() for row in rows(batch)]
    plain = BatchesWithEnds(made).batches(times, made.chunks)
    assert sorted(order, key=repr) == sorted(
        (row for each in plain for row in rows(each)), key=repr
    )
    latest: dict[Row, int] = {}
    for kind, series, time, _ in order:
        assert latest.get((kind, series), -1) < time
        latest[kind, series] = time


def test_series_can_always_be_connected() -> None:
    made = generator(always_connected=True)
    assert not made.loses_connections
    assert generator().loses_connections
    times = [START + place * MINUTE for place in range(3)]
    assert all(at == row[2] for row, at in arrivals(made, times).items())
    assert arrivals(made, times).keys() == arrivals(generator(), times).keys()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"longest": "10m"}, "up to 10m, but longest must be less than a quarter of every, 40m"),
        ({"every": "3ms"}, "every is 3ms, but must be at least 8ms"),
        ({"lasts": {"law": "normal", "mean": -9, "sd": 0}}, "lost for no time at all"),
    ],
)
def test_what_is_no_connectivity_gets_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        connectivity(**{**OFTEN, **changes})


def test_a_line_of_levels_has_one_connectivity() -> None:
    described = content(**LIFE)
    described["levels"][0]["connectivity"] = described["levels"][1]["connectivity"] = OFTEN
    with pytest.raises(ValueError, match="at 'slot' have more than one connectivity"):
        msgspec.convert(described, Model)
