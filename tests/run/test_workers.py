"""Several workers as one run: what the coordinator knows, and workers that are lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream._version import __version__
from fleetstream.api import verify_runs
from fleetstream.run.clock import groups
from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger
from fleetstream.run.manifest import read_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import RunResult, new_run
from fleetstream.run.workers.coordinator import GONE, MAX_REPLACEMENTS, Coordinator
from fleetstream.run.workers.messages import Assignment, HaltOrder, Message, Status, SweepDone
from fleetstream.run.workers.pool import ProcessPool, WorkerPool
from fleetstream.targets.sink import Request
from tests.run.memory_target import MemoryTarget
from tests.run.test_runner import VALUES, history
from tests.run.thread_pool import ThreadPool, WaitingPool
from tests.telemetry import SECOND, TIMESTAMP


class PausingClock:
    """One timestamp, then a pause that lasts until something has come about."""

    is_ready = False

    def __init__(self, wait: Callable[[float], bool], come: Callable[[], bool]) -> None:
        self._wait = wait
        self._come = come

    def __iter__(self) -> Iterator[int]:
        yield TIMESTAMP
        deadline = time.monotonic() + 60
        while not self._come():
            assert time.monotonic() < deadline, "It did not come about in the pause."
            if self._wait(0.1):
                return


def coordinate(
    come: Callable[[Ledger], bool],
    *,
    version: str = __version__,
    pool: WorkerPool | None = None,
    stop_after: float | None = None,
) -> tuple[Ledger, Control]:
    """Have two workers sweep once, then pause until something has come about."""
    spec = make_spec(seed=7, to="null:", record_model="multi")
    ledger, control = Ledger(), Control(drain_seconds=0.3)
    assignment = Assignment(spec, 2, version=version)
    coordinator = Coordinator(pool or ProcessPool(), assignment, ledger, control)
    clock = PausingClock(coordinator.wait, lambda: come(ledger))
    if stop_after is not None:
        threading.Timer(stop_after, control.ask).start()
    coordinator.run(groups(clock, 1, None), lambda _timestamps: None, None)
    return ledger, control


def test_what_workers_deliver_in_a_pause_is_known_in_the_pause() -> None:
    ledger, control = coordinate(lambda ledger: ledger.totals().stored.records == 2_222)
    assert ledger.totals().delivered
    assert control.reason is None


def test_a_process_that_is_killed_in_a_pause_is_missed_in_the_pause() -> None:
    killed = []

    def kill_one(ledger: Ledger) -> bool:
        if not killed and ledger.totals().stored.records == 2_222:
            children = psutil.Process(os.getpid()).children()
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            workers[0].send_signal(signal.SIGKILL)
            killed.append(workers[0])
        return False

    ledger, control = coordinate(kill_one)
    assert control.reason == GONE
    assert ledger.totals().adds_up


def test_workers_of_another_version_write_nothing() -> None:
    ledger, control = coordinate(lambda _ledger: False, version="0.0.1", pool=ThreadPool())
    assert not ledger.totals().generated.records
    assert f"has fleetstream {__version__}, but the run was started by 0.0.1" in str(control.reason)


def test_a_stop_does_not_wait_for_workers_that_never_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fleetstream.run.workers.coordinator.LEAVE_WITHIN", 0.3)
    pool = WaitingPool()
    ledger, control = coordinate(lambda _ledger: False, pool=pool, stop_after=0.2)
    assert HaltOrder(at_once=False) in pool.told
    assert pool.dismissed == [0, 1]
    assert control.reason == GONE
    assert ledger.totals().adds_up


def shared(
    monkeypatch: pytest.MonkeyPatch, pool: WorkerPool, path: Path, count: int = 2, **options: Any
) -> RunResult:
    """A run that ``count`` workers of a pool share."""
    monkeypatch.setattr("fleetstream.run.runner.worker_pool", lambda _spec, _sink: (pool, count))
    with new_run(history(12, to="memory:", **options), path) as run:
        return run.execute()


@settings(max_examples=15)
@given(lost=st.sets(st.integers(0, 12), max_size=5), count=st.integers(1, 3))
def test_what_lost_workers_had_not_settled_is_written_again(
    lost: set[int], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whichever sweeps they were lost in, everything is stored and accounted for."""
    folder = tmp_path_factory.mktemp("run")
    swept = iter(range(10**6))

    def loses(_number: int, message: Message) -> bool:
        return isinstance(message, SweepDone) and next(swept) in lost

    with pytest.MonkeyPatch.context() as patch:
        # One timestamp per batch.
        patch.setattr("fleetstream.generate.generator.ROWS", 4)
        patch.setattr("fleetstream.generate.generator.HISTORY_VALUES", 1)
        patch.setattr("fleetstream.run.workers.worker.SETTLE_EVERY", 0.0)
        patch.setattr("fleetstream.run.workers.worker.REPORT_EVERY", 0.01)
        memory = MemoryTarget()
        memory.register(patch)
        pool = ThreadPool(loses)
        result = shared(patch, pool, folder / "run.json", count)
    assert result.delivered
    assert result.totals.replaced == len(pool.started) - count
    assert result.totals.sweeps == 12
    assert len(set(memory.rows)) == 12 * VALUES
    manifest = read_manifest(folder / "run.json")
    assert manifest.finished
    assert list(manifest.timestamps()) == [TIMESTAMP + i * SECOND for i in range(12)]


