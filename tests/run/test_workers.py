"""Several processes as one run: what their parent knows, and when."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from fleetstream.fleet import Fleet
from fleetstream.run.workers.orders import Halt, Message, Order
from fleetstream.workload import Workload

from fleetstream._version import __version__
from fleetstream.generate.choices import RecordModel
from fleetstream.run.ledger import Ledger
from fleetstream.run.manifest import describe
from fleetstream.run.pipeline import Stop
from fleetstream.run.workers import GONE, Assignment, Crew, ProcessCrew, Workers
from fleetstream.targets.registry import TargetOptions


class PausingClock:
    """One timestamp, then a pause that lasts until something has come about."""

    due = False

    def __init__(self, wait: Callable[[float], bool], come: Callable[[], bool]) -> None:
        self._wait = wait
        self._come = come

    def __iter__(self) -> Iterator[int]:
        yield 1_000_000
        deadline = time.monotonic() + 60
        while not self._come():
            assert time.monotonic() < deadline, "It did not come about in the pause."
            if self._wait(0.1):
                return


def run(
    folder: Path,
    come: Callable[[Ledger], bool],
    *,
    version: str = __version__,
    crew: Crew | None = None,
    stop_after: float | None = None,
) -> tuple[Ledger, Stop]:
    manifest = describe(Workload(Fleet(1), 7), TargetOptions(to="null:"), RecordModel.MULTI, 0)
    ledger, stop = Ledger(), Stop()
    workers = Workers(crew or ProcessCrew(), 2, ledger, stop)
    clock = PausingClock(workers.wait, lambda: come(ledger))
    assignment = Assignment(manifest, 2, 1, 300.0, folder, version=version)
    if stop_after is not None:
        threading.Timer(stop_after, stop.ask).start()
    workers.run(assignment, clock, lambda _timestamp: None)
    return ledger, stop


def test_what_workers_deliver_in_a_pause_is_known_in_the_pause(tmp_path: Path) -> None:
    ledger, stop = run(tmp_path, lambda ledger: ledger.totals().stored.records == 2_222)
    assert ledger.totals().delivered
    assert not stop.reason


def test_a_worker_that_is_gone_is_missed_in_the_pause(tmp_path: Path) -> None:
    killed = []

    def kill_one(ledger: Ledger) -> bool:
        if not killed and ledger.totals().stored.records == 2_222:
            children = psutil.Process(os.getpid()).children()
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            workers[0].send_signal(signal.SIGKILL)
            killed.append(workers[0])
        return False

    ledger, stop = run(tmp_path, kill_one)
    assert stop.reason == GONE
    assert ledger.totals().adds_up


def test_workers_of_another_version_write_nothing(tmp_path: Path) -> None:
    ledger, stop = run(tmp_path, lambda _ledger: False, version="0.0.1")
    assert not ledger.totals().generated.records
    assert f"has fleetstream {__version__}, but the run was started by 0.0.1" in (stop.reason or "")


class WaitingCrew:
    """Workers that wait for a place in a cluster, and so say nothing."""

    replaces = True

    def __init__(self) -> None:
        self.told: list[Order] = []
        self.dismissed: list[int] = []

    def open(self, count: int) -> None:
        """There seemed to be places."""

    def start(self, number: int, assignment: Assignment) -> None:
        """Starts when there is a place, which is never."""

    def tell(self, number: int, order: Order) -> None:
        self.told.append(order)

    def listen(self, seconds: float) -> Iterator[tuple[int, Message | None]]:
        time.sleep(seconds)
        yield from ()

    def dismiss(self, number: int) -> None:
        self.dismissed.append(number)

    def end(self, *, patiently: bool) -> None:
        assert patiently


def test_a_stop_does_not_wait_for_workers_that_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetstream.run.workers.DRAIN_SECONDS", 0.5)
    monkeypatch.setattr("fleetstream.run.workers.LEAVE_WITHIN", 0.5)
    crew = WaitingCrew()
    ledger, stop = run(tmp_path, lambda _ledger: False, crew=crew, stop_after=0.5)
    assert Halt(at_once=False) in crew.told
    assert crew.dismissed == [0, 1]
    assert stop.reason == GONE
    assert ledger.totals().adds_up
