"""The pipeline: when, and how many at once.

One thread sweeps the fleet and has the sink make requests of it; ``concurrency`` threads deliver
them. At most twice as many requests are queued or in flight, so that rendering never waits for the
network while there is room in flight, and never runs ahead of it by more than that.
"""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Protocol

import pyarrow as pa
import tenacity

from fleetstream.run.clock import Clock
from fleetstream.generate.disorder import Disordered
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.generate.records import timestamp_of
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.targets.sink import (
    Delivery,
    Request,
    Sink,
    TargetLost,
    Throttled,
    Unavailable,
)
from fleetstream.workload import Block, Workload

DRAIN_SECONDS = 30.0
"""How long requests in flight may still take, and be retried, once the run is stopped."""

LONGEST_PAUSE = 10.0
"""Seconds between two tries of a request, at most; full jitter takes a random part of it."""

AHEAD = 2
"""Requests in flight or rendered and waiting for it, for each that may be in flight."""

_FIRST_PAUSE = 0.1
_GLANCE = 0.1
"""Seconds between two looks at whether to stop, while waiting for something else."""


@dataclass
class Stop:
    """Tells a run to end: first gently, then at once.

    ``gently`` means that nothing new is generated and what is in flight is finished; ``at_once``
    that everything without an outcome is given up. ``reason`` says why, where it was not the user.
    """

    gently: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)
    reason: str | None = None
    _asked_at: float = 0.0

    def ask(self) -> None:
        """Stop gently; when asked again, at once."""
        if self.gently.is_set():
            self.at_once.set()
        self._asked_at = time.monotonic()
        self.gently.set()

    @property
    def overdue(self) -> bool:
        """Whether what was in flight has had its time to finish since a stop was asked for."""
        return self.gently.is_set() and time.monotonic() - self._asked_at > DRAIN_SECONDS

    def fail(self, reason: str) -> None:
        """Stop at once, because nothing more can be delivered."""
        self.reason = self.reason or reason
        self.gently.set()
        self.at_once.set()


class Watcher(Protocol):
    """Is told of every batch and request, from several threads at once."""

    def entered(self, batch: pa.RecordBatch) -> None:
        """A batch is generated and goes to the sink."""
        ...

    def settled(self, request: Request) -> None:
        """Every record of a request has an outcome; called last of all."""
        ...

    def undelivered(self, request: Request, reason: str) -> None:
        """A request is given up."""
        ...

    def rejected(self, request: Request, delivery: Delivery) -> None:
        """The target has refused records of a request for good."""
        ...


class Sweeps:
    """The batches of sweep after sweep: ``workload`` at the timestamps of ``clock``.

    ``count`` ends them after so many sweeps, 0 never; ``blocks`` are those to generate, by default
    all; ``disordered`` gives them out where there is to be disorder. Yields None in place of a
    batch where the clock makes a pause. ``begin`` and ``end`` are called with the timestamp before
    and after each sweep.
    """

    def __init__(
        self,
        workload: Workload,
        clock: Clock,
        count: int = 0,
        *,
        blocks: Sequence[Block] | None = None,
        disordered: Disordered | None = None,
        begin: Callable[[int], None] = lambda _timestamp: None,
        end: Callable[[int], None] = lambda _timestamp: None,
    ) -> None:
        self._workload = workload
        self._clock = clock
        self._count = count or None
        self._blocks = workload.blocks if blocks is None else blocks
        self._disordered = disordered
        self._begin = begin
        self._end = end

    def __iter__(self) -> Iterator[pa.RecordBatch | None]:
        for timestamp in islice(self._clock, self._count):
            self._begin(timestamp)
            for block in self._blocks:
                if self._disordered:
                    yield from self._disordered.batches(block, timestamp)
                else:
                    yield self._workload.batch(block, timestamp)
            if self._disordered:
                yield from self._disordered.due(timestamp)
            self._end(timestamp)
            if not self._clock.due:
                yield None
        yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is held back still."""
        return self._disordered.rest() if self._disordered else iter(())


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A request without an outcome, and the sweep in which it was made."""

    request: Request
    sweep: int


