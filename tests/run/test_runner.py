"""Runs as a whole: progress, stops, pauses, resumption, and memory."""

import gc
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.api import verify_runs
from fleetstream.generate.choices import RecordModel
from fleetstream.run.control import Control
from fleetstream.run.ledger import Totals
from fleetstream.run.manifest import Manifest, read_manifest, write_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import RunResult, new_run, resumed_run
from fleetstream.run.spec import RunSpec
from fleetstream.targets.sink import Delivery, Request
from tests.run.memory_target import MemoryTarget
from tests.telemetry import SECOND, TIMESTAMP

VALUES = 260
"""Values per sweep of the smallest region."""

Row = tuple[object, ...]


def history(sweeps: int, **options: Any) -> RunSpec:
    end = TIMESTAMP + sweeps * SECOND
    few = {"seed": 7, "include_region": "eu-central-1", "interval": "1s"}
    return make_spec(**{**few, "start": TIMESTAMP, "end": end, **options})


def execute(
    spec: RunSpec, path: Path | None = None, progress: Callable[[Totals], Any] | None = None
) -> RunResult:
    with new_run(spec, path) as run:
        return run.execute(progress)


def content(path: Path) -> list[Row]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute("FROM telemetry ORDER BY ALL").fetchall()


@contextmanager
def many_requests() -> Iterator[pytest.MonkeyPatch]:
    """Batches of a few timestamps, a request per batch, and a manifest per batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fleetstream.generate.generator.HISTORY_VALUES", 4 * VALUES)
        patch.setattr(
            "fleetstream.targets.duckdb.sink.VALUES_PER_INSERT", dict.fromkeys(RecordModel, 1)
        )
        patch.setattr("fleetstream.run.journal.SETTLE_EVERY", 0.0)
        yield patch


SWEEPS = 12


@cache
def uninterrupted(model: RecordModel) -> list[Row]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whole.duckdb"
        result = execute(history(SWEEPS, to=f"duckdb:{path}", record_model=model))
        assert result.delivered
        return content(path)


class Killed:
    """Records each state of a manifest, and stops a run at its ``stop_at``-th request.

    A kill at any earlier moment would have left one of these states, and a target with at least
    the records that the state calls settled.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int) -> None:
        self.states: list[bytes] = []
        self.control = Control()
        self._stop_at = stop_at
        self._requests = 0
        monkeypatch.setattr("fleetstream.run.journal.write_manifest", self._write)

    def count(self, send: Callable[[Request], Delivery], request: Request) -> Delivery:
        self._requests += 1
        delivery = send(request)
        if self._requests == self._stop_at:
            self.control.ask()
            self.control.ask()
        return delivery

    def _write(self, path: Path, manifest: Manifest) -> None:
        write_manifest(path, manifest)
        if not self.control.gently.is_set():
            self.states.append(path.read_bytes())


DISORDERS: list[dict[str, str]] = [
    {},
    {"late": "20%:5s", "out_of_order": "10%", "duplicate": "5%"},
    {"late": "50%:1h"},
]


@settings(max_examples=6)
@given(
    model=st.sampled_from(RecordModel),
    stop_at=st.integers(1, 12),
    place=st.integers(0, 10**6),
    disorder=st.sampled_from(DISORDERS),
)
def test_a_run_killed_anywhere_and_resumed_stores_what_an_uninterrupted_one_does(
    model: RecordModel, stop_at: int, place: int, disorder: dict[str, str]
) -> None:
    with TemporaryDirectory() as name, many_requests() as patch:
        folder = Path(name)
        spec = history(
            SWEEPS,
            to=f"duckdb:{folder / 'fleet.duckdb'}",
            record_model=model,
            undelivered=str(folder / "kept"),
            **disorder,
        )
        killed = Killed(patch, stop_at)
        with new_run(spec, folder / "run.json") as run:
            killed.control = run.control
            send = run.sink.send
            patch.setattr(run.sink, "send", lambda request: killed.count(send, request))
            run.execute()
        (folder / "run.json").write_bytes(killed.states[place % len(killed.states)])
        assert verify_runs(folder / "run.json").matches
        with resumed_run(folder / "run.json") as again:
            result = again.execute()
        assert result.delivered
        assert content(folder / "fleet.duckdb") == uninterrupted(model)
        manifest = read_manifest(folder / "run.json")
        assert manifest.finished
        assert list(manifest.timestamps()) == [TIMESTAMP + i * SECOND for i in range(SWEEPS)]
        findings = verify_runs(folder / "run.json")
        assert findings.matches
        assert findings.partial == 0


