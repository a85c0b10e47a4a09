"""Schedules of whole runs: history, live sweeps, rates, stalls, and what targets accept."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetstream.api import verify_runs
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.disorder import DUPLICATE, LATE, OUT_OF_ORDER
from fleetstream.generate.moments import MILLISECOND, now
from fleetstream.generate.schema import measure_fields
from fleetstream.run.control import Control
from fleetstream.run.manifest import Manifest, read_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.run.schedule import check_window, planned_timestamps, sweeps_left
from fleetstream.run.sweeps import paced
from fleetstream.targets.sink import Request, TargetUnusable, TimeWindow
from tests.run.memory_target import MemoryTarget
from tests.run.test_runner import VALUES, content, execute, history
from tests.run.thread_pool import ThreadPool
from tests.telemetry import SECOND, TIMESTAMP, generator

FEW = {"seed": 7, "include_region": "eu-central-1"}


def times(memory: MemoryTarget) -> Counter[int]:
    """How many values are stored per timestamp."""
    return Counter(stamp for each in memory.ranges for stamp in each.timestamps.tolist())


def test_history_is_swept_at_the_multiples_of_the_interval(memory: MemoryTarget) -> None:
    spec = make_spec(
        **FEW,
        to="memory:",
        start="2026-11-01T00:00:01Z",
        end="2026-11-01T02:01:00+02:00",
        interval="7s",
    )
    execute(spec)
    first, end = 1_793_491_201, 1_793_491_260
    expected = {stamp * SECOND: VALUES for stamp in range(first, end) if stamp % 7 == 0}
    assert times(memory) == expected


def test_a_live_interval_is_kept(memory: MemoryTarget, tmp_path: Path) -> None:
    spec = make_spec(**FEW, to="memory:", interval="100ms", autostop=6)
    assert execute(spec, tmp_path / "run.json").delivered
    (series,) = read_manifest(tmp_path / "run.json").swept
    assert (series.step, series.count) == (100 * MILLISECOND, 6)
    assert series.first % (100 * MILLISECOND) == 0
    assert list(times(memory)) == list(series.timestamps())


def test_without_an_interval_sweeps_are_at_whole_seconds(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    assert execute(make_spec(**FEW, to="memory:", autostop=2), tmp_path / "run.json").delivered
    assert [stamp % SECOND for stamp in times(memory)] == [0, 0]


def test_live_sweeps_follow_history_without_gap_or_overlap_and_have_its_values(
    memory: MemoryTarget,
) -> None:
    begun = now() // SECOND * SECOND - 5 * SECOND
    spec = make_spec(**FEW, to="memory:", start=begun, interval="500ms", follow=True, autostop=14)
    assert execute(spec).delivered
    assert list(times(memory).items()) == [(begun + i * SECOND // 2, VALUES) for i in range(14)]
    live = set(memory.rows)
    memory.ranges.clear()
    past = make_spec(**FEW, to="memory:", start=begun, end=begun + 7 * SECOND, interval="500ms")
    assert execute(past).delivered
    assert set(memory.rows) == live


def test_a_live_run_that_is_stopped_and_resumed_repeats_no_timestamp(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    from fleetstream.run.runner import resumed_run

    spec = make_spec(**FEW, to="memory:", interval="50ms", autostop=12)
    with new_run(spec, tmp_path / "run.json") as run:
        memory.answer = _after(10, run.control.ask)
        assert run.execute().delivered
    before = read_manifest(tmp_path / "run.json")
    assert not before.finished
    assert 0 < before.sweeps < 12
    with resumed_run(tmp_path / "run.json") as again:
        assert again.execute().delivered
    after = read_manifest(tmp_path / "run.json")
    assert after.finished
    assert after.sweeps == 12
    assert len(set(memory.rows)) == 12 * VALUES
    assert sorted(times(memory)) == list(after.timestamps())


def _after(count: int, action: Callable[[], Any]) -> Callable[[Request], str]:
    """An answer that stores everything, and does something at the ``count``-th request."""
    answered: list[Request] = []

    def answer(request: Request) -> str:
        answered.append(request)
        if len(answered) == count:
            action()
        return "stored"

    return answer


STALL = 1.0


def _stalling(memory: MemoryTarget, count: int) -> None:
    """Let the target answer nobody for a second from its ``count``-th request on."""
    memory.answer = _after(count, lambda: time.sleep(STALL))


def test_a_stall_loses_no_sweep_and_shows_in_the_latencies(memory: MemoryTarget) -> None:
    _stalling(memory, 10)
    spec = make_spec(**FEW, to="memory:", interval="100ms", autostop=14, concurrency=2)
    with new_run(spec) as run:
        assert run.execute().delivered
        latencies = run.ledger.latencies()
    stamps = list(times(memory))
    assert stamps == list(range(stamps[0], stamps[0] + 14 * SECOND // 10, SECOND // 10))
    # Timed from when they were sent, only the two requests in flight would have been slow.
    assert latencies.longest > 0.9 * STALL
    assert latencies.p90 > STALL / 2
    assert latencies.p50 > STALL / 10


@pytest.mark.parametrize("workers", [1, 2])
def test_sweeps_that_could_not_start_in_time_are_skipped_and_counted(
    memory: MemoryTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    pool = ThreadPool() if workers > 1 else None
    monkeypatch.setattr("fleetstream.run.runner.worker_pool", lambda _spec, _sink: (pool, workers))
    # Few requests fit into the queue, so a stall of the target reaches the clock.
    memory.records_per_request = 10
    _stalling(memory, 100)
    options = {"interval": "50ms", "max_lag": "200ms", "autostop": 20, "concurrency": 1}
    result = execute(make_spec(**FEW, to="memory:", **options), tmp_path / "run.json")
    assert result.delivered
    assert result.totals.sweeps == 20
    assert result.totals.skipped > 5
    stamps = sorted(times(memory))
    assert len(stamps) == 20
    assert (stamps[-1] - stamps[0]) // (50 * MILLISECOND) == 19 + result.totals.skipped


@pytest.mark.parametrize("rate", [500, 5_000])
def test_a_rate_limits_values_per_second(rate: int) -> None:
    batches = list(generator(regions=["us-east-2"]).batches([0])) * 10
    began, values = time.monotonic(), 0
    for piece in paced(batches, rate, Control()):
        assert piece is not None
        values += piece.num_rows * len(measure_fields(piece.schema))
        spent = time.monotonic() - began
        assert values <= rate * (spent + 1.01)
        if spent > 1.2:
            break
    assert values >= rate


def test_a_rate_changes_no_value(memory: MemoryTarget) -> None:
    execute(history(9, to="memory:", rate=6_000))
    slow = set(memory.rows)
    memory.ranges.clear()
    execute(history(9, to="memory:"))
    assert set(memory.rows) == slow


def test_a_stop_ends_the_wait_for_the_rate() -> None:
    control = Control()
    batches = list(generator(regions=["us-east-2"]).batches([0]))
    threading.Timer(0.05, control.ask).start()
    assert 0 < len(list(paced(batches, 1, control))) < 3


@pytest.mark.parametrize("model", RecordModel)
def test_a_disordered_run_stores_all_of_it(tmp_path: Path, model: RecordModel) -> None:
    spec = history(
        100,
        to=f"duckdb:{tmp_path / 'fleet.duckdb'}",
        record_model=model,
        late="5%:20s",
        out_of_order="3%",
        duplicate="2%",
    )
    result = execute(spec, tmp_path / "run.json")
    assert verify_runs(tmp_path / "run.json").matches
    disorder = result.totals.disorder
    assert set(disorder) == {LATE, OUT_OF_ORDER, DUPLICATE}
    records = 100 * (VALUES if model is RecordModel.SINGLE else 22)
    assert result.totals.stored.records == records + disorder[DUPLICATE]
    assert result.totals.unchanged == disorder[DUPLICATE]
    assert len(content(tmp_path / "fleet.duckdb")) == records
    for what, share in ((LATE, 0.05), (OUT_OF_ORDER, 0.03), (DUPLICATE, 0.02 * 0.92)):
        assert disorder[what] == pytest.approx(share * records, rel=0.5)


def test_what_is_held_back_is_sent_when_the_run_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    target = f"duckdb:{tmp_path / 'fleet.duckdb'}"
    with new_run(make_spec(**FEW, to=target, interval="50ms", late="20%:1h"), path) as run:
        thread = threading.Thread(target=run.execute)
        thread.start()
        deadline = time.monotonic() + 30
        while run.ledger.totals().sweeps < 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.control.ask()
        thread.join(60)
        assert run.ledger.totals().delivered
        assert run.ledger.totals().disorder[LATE] > 0
    manifest = read_manifest(path)
    assert manifest.sweeps >= 5
    assert len(manifest.unsettled) <= 1
    assert verify_runs(path).matches


def test_a_stop_that_waits_for_the_clock_ends_it(memory: MemoryTarget, tmp_path: Path) -> None:
    with new_run(make_spec(**FEW, to="memory:", interval="1h"), tmp_path / "run.json") as run:
        threading.Timer(0.1, run.control.ask).start()
        result = run.execute()
    assert result.totals.sweeps == 0
    assert result.reason is None


class WindowedSink:
    """What a target says of the timestamps that it accepts."""

    name = "a table"
    window = TimeWindow(TIMESTAMP, TIMESTAMP + 3_600 * SECOND, "It keeps an hour.")


@pytest.mark.parametrize(
    ("start", "end", "option"),
    [
        (0, 3_601, None),
        (0, 3_600, None),
        (-1, 60, "--start"),
        (0, 3_602, "--end"),
        (3_700, 3_800, "--start"),
    ],
)
def test_history_that_the_target_does_not_accept_is_refused(
    start: int, end: int, option: str | None
) -> None:
    spec = history(1, start=TIMESTAMP + start * SECOND, end=TIMESTAMP + end * SECOND)
    manifest = Manifest(spec=spec)
    if option is None:
        check_window(manifest, WindowedSink())  # type: ignore[arg-type]
        return
    with pytest.raises(TargetUnusable, match=f"It keeps an hour. Change {option}"):
        check_window(manifest, WindowedSink())  # type: ignore[arg-type]


def test_sweeps_that_are_left() -> None:
    def left(manifest: Manifest) -> int | None:
        return sweeps_left(manifest)

    assert left(Manifest(spec=make_spec(seed=1))) is None
    assert left(Manifest(spec=make_spec(seed=1, autostop=3))) == 3
    manifest = Manifest(spec=history(10))
    assert left(manifest) == 10
    manifest.settle([TIMESTAMP, TIMESTAMP + 2 * SECOND])
    manifest.unsettled = [TIMESTAMP + SECOND]
    assert left(manifest) == 8
    limited = Manifest(spec=history(10, autostop=4), swept=manifest.swept, unsettled=[])
    assert left(limited) == 2


def test_planned_timestamps_are_those_of_the_run(memory: MemoryTarget) -> None:
    for options in ({}, {"autostop": 4}, {"interval": "3s"}):
        memory.ranges.clear()
        spec = history(11, to="memory:", **options)
        execute(spec)
        assert list(planned_timestamps(spec)) == list(times(memory))
    with pytest.raises(ValueError, match="has no end"):
        planned_timestamps(make_spec(seed=1, interval="1s"))
    assert len(planned_timestamps(make_spec(seed=1, interval="1s"), 5)) == 5
