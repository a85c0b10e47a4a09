"""Workers: one run spread over several processes.

The parent owns the clock, the ledger and the stop. Each worker generates every N-th block and has a
pipeline and connections of its own. The parent gives out one timestamp at a time, when all workers
have generated the one before; delivery goes on meanwhile. Workers report what their ledgers know a
few times a second, and the parent's ledger adds it up.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fleetstream.clock import Clock
from fleetstream.disorder import Disordered
from fleetstream.ledger import Ledger, Report
from fleetstream.pipeline import Pipeline, Stop, Sweeps
from fleetstream.rate import limited
from fleetstream.recovery.journal import SETTLE_EVERY, Recorder
from fleetstream.recovery.manifest import Manifest
from fleetstream.recovery.outstanding import Standing
from fleetstream.recovery.undelivered import Losses, UndeliveredStore
from fleetstream.sinks import Sink
from fleetstream.sinks.targets import open_sink

REPORT_EVERY = 0.25
"""Seconds between two reports of a worker."""

LEAVE_WITHIN = 5.0
"""Seconds that a worker has to say its last word once the run is stopped at once."""

_GLANCE = 0.1
"""Seconds between two looks at whether to stop, while waiting for workers."""


GONE = "a worker process ended unexpectedly"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every worker needs to know; it travels to other processes."""

    manifest: Manifest
    concurrency: int
    give_up_after: float
    undelivered: Path
    rate: float = 0.0
    timed_from: int | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """To a worker: sweep at this timestamp."""

    timestamp: int


@dataclass(frozen=True, slots=True)
class Pause:
    """To a worker: the clock makes a pause; send what is kept."""


@dataclass(frozen=True, slots=True)
class End:
    """To a worker: there are no more timestamps."""


@dataclass(frozen=True, slots=True)
class Halt:
    """To a worker: stop, gently or at once."""

    at_once: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """From a worker: its part of the sweep is generated."""


@dataclass(frozen=True, slots=True)
class News:
    """From a worker: what its ledger knows.

    Now and then also how far it has come (``standing``); once, what went wrong (``failure``); and
    as its last word what it could not deliver (``losses``).
    """

    report: Report
    standing: Standing | None = None
    failure: str | None = None
    losses: Losses | None = None


class Workers:
    """Runs an assignment in ``count`` processes; does for a run what a pipeline does in one.

    ``sweeps`` ends the run after so many, 0 never. ``standings`` and ``losses`` have one entry a
    worker.
    """

    def __init__(
        self,
        assignment: Assignment,
        count: int,
        clock: Clock,
        ledger: Ledger,
        stop: Stop,
        *,
        sweeps: int = 0,
    ) -> None:
        self.standings = [Standing() for _ in range(count)]
        self.losses = [Losses() for _ in range(count)]
        self._assignment = assignment
        self._clock = clock
        self._ledger = ledger
        self._stop = stop
        self._sweeps = sweeps or None
        self._connections: dict[Connection, int] = {}
        self._sweeping: set[Connection] = set()
        self._halted: Halt | None = None
        self._left_at = 0.0

    def run(self, begin: Callable[[int], None]) -> None:
        """Sweep until the clock ends or the run is stopped, and until all workers are done.

        ``begin`` is called with the timestamp before each sweep.
        """
        workers = self._start()
        try:
            self._sweep_all(begin)
            self._tell(End())
            while self._connections:
                self._listen()
        finally:
            for worker in workers:
                worker.join(0 if self._connections else LEAVE_WITHIN)
                worker.kill()

    def _start(self) -> list[BaseProcess]:
        """Start the workers, each with a connection to it."""
        context = multiprocessing.get_context("spawn")
        count = len(self.standings)
        workers: list[BaseProcess] = []
        for number in range(count):
            ours, theirs = context.Pipe()
            worker = context.Process(
                target=_work, args=(theirs, self._assignment, number, count), daemon=True
            )
            worker.start()
            theirs.close()
            workers.append(worker)
            self._connections[ours] = number
        return workers

    def _sweep_all(self, begin: Callable[[int], None]) -> None:
        for timestamp in islice(self._clock, self._sweeps):
            begin(timestamp)
            self._sweeping = set(self._connections)
            self._tell(Sweep(timestamp))
            while self._sweeping:
                self._listen()
            if self._stop.gently.is_set():
                return
            self._ledger.swept(timestamp)
            if not self._clock.due:
                self._tell(Pause())

    def _tell(self, order: Sweep | Pause | End | Halt) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.send(order)

    def _listen(self) -> None:
        """Read what workers say, for a moment at most; pass a stop on to them."""
        for connection in wait(list(self._connections), _GLANCE):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._lose(connection)
            else:
                self._hear(connection, message)
        at_once = self._stop.at_once.is_set()
        if self._stop.gently.is_set() and self._halted != Halt(at_once):
            self._halted = Halt(at_once)
            self._tell(self._halted)
            self._sweeping.clear()
            self._left_at = time.monotonic()
        if at_once and time.monotonic() - self._left_at > LEAVE_WITHIN:
            for connection in list(self._connections):
                self._lose(connection)

    def _hear(self, connection: Connection, message: Swept | News) -> None:
        if isinstance(message, Swept):
            self._sweeping.discard(connection)
            return
        number = self._connections[connection]
        self._ledger.absorb(number, message.report)
        if message.standing:
            self.standings[number] = message.standing
        if message.failure:
            self._stop.fail(message.failure)
        if message.losses is not None:
            self.losses[number] = message.losses
            self._dismiss(connection)

    def _lose(self, connection: Connection) -> None:
        """A worker is gone without a last word: what it had in flight is given up."""
        self._stop.fail(GONE)
        self._ledger.write_off(self._connections[connection], GONE)
        self._dismiss(connection)

    def _dismiss(self, connection: Connection) -> None:
        self._sweeping.discard(connection)
        del self._connections[connection]
        connection.close()


