"""A worker: generates its share of the series and delivers it, by a pipeline of its own."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from fleetstream._version import __version__
from fleetstream.generate.generator import Generator
from fleetstream.run.assembly import Parts, sink_of
from fleetstream.run.control import Control
from fleetstream.run.journal import SETTLE_EVERY, Recorder
from fleetstream.run.ledger import Ledger
from fleetstream.run.periodic import periodically
from fleetstream.run.undelivered import UndeliveredStore
from fleetstream.run.workers.messages import (
    Assignment,
    EndOrder,
    HaltOrder,
    Message,
    Order,
    PauseOrder,
    Status,
    SweepDone,
    SweepOrder,
)
from fleetstream.targets.sink import Sink, TargetUnusable

REPORT_EVERY = 0.25
"""Seconds between two reports of a worker."""


class Channel(Protocol):
    """The connection to the coordinator; both methods raise OSError or EOFError when it is gone."""

    def send(self, message: Message) -> None:
        """Send to the coordinator."""
        ...

    def recv(self) -> Order:
        """Wait for the coordinator's next order."""
        ...


def work(channel: Channel, assignment: Assignment, number: int) -> None:
    """The work of the ``number``-th worker, from start to end."""
    if assignment.version != __version__:
        _refuse(
            channel,
            f"its machine has fleetstream {__version__}, but the run was started by "
            f"{assignment.version}; install the same version everywhere",
        )
        return
    try:
        generator = assignment.spec.generator()
        sink = sink_of(assignment.spec, generator.schemas.values())
        sink.open()
    except (TargetUnusable, ValueError) as error:
        # What is missing on this machine would also be missing to a replacement.
        _refuse(channel, str(error))
        return
    with closing(sink):
        _Worker(channel, assignment, number, generator, sink).run()


class _Worker:
    """A worker whose target is open."""

    def __init__(
        self,
        channel: Channel,
        assignment: Assignment,
        number: int,
        generator: Generator,
        sink: Sink,
    ) -> None:
        self._channel = channel
        self._assignment = assignment
        self._number = number
        self._generator = generator
        spec = assignment.spec
        recorder = Recorder(UndeliveredStore(Path(spec.undelivered)))
        self._parts = Parts(spec, sink, Ledger(), Control(), recorder)
        self._orders: queue.SimpleQueue[SweepOrder | PauseOrder | EndOrder] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._checked = time.monotonic()

    def run(self) -> None:
        """Work until there are no more timestamps, or the run is stopped."""
        threading.Thread(target=self._receive_all, daemon=True).start()
        with periodically(REPORT_EVERY, self._report, "reports"):
            self._parts.generate_and_deliver(
                self._generator,
                self._groups(),
                share=(self._number, self._assignment.count),
                live_from=self._assignment.live_from,
                end=self._swept,
            )
        progress, kept = self._parts.recorder.progress()
        reason = self._parts.control.reason
        self._send(Status(self._parts.ledger.report(), progress, kept, reason, last=True))

    def _groups(self) -> Iterator[Sequence[int] | None]:
        while True:
            order = self._orders.get()
            if isinstance(order, EndOrder):
                return
            yield order.timestamps if isinstance(order, SweepOrder) else None

    def _swept(self, _timestamps: Sequence[int]) -> None:
        self._send(SweepDone())

    def _receive_all(self) -> None:
        """Take orders until the coordinator is gone."""
        control = self._parts.control
        with contextlib.suppress(EOFError, OSError):
            while True:
                order = self._channel.recv()
                if isinstance(order, HaltOrder):
                    control.ask()
                    if order.at_once:
                        control.at_once.set()
                    order = EndOrder()
                self._orders.put(order)
        control.fail("the coordinating process is gone")
        self._orders.put(EndOrder())

    def _report(self) -> None:
        """Report what the ledger knows, and every few seconds also what is settled."""
        report = self._parts.ledger.report()
        if time.monotonic() - self._checked < SETTLE_EVERY:
            self._send(Status(report))
            return
        self._checked = time.monotonic()
        self._send(Status(report, *self._parts.recorder.progress()))

    def _send(self, message: Message) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._channel.send(message)


def _refuse(channel: Channel, reason: str) -> None:
    """Say why this worker cannot work, as its only message."""
    with contextlib.suppress(OSError):
        failure = f"a worker cannot write: {reason}"
        channel.send(Status(Ledger().report(), failure=failure, last=True))
