"""The pipeline: requests made in one thread, delivered by others.

One thread has the sink make requests of batches; ``concurrency`` threads deliver them. At most
twice as many requests are queued or in flight, so rendering does not wait for the network while
there is room, and does not run ahead of it by more than that.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from fleetstream.generate.moments import MICROSECONDS
from fleetstream.generate.records import timestamps_of
from fleetstream.run.control import Control
from fleetstream.run.delivery import Deliverer, GivenUp
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.targets.sink import Delivery, Request, Sink

REQUESTS_PER_SENDER = 2
"""Requests queued or in flight, for each that may be in flight."""

POLL_SECONDS = 0.1
"""Seconds between two checks for a stop while waiting for something else."""


class Observer(Protocol):
    """Is called with every batch and request, from several threads at once."""

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch goes to the sink."""
        ...

    def settled(self, request: Request) -> None:
        """Every record of a request has an outcome; called after the other methods."""
        ...

    def undelivered(self, request: Request, reason: str) -> None:
        """A request is given up."""
        ...

    def rejected(self, request: Request, delivery: Delivery) -> None:
        """The target has refused records of a request permanently."""
        ...


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A request without an outcome, and the timestamp of the sweep in which it was made."""

    request: Request
    sweep: int


class Pipeline:
    """Delivers the batches of ``source`` to ``sink``; ``ledger`` records every outcome.

    Where ``source`` yields None, the sink sends what it keeps. Requests made in sweeps from the
    timestamp ``live_from`` on are timed from when their sweep was meant to begin, not from when
    they could be sent, so a stall of the target shows in the latency of every request that it
    delays ("coordinated omission"); None for no such sweep. ``rest`` returns what the source still
    holds back when the run is stopped.
    """

    def __init__(
        self,
        source: Iterable[pa.RecordBatch | None],
        sink: Sink,
        ledger: Ledger,
        control: Control,
        observer: Observer,
        *,
        concurrency: int = 1,
        give_up_after: float = 300.0,
        live_from: int | None = None,
        rest: Callable[[], Iterable[pa.RecordBatch]] = tuple,
    ) -> None:
        self._source = source
        self._sink = sink
        self._ledger = ledger
        self._control = control
        self._observer = observer
        self._deliverer = Deliverer(sink, ledger, control, give_up_after)
        self._senders = min(concurrency, sink.concurrency or concurrency)
        self._live_from = live_from
        self._rest = rest
        self._sweep = 0
        """The latest timestamp that came from the source."""
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(self._senders * REQUESTS_PER_SENDER):
            self._room.put(None)
        self._in_flight: dict[int, _InFlight] = {}
        self._settling = threading.Lock()
        self._crash: Exception | None = None

    def run(self) -> None:
        """Deliver until the source ends or the run is stopped."""
        senders = [
            threading.Thread(target=self._deliver_all, name=f"sender {number}", daemon=True)
            for number in range(self._senders)
        ]
        for sender in senders:
            sender.start()
        try:
            self._prepare_all()
        finally:
            self._drain(senders)

    def _prepare_all(self) -> None:
        for batch in self._source:
            if self._control.gently.is_set():
                return
            if batch is None:
                self._offer_all(self._sink.pause())
                continue
            self._enter(batch)
            self._offer_all(self._until_stopped(self._sink.prepare(batch)))
            if self._control.gently.is_set():
                return  # the source must not take a batch as sent whose requests were cut short

    def _enter(self, batch: pa.RecordBatch) -> None:
        self._sweep = max(self._sweep, int(timestamps_of(batch).max()))
        self._observer.entered(batch)

    def _until_stopped(self, requests: Iterable[Request]) -> Iterator[Request]:
        """A batch may make a thousand requests; those not made yet are not in flight."""
        for request in requests:
            yield request
            if self._control.gently.is_set():
                return

    def _offer_all(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._ledger.generated(_tally(request))
            self._in_flight[id(request)] = _InFlight(request, self._sweep)
            if self._await_room():
                self._waiting.put(request)
            else:
                self._abandon(request)

    def _await_room(self) -> bool:
        """Wait until another request may be queued; false when the run ends at once."""
        while not self._is_leaving():
            with contextlib.suppress(queue.Empty):
                self._room.get(timeout=POLL_SECONDS)
                return True
        return False

    def _is_leaving(self) -> bool:
        """Whether the run ends at once, also because a gentle stop took too long."""
        if self._control.is_overdue and not self._control.at_once.is_set():
            seconds = self._control.drain_seconds
            self._control.fail(f"not delivered within {seconds:g} s of the stop")
        return self._control.at_once.is_set()

    def _drain(self, senders: list[threading.Thread]) -> None:
        """Finish what is in flight, or give it up, so that every record has an outcome."""
        if not self._control.at_once.is_set():
            for batch in self._rest():
                self._enter(batch)
                self._offer_all(self._sink.prepare(batch))
        self._offer_all(self._sink.flush())
        for _ in senders:
            self._waiting.put(None)
        for sender in senders:
            while sender.is_alive() and not self._is_leaving():
                sender.join(POLL_SECONDS)
        for unsettled in list(self._in_flight.values()):
            self._abandon(unsettled.request)
        with self._settling:
            pass  # a sender that was settling its request has done so now
        if self._crash:
            raise self._crash

    def _deliver_all(self) -> None:
        """The work of a sender: deliver requests until there are no more."""
        while (request := self._waiting.get()) is not None:
            if self._control.at_once.is_set():
                self._abandon(request)
                continue
            self._settle(request, self._deliver(request))
            self._room.put(None)

    def _deliver(self, request: Request) -> Delivery | GivenUp:
        try:
            return self._deliverer.deliver(request, self._lag(request))
        except Exception as error:
            self._crash = error
            self._control.fail("an internal error")
            return GivenUp("an internal error")

    def _lag(self, request: Request) -> float:
        """Seconds since a request was meant to be sent, 0 where that is not known."""
        unsettled = self._in_flight.get(id(request))
        if self._live_from is None or unsettled is None or unsettled.sweep < self._live_from:
            return 0.0
        return max(time.time() - unsettled.sweep / MICROSECONDS, 0.0)

    def _abandon(self, request: Request) -> None:
        """Give up a request because the run ends at once, unless its sender has settled it."""
        self._settle(request, GivenUp(self._control.reason or "stopped at once"))

    def _settle(self, request: Request, outcome: Delivery | GivenUp) -> None:
        """Record an outcome, unless the request has one; waits while another one is recorded."""
        with self._settling:
            if self._in_flight.pop(id(request), None) is None:
                return
            if isinstance(outcome, GivenUp):
                self._ledger.undelivered(outcome.reason, _tally(request))
                self._observer.undelivered(request, outcome.reason)
            else:
                self._count(request, outcome)
            self._observer.settled(request)

    def _count(self, request: Request, delivery: Delivery) -> None:
        refused = Tally()
        for rejection in delivery.rejections:
            tally = Tally(1, request.record(rejection.index).values)
            self._ledger.rejected(rejection.reason, tally)
            refused += tally
        self._ledger.stored(_tally(request) - refused, delivery.unchanged or 0)
        if delivery.rejections:
            self._observer.rejected(request, delivery)


def _tally(request: Request) -> Tally:
    return Tally(request.records, request.values)