@settings(max_examples=10)
@given(stop_at=st.integers(1, 8), autostop=st.integers(1, SWEEPS))
def test_a_run_stopped_gently_continues_until_its_number_of_sweeps(
    stop_at: int, autostop: int
) -> None:
    with TemporaryDirectory() as name, many_requests() as patch:
        folder = Path(name)
        spec = history(SWEEPS, to=f"duckdb:{folder / 'fleet.duckdb'}", autostop=autostop)
        with new_run(spec, folder / "run.json") as run:
            send, sent = run.sink.send, []

            def counted(request: Request) -> Delivery:
                sent.append(request)
                if len(sent) == stop_at:
                    run.control.ask()
                return send(request)

            patch.setattr(run.sink, "send", counted)
            result = run.execute()
        assert result.delivered
        manifest = read_manifest(folder / "run.json")
        assert manifest.finished == (manifest.sweeps == autostop)
        with resumed_run(folder / "run.json") as again:
            again.execute()
        manifest = read_manifest(folder / "run.json")
        assert manifest.finished
        assert list(manifest.timestamps()) == [TIMESTAMP + i * SECOND for i in range(autostop)]
        assert len(content(folder / "fleet.duckdb")) == autostop * VALUES


def test_a_resumed_run_takes_options_that_change_no_data(tmp_path: Path) -> None:
    execute(history(2, to=f"duckdb:{tmp_path / 'fleet.duckdb'}"), tmp_path / "run.json")
    with resumed_run(tmp_path / "run.json", rate="5", concurrency=3) as run:
        assert (run.spec.rate, run.spec.concurrency) == (5, 3)
    with pytest.raises(ValueError, match="--interval cannot be given with --resume"):
        resumed_run(tmp_path / "run.json", interval="5s")
    with pytest.raises(ValueError, match="0 is too low"):
        resumed_run(tmp_path / "run.json", concurrency="0")
    with pytest.raises(TypeError, match="no option 'pace'"):
        resumed_run(tmp_path / "run.json", pace=1)


