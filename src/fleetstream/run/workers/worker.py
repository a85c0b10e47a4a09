"""A worker: generates its blocks and delivers them, by a pipeline of its own."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from fleetstream._version import __version__
from fleetstream.generate.disorder import Disordered
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop, Sweeps
from fleetstream.run.rate import limited
from fleetstream.run.journal import SETTLE_EVERY, Recorder
from fleetstream.run.undelivered import UndeliveredStore
from fleetstream.targets.sink import TargetUnusable
from fleetstream.targets.registry import open_sink
from fleetstream.run.workers.orders import (
    Assignment,
    End,
    Halt,
    Message,
    News,
    Order,
    Pause,
    Sweep,
    Swept,
)

REPORT_EVERY = 0.25
"""Seconds between two reports of a worker."""


class Channel(Protocol):
    """The way to the parent and back; both raise :class:`OSError` or EOFError when it is gone."""

    def send(self, message: Message) -> None:
        """Tell the parent."""
        ...

    def recv(self) -> Order:
        """Wait for the parent's next order."""
        ...


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


def work(channel: Channel, assignment: Assignment, number: int) -> None:
    """What the ``number``-th worker does, from start to end."""
    if assignment.version != __version__:
        _refuse(
            channel,
            f"its machine has fleetstream {__version__}, but the run was started by "
            f"{assignment.version}; install one version everywhere",
        )
        return
    manifest, model = assignment.manifest, assignment.manifest.record_model
    try:
        sink = open_sink(manifest.target_options(), model)
        sink.open()
    except (TargetUnusable, ValueError) as error:
        # What is missing on this machine would be missing to its successor too.
        _refuse(channel, str(error))
        return
    workload = manifest.workload()
    ledger, stop = Ledger(), Stop()
    recorder = Recorder(UndeliveredStore(assignment.undelivered))
    talking = threading.Lock()

    def say(message: Message) -> None:
        with talking, contextlib.suppress(OSError):
            channel.send(message)

    clock = _ToldClock(lambda: say(Swept()))

    def obey() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                order = channel.recv()
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
            say(News(ledger.report(), *(recorder.progress() if look else ())))

    threading.Thread(target=obey, daemon=True).start()
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    with contextlib.closing(sink):
        blocks = workload.share(number, assignment.count)
        disordered = None
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
    progress = recorder.progress()
    say(News(ledger.report(), *progress, stop.reason, last=True))


def _refuse(channel: Channel, reason: str) -> None:
    """Say why there is nothing that this worker can do, as its first and last word."""
    with contextlib.suppress(OSError):
        channel.send(News(Ledger().report(), failure=f"a worker can't write: {reason}", last=True))