def test_a_run_whose_workers_are_always_lost_ends(
    memory: MemoryTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = ThreadPool(lambda number, _message: number == 0)
    result = shared(monkeypatch, pool, tmp_path / "run.json")
    assert result.reason == GONE
    assert result.totals.adds_up
    assert result.totals.replaced == MAX_REPLACEMENTS
    assert pool.started.count(0) == MAX_REPLACEMENTS + 1
    assert pool.ended
    assert not read_manifest(tmp_path / "run.json").finished


def test_a_pool_that_cannot_replace_workers_ends_the_run(
    memory: MemoryTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pool = ThreadPool(lambda number, message: number == 1, replaces=False)
    result = shared(monkeypatch, pool, tmp_path / "run.json")
    assert result.reason == GONE
    assert result.totals.adds_up
    assert pool.started == [0, 1]


def test_what_a_lost_worker_could_not_deliver_is_in_the_result(
    memory: MemoryTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fleetstream.generate.generator.HISTORY_VALUES", 1)
    monkeypatch.setattr("fleetstream.run.workers.worker.SETTLE_EVERY", 0.0)
    monkeypatch.setattr("fleetstream.run.workers.worker.REPORT_EVERY", 0.01)
    memory.answer = lambda _request: "rejected"
    named: list[Path] = []

    def loses(number: int, message: Message) -> bool:
        """Whether it is the second message of the first worker that names files."""
        files = message.kept.files if isinstance(message, Status) and message.kept else []
        if number != 0 or not files:
            return False
        named.extend(files if not named else [])
        return pool.started.count(0) == 1 and files != named

    pool = ThreadPool(loses)
    options = {"undelivered": str(tmp_path / "kept"), "rate": 20 * VALUES}
    result = shared(monkeypatch, pool, tmp_path / "run.json", **options)
    assert result.totals.replaced == 1
    assert set(named) < set(result.kept.files)
    # What it wrote last is not known, but its records are written again.
    assert set(result.kept.files) <= set((tmp_path / "kept").glob("*.parquet"))
    assert result.totals.adds_up
    assert result.totals.rejected.records > 0


def test_a_shared_run_pauses_and_stops(
    memory: MemoryTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fleetstream.generate.generator.HISTORY_VALUES", 1)
    pool = ThreadPool()
    monkeypatch.setattr("fleetstream.run.runner.worker_pool", lambda _spec, _sink: (pool, 2))
    with new_run(history(10_000, to="memory:"), tmp_path / "run.json") as run:
        paused = threading.Event()

        def pause(_request: Request) -> str:
            if not paused.is_set():
                run.control.pause()
                paused.set()
            return "stored"

        memory.answer = pause
        results: list[RunResult] = []
        thread = threading.Thread(target=lambda: results.append(run.execute()))
        thread.start()
        assert paused.wait(30)
        thread.join(0.6)
        sweeps = run.ledger.totals().sweeps
        thread.join(0.3)
        assert thread.is_alive()
        assert run.ledger.totals().sweeps == sweeps
        run.control.resume()
        deadline = time.monotonic() + 30
        while run.ledger.totals().sweeps == sweeps:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.control.ask()
        thread.join(60)
    assert results[0].delivered
    assert results[0].reason is None
    assert len(set(memory.rows)) == results[0].totals.stored.values


@pytest.mark.parametrize("disorder", [{}, {"late": "20%:5s", "duplicate": "5%"}])
def test_processes_write_what_one_process_writes(tmp_path: Path, disorder: dict[str, str]) -> None:
    found = []
    for processes in (1, 2):
        spec = history(
            20, to=f"parquet:{tmp_path / str(processes)}", processes=processes, **disorder
        )
        path = tmp_path / f"{processes}.json"
        with new_run(spec, path) as run:
            result = run.execute()
        assert result.delivered
        assert verify_runs(path).matches
        found.append((result.totals.stored, result.totals.sweeps, result.totals.disorder))
    assert found[0] == found[1]
    assert found[0][1] == 20


def test_a_target_of_one_process_is_not_shared(tmp_path: Path) -> None:
    spec = history(1, to=f"duckdb:{tmp_path / 'fleet.duckdb'}", processes=2)
    with pytest.raises(ValueError, match="can be written by one process only"):
        new_run(spec, tmp_path / "run.json")
    each_core = history(1, to=f"duckdb:{tmp_path / 'fleet.duckdb'}", processes=0)
    with new_run(each_core, tmp_path / "run.json") as run:
        assert run.execute().delivered