def test_a_finished_run_that_is_resumed_does_nothing(tmp_path: Path) -> None:
    execute(history(2, to=f"duckdb:{tmp_path / 'fleet.duckdb'}"), tmp_path / "run.json")
    before = (tmp_path / "run.json").read_bytes()
    with resumed_run(tmp_path / "run.json") as run:
        assert run.sweeps == 0
        assert run.execute().totals == Totals()
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_run_stopped_after_its_last_sweep_is_finished(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    with new_run(history(3, to="memory:"), tmp_path / "run.json") as run:

        def stop_in_the_end(_request: Request) -> str:
            if run.ledger.totals().sweeps == 3 and not run.control.gently.is_set():
                run.control.ask()
            return "stored"

        memory.answer, memory.records_per_request = stop_in_the_end, 20
        memory.seconds = 0.01
        assert run.execute().delivered
        assert run.control.gently.is_set()
    assert read_manifest(tmp_path / "run.json").finished


def test_a_new_run_does_not_replace_a_manifest_that_is_needed(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    with new_run(history(30, to="memory:"), path) as run:
        memory.answer = lambda _request: run.control.ask() or "stored"
        memory.seconds = 0.01
        run.execute()
    assert not read_manifest(path).finished
    before = path.read_bytes()
    with pytest.raises(ValueError, match="continue that run with --resume"):
        new_run(history(30, to="memory:"), path)
    assert path.read_bytes() == before


def test_a_manifest_that_cannot_be_written_is_reported_until_it_can(
    memory: MemoryTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gone" / "run.json"
    result = execute(make_spec(seed=7, autostop=1, to="memory:"), path)
    assert result.delivered
    assert result.manifest_failure == f"{path}: No such file or directory"
    memory.answer = lambda _request: path.parent.mkdir(exist_ok=True) or "stored"
    again = execute(make_spec(seed=7, autostop=1, to="memory:"), path)
    assert again.manifest_failure is None
    assert read_manifest(path).finished


def test_the_manifest_has_the_totals_of_its_run(memory: MemoryTarget, tmp_path: Path) -> None:
    memory.answer = lambda _request: "rejected"
    spec = history(3, to="memory:", undelivered=str(tmp_path / "kept"))
    result = execute(spec, tmp_path / "run.json")
    ledger = json.loads((tmp_path / "run.json").read_bytes())["ledger"]
    assert ledger["adds_up"]
    assert ledger["sweeps"] == 3
    for name in ("generated", "stored", "rejected", "undelivered"):
        assert ledger[name]["records"] == getattr(result.totals, name).records
    assert ledger["rejections"] == {"unwanted": result.totals.rejected.records}
    assert not result.delivered
    assert len(result.kept.files) == 2


def test_the_history_of_a_small_fleet_shows_its_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetstream.run.runner.PROGRESS_SECONDS", 0.005)
    stored: list[int] = []
    target = f"duckdb:{tmp_path / 'fleet.duckdb'}"
    spec = history(5_000, to=target, record_model="multi")
    path = tmp_path / "run.json"
    result = execute(spec, path, lambda totals: stored.append(totals.stored.values))
    assert result.delivered
    assert stored == sorted(stored)
    assert stored[-1] == 5_000 * VALUES
    assert len(set(stored) - {0}) >= 3
    largest = max(after - before for before, after in pairwise(stored))
    assert largest <= 5_000 * VALUES * 0.6


def test_a_paused_run_delivers_what_is_in_flight_and_waits(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    paused = threading.Event()

    with new_run(history(5, to="memory:", rate=5 * VALUES), tmp_path / "run.json") as run:

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
        _wait_until(lambda: run.ledger.totals().adds_up)
        before = run.ledger.totals()
        thread.join(0.3)
        assert thread.is_alive()
        assert run.control.is_paused
        assert run.ledger.totals().generated == before.generated
        run.control.resume()
        thread.join(60)
    assert results[0].delivered
    assert len(set(memory.rows)) == len(memory.rows) == 5 * VALUES


def test_a_paused_run_can_be_stopped(memory: MemoryTarget, tmp_path: Path) -> None:
    with new_run(make_spec(seed=7, to="memory:"), tmp_path / "run.json") as run:
        run.control.pause()
        threading.Timer(0.1, run.control.ask).start()
        assert run.execute().totals.adds_up
        assert not run.control.is_paused
    assert not memory.rows


def test_records_that_a_sink_keeps_are_sent_when_the_run_is_paused(tmp_path: Path) -> None:
    spec = history(5, to=f"duckdb:{tmp_path / 'fleet.duckdb'}", rate=VALUES)
    with new_run(spec, tmp_path / "run.json") as run:
        prepare = run.sink.prepare

        def paused(batch: pa.RecordBatch) -> Any:
            run.control.pause()
            return prepare(batch)

        run.sink.prepare = paused  # type: ignore[method-assign]
        thread = threading.Thread(target=run.execute)
        thread.start()
        _wait_until(lambda: run.ledger.totals().stored.values > 0)
        assert run.control.is_paused
        run.control.ask()
        thread.join(60)
    assert not thread.is_alive()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_that_cannot_be_stopped_in_time_keeps_its_records(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    spec = history(5, to="memory:", undelivered=str(tmp_path / "kept"))
    with new_run(spec, tmp_path / "run.json") as run:
        run.control.drain_seconds = 0.3

        def fail(_request: Request) -> str:
            if not run.control.gently.is_set():
                run.control.ask()
            return "unavailable"

        memory.answer = fail
        result = run.execute()
    assert result.reason == "not delivered within 0.3 s of the stop"
    assert result.totals.adds_up
    assert result.totals.undelivered.records == result.totals.generated.records > 0
    assert sum(pq.read_metadata(path).num_rows for path in result.kept.files) > 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte kept per sweep would be seen: the longer run has 400 sweeps more."""
    monkeypatch.setattr("fleetstream.generate.generator.HISTORY_VALUES", 1)
    monkeypatch.setattr("fleetstream.run.journal.SETTLE_EVERY", 0.05)
    used = [_memory_after(sweeps, tmp_path) for sweeps in (50, 100, 500)]
    assert used[2] - used[1] < 100_000


def _memory_after(sweeps: int, folder: Path) -> int:
    """Bytes in use at the end of a run, before it is closed, more than before it."""
    gc.collect()
    tracemalloc.start()
    try:
        with new_run(history(sweeps, to="null:"), folder / f"{sweeps}.json") as run:
            result = run.execute()
            assert result.totals.stored.values == sweeps * VALUES
            gc.collect()
            return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()
    finally:
        tracemalloc.stop()