def processes_for(asked: int, sink: Sink) -> int:
    """How many processes a run takes; 0 asks for one a core.

    Raises :class:`ValueError` with a sentence where the target takes only one.
    """
    if asked > 1 and sink.exclusive:
        raise ValueError(
            f"{sink.name} can be written by one process only, but --processes asks for {asked}; "
            "leave it out."
        )
    if asked:
        return asked
    return 1 if sink.exclusive else len(os.sched_getaffinity(0))


class _ToldClock:
    """A worker's clock: the timestamps that the parent gives out."""

    def __init__(self, swept: Callable[[], None]) -> None:
        self.orders: queue.SimpleQueue[Sweep | Pause | End] = queue.SimpleQueue()
        self._swept = swept
        self._next: Sweep | Pause | End | None = None

    def __iter__(self) -> Iterator[int]:
        while True:
            order = self._next or self.orders.get()
            self._next = None
            if isinstance(order, End):
                return
            if isinstance(order, Sweep):
                yield order.timestamp

    @property
    def due(self) -> bool:
        """Tells the parent that the sweep is done, and waits for what it says next."""
        self._swept()
        self._next = self.orders.get()
        return isinstance(self._next, Sweep)


def _work(connection: Connection, assignment: Assignment, number: int, count: int) -> None:
    """What a worker process does, from start to end."""
    # Ctrl-C in a terminal goes to all processes of it; the parent alone acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    manifest = assignment.manifest
    workload = manifest.workload()
    ledger, stop = Ledger(), Stop()
    recorder = Recorder(UndeliveredStore(assignment.undelivered))
    talking = threading.Lock()

    def say(message: Swept | News) -> None:
        with talking, contextlib.suppress(OSError):
            connection.send(message)

    clock = _ToldClock(lambda: say(Swept()))

    def obey() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                order = connection.recv()
                if isinstance(order, Halt):
                    stop.ask()
                    if order.at_once:
                        stop.at_once.set()
                    order = End()
                clock.orders.put(order)
        stop.fail("the parent process is gone")
        clock.orders.put(End())

    over = threading.Event()

    def report() -> None:
        looked = time.monotonic()
        while not over.wait(REPORT_EVERY):
            look = time.monotonic() - looked >= SETTLE_EVERY
            looked = time.monotonic() if look else looked
            say(News(ledger.report(), recorder.standing() if look else None))

    threading.Thread(target=obey, daemon=True).start()
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    sink = open_sink(manifest.target_options(), manifest.record_model)
    with contextlib.closing(sink):
        blocks = workload.blocks[number::count]
        model, disordered = manifest.record_model, None
        if manifest.disorder is not None:
            disordered = Disordered(workload, manifest.disorder, model, ledger, recorder)
        sweeps = Sweeps(workload, clock, blocks=blocks, disordered=disordered, end=recorder.swept)
        share = sum(map(len, blocks)) / workload.series
        Pipeline(
            limited(sweeps, assignment.rate * share, stop),
            sink,
            ledger,
            stop,
            concurrency=assignment.concurrency,
            give_up_after=assignment.give_up_after,
            watcher=recorder,
            timed_from=assignment.timed_from,
            rest=sweeps.rest,
        ).run()
    over.set()
    reporter.join()
    standing = recorder.standing()
    say(News(ledger.report(), standing, stop.reason, recorder.store.losses))