class Pipeline:
    """Delivers the batches of ``source`` to ``sink``; ``ledger`` knows what became of each record.

    Where ``source`` yields None, the sink makes use of the pause. ``give_up_after`` is for how many
    seconds no request may succeed before the run is ended, 0 for ever. Requests made in sweeps from
    the timestamp ``timed_from`` on are timed from when their sweep was meant to be, not from when
    they could be sent, so that the stall of a target shows in the times of all requests it held up
    ("coordinated omission"); None for none. ``rest`` gives what the source holds back still when
    the run is stopped.
    """

    def __init__(
        self,
        source: Iterable[pa.RecordBatch | None],
        sink: Sink,
        ledger: Ledger,
        stop: Stop,
        *,
        concurrency: int = 1,
        give_up_after: float = 300.0,
        watcher: Watcher | None = None,
        timed_from: int | None = None,
        rest: Callable[[], Iterable[pa.RecordBatch]] = tuple,
    ) -> None:
        self.ledger = ledger
        self.stop = stop
        self._source = source
        self._sink = sink
        self._concurrency = min(concurrency, sink.concurrency or concurrency)
        self._give_up_after = give_up_after
        self._watcher = watcher
        self._timed_from = timed_from
        self._rest = rest
        self._sweep = 0
        """The latest timestamp that came from the source."""
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(self._concurrency * AHEAD):
            self._room.put(None)
        self._in_flight: dict[int, _InFlight] = {}
        self._settling = threading.Lock()
        self._crash: Exception | None = None

    def run(self) -> None:
        """Deliver until the source ends or the run is stopped."""
        senders = [
            threading.Thread(target=self._deliver_all, name=f"sender {number}", daemon=True)
            for number in range(self._concurrency)
        ]
        for sender in senders:
            sender.start()
        try:
            self._prepare_all()
        finally:
            self._drain(senders)

    def _prepare_all(self) -> None:
        for batch in self._source:
            if self.stop.gently.is_set():
                return
            if batch is None:
                self._offer_all(self._sink.pause())
                continue
            self._enter(batch)
            self._offer_all(self._until_stopped(self._sink.prepare(batch)))

    def _enter(self, batch: pa.RecordBatch) -> None:
        """Note a batch that goes to the sink."""
        self._sweep = max(self._sweep, timestamp_of(batch))
        if self._watcher:
            self._watcher.entered(batch)

    def _until_stopped(self, requests: Iterable[Request]) -> Iterator[Request]:
        """A batch may make a thousand requests; those not made yet are not in flight."""
        for request in requests:
            yield request
            if self.stop.gently.is_set():
                return

    def _offer_all(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self.ledger.generated(_tally(request))
            self._in_flight[id(request)] = _InFlight(request, self._sweep)
            if self._await_room():
                self._waiting.put(request)
            else:
                self._abandon(request)

    def _await_room(self) -> bool:
        """Wait until another request may be queued; false when the run ends at once."""
        while not self._leaving():
            with contextlib.suppress(queue.Empty):
                self._room.get(timeout=_GLANCE)
                return True
        return False

    def _leaving(self) -> bool:
        """Whether the run ends at once, be it because finishing it gently took too long."""
        if self.stop.overdue and not self.stop.at_once.is_set():
            self.stop.fail(f"not delivered within {DRAIN_SECONDS:g} s of the stop")
        return self.stop.at_once.is_set()

    def _drain(self, senders: list[threading.Thread]) -> None:
        """Finish what is in flight, or give it up, so that every record has an outcome."""
        if not self.stop.at_once.is_set():
            for batch in self._rest():
                self._enter(batch)
                self._offer_all(self._sink.prepare(batch))
        self._offer_all(self._sink.flush())
        for _ in senders:
            self._waiting.put(None)
        for sender in senders:
            while sender.is_alive() and not self._leaving():
                sender.join(_GLANCE)
        for unsettled in list(self._in_flight.values()):
            self._abandon(unsettled.request)
        with self._settling:
            pass  # a sender that was settling its request has done so now
        if self._crash:
            raise self._crash

    def _abandon(self, request: Request) -> None:
        """Give up a request because the run ends at once, unless its sender has settled it."""
        self._once(request, lambda: self._give_up(request, self.stop.reason or "stopped at once"))

    def _once(self, request: Request, settle: Callable[[], None]) -> None:
        """Settle a request, unless that was done; waits while another thread is settling one."""
        with self._settling:
            if self._in_flight.pop(id(request), None) is not None:
                settle()

    def _give_up(self, request: Request, reason: str) -> None:
        self.ledger.undelivered(reason, _tally(request))
        if self._watcher:
            self._watcher.undelivered(request, reason)
            self._watcher.settled(request)

    def _deliver_all(self) -> None:
        """What a sender does: deliver requests until it is told that there are no more."""
        while (request := self._waiting.get()) is not None:
            if self.stop.at_once.is_set():
                self._abandon(request)
                continue
            self._once(request, self._deliver(request))
            self._room.put(None)

    def _deliver(self, request: Request) -> Callable[[], None]:
        """Deliver a request, however often that takes; gives what is to be noted of it."""
        try:
            try:
                delivery = self._attempt(request)
            except (Throttled, Unavailable) as error:
                pause = random.uniform(0, _FIRST_PAUSE)  # noqa: S311 - jitter
                self.stop.at_once.wait(_asked_for(error) + pause)
                delivery = self._retrying(self._attempt, request)
        except (Throttled, Unavailable) as error:
            reason = error.kind if isinstance(error, Unavailable) else "throttled"
            silence = time.monotonic() - self.ledger.last_success
            if not self.stop.at_once.is_set() and silence >= self._give_up_after:
                self.stop.fail(f"no request has succeeded for {silence:.0f} s ({error})")
            return lambda: self._give_up(request, reason)
        except TargetLost as error:
            reason = str(error)
            self.stop.fail(reason)
            return lambda: self._give_up(request, reason)
        except Exception as error:
            self._crash = error
            self.stop.fail("an internal error")
            return lambda: self._give_up(request, "an internal error")
        return lambda: self._settle(request, delivery)

    def _attempt(self, request: Request) -> Delivery:
        """Send a request once, and note how that went."""
        began = time.monotonic() - self._lag(request)
        success, writes = False, 0
        try:
            delivery = self._sink.send(request)
            success = not delivery.rejections
            writes = request.writes if len(delivery.rejections) < request.records else 0
        except Throttled:
            self.ledger.throttled()
            raise
        except Unavailable as error:
            self.ledger.failed(error.kind)
            raise
        finally:
            self.ledger.attempted(time.monotonic() - began, request.size, writes, success=success)
        return delivery

    def _lag(self, request: Request) -> float:
        """Seconds since a request was meant to be sent, 0 where that is not known."""
        unsettled = self._in_flight.get(id(request))
        if self._timed_from is None or unsettled is None or unsettled.sweep < self._timed_from:
            return 0.0
        return max(time.time() - unsettled.sweep / MICROSECONDS, 0.0)

    def _settle(self, request: Request, delivery: Delivery) -> None:
        """Note an answered request: what was refused of it, and that the rest is stored."""
        refused = Tally()
        for rejection in delivery.rejections:
            tally = Tally(1, request.record(rejection.index).values)
            self.ledger.rejected(rejection.reason, tally)
            refused += tally
        self.ledger.stored(_tally(request) - refused)
        if self._watcher:
            if delivery.rejections:
                self._watcher.rejected(request, delivery)
            self._watcher.settled(request)

    @cached_property
    def _retrying(self) -> tenacity.Retrying:
        """Exponential back-off with full jitter; a stop at once ends it, and its pauses."""

        def hopeless(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            failing = time.monotonic() - state.start_time
            return isinstance(error, Unavailable) and 0 < self._give_up_after <= failing

        jitter = tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE, max=LONGEST_PAUSE)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return _asked_for(error) + jitter(state)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Throttled, Unavailable)),
            wait=pause,
            stop=lambda state: self.stop.at_once.is_set() or hopeless(state),
            sleep=tenacity.sleep_using_event(self.stop.at_once),
            reraise=True,
        )


def _asked_for(error: BaseException | None) -> float:
    """Seconds that the target asks to wait at least."""
    return error.wait if isinstance(error, Throttled) else 0.0


def _tally(request: Request) -> Tally:
    return Tally(request.records, request.values)
