"""Workers: one run spread over several processes, here or on other machines.

The parent owns the clock, the ledger and the stop. Each worker generates every N-th block and has a
pipeline and connections of its own. The parent gives out one timestamp at a time, when all workers
have generated the one before; delivery goes on meanwhile. Workers report what their ledgers know a
few times a second, and the parent's ledger adds it up.

Where a crew can replace a worker that is lost, the new one writes again every sweep that the lost
one had not settled, which stores nothing twice, and goes on.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice

from fleetstream.run.clock import Clock
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import DRAIN_SECONDS, Stop
from fleetstream.run.outstanding import Standing
from fleetstream.run.undelivered import Losses
from fleetstream.targets.sink import Sink
from fleetstream.run.workers.crew import LEAVE_WITHIN, Crew, ProcessCrew
from fleetstream.run.workers.orders import (
    Assignment,
    End,
    Halt,
    Message,
    Order,
    Pause,
    Sweep,
    Swept,
)

__all__ = ["Assignment", "Crew", "ProcessCrew", "Workers", "processes_for"]

REPLACEMENTS = 20
"""Lost workers that are replaced in a run, at most: more would hardly be bad luck."""

_GLANCE = 0.1
"""Seconds between two looks at whether to stop, while waiting for workers."""

GONE = "a worker process ended unexpectedly"


class Workers:
    """Has a crew run an assignment; does for a run what a pipeline does in one process.

    ``standings`` and ``losses`` have one entry a worker.
    """

    _assignment: Assignment

    def __init__(self, crew: Crew, count: int, ledger: Ledger, stop: Stop) -> None:
        self.standings = [Standing() for _ in range(count)]
        self.losses = [Losses() for _ in range(count)]
        self._crew = crew
        self._ledger = ledger
        self._stop = stop
        self._active = dict.fromkeys(range(count), 0)
        """Workers that have not said their last word, and under which source they report."""
        self._sources = count
        self._sweeping: Counter[int] = Counter()
        """Sweeps that each worker was told of and has not generated."""
        self._begun: list[int] = []
        self._again: dict[int, tuple[int, list[int]]] = {}
        """What a replaced worker had swept, and what its successor writes again."""
        self._lost_before = [Losses() for _ in range(count)]
        """What replaced workers could not deliver."""
        self._latest: Pause | End | None = None
        """What workers were told after the latest sweep."""
        self._halted: Halt | None = None
        self._left_at = 0.0

    def wait(self, seconds: float) -> bool:
        """Listen to the workers for so long, less if the run is to stop; gives whether it is.

        This is what the clock waits with.
        """
        until = time.monotonic() + seconds
        while not self._stop.gently.is_set() and (left := until - time.monotonic()) > 0:
            self._listen(min(left, _GLANCE))
        return self._stop.gently.is_set()

    def run(
        self,
        assignment: Assignment,
        clock: Clock,
        begin: Callable[[int], None],
        *,
        sweeps: int = 0,
    ) -> None:
        """Sweep until the clock ends or the run is stopped, and until all workers are done.

        ``begin`` is called with the timestamp before each sweep; ``sweeps`` ends the run after so
        many, 0 never.
        """
        self._assignment = assignment
        try:
            for number in self._active:
                self._active[number] = number
                self._crew.start(number, self._assignment)
            self._sweep_all(clock, begin, sweeps or None)
            self._tell(End())
            while self._active:
                self._listen(_GLANCE)
        finally:
            self._crew.end(patiently=not self._active)

    def _sweep_all(self, clock: Clock, begin: Callable[[int], None], sweeps: int | None) -> None:
        for timestamp in islice(clock, sweeps):
            begin(timestamp)
            self._begun = [each for each in self._begun if not self._settled(each)]
            self._begun.append(timestamp)
            self._sweeping.update(self._active.keys())
            self._tell(Sweep(timestamp))
            while self._sweeping.total():
                self._listen(_GLANCE)
            if self._stop.gently.is_set():
                return
            self._ledger.swept(timestamp)
            if not clock.due:
                self._tell(Pause())

    def _settled(self, timestamp: int) -> bool:
        return all(standing.settled(timestamp) for standing in self.standings)

    def _tell(self, order: Order) -> None:
        self._latest = order if isinstance(order, Pause | End) else None
        for number in self._active:
            self._crew.tell(number, order)

    def _listen(self, seconds: float) -> None:
        """Hear what workers say, for so long at most; pass a stop on to them."""
        for number, message in self._crew.listen(seconds):
            if message is None:
                self._lose(number)
            else:
                self._hear(number, message)
        at_once = self._stop.at_once.is_set()
        if self._stop.gently.is_set() and self._halted != Halt(at_once):
            self._halted = Halt(at_once)
            self._tell(self._halted)
            self._sweeping.clear()
            self._left_at = time.monotonic()
        # One that still waits for a place in the cluster would never say its last word.
        patience = LEAVE_WITHIN if at_once else DRAIN_SECONDS + LEAVE_WITHIN
        if self._halted and time.monotonic() - self._left_at > patience:
            for number in list(self._active):
                self._lose(number)

    def _hear(self, number: int, message: Message) -> None:
        if isinstance(message, Swept):
            self._sweeping[number] = max(self._sweeping[number] - 1, 0)
            return
        self._ledger.absorb(self._active[number], message.report)
        if message.standing:
            self.standings[number] = self._whole(number, message.standing)
        if message.losses:
            self.losses[number] = self._lost_before[number] + message.losses
        if message.failure:
            self._stop.fail(message.failure)
        if message.last:
            self._dismiss(number)

    def _whole(self, number: int, standing: Standing) -> Standing:
        """How far a worker and those before it in its place have come together."""
        swept, again = self._again.get(number, (0, []))
        left = {timestamp for timestamp in again if timestamp > standing.swept}
        return Standing(max(swept, standing.swept), standing.open | left)

    def _lose(self, number: int) -> None:
        """A worker is gone without a last word: it is replaced, or what it had is given up."""
        replaced = self._sources - len(self.standings)
        if self._crew.replaces and not self._stop.gently.is_set() and replaced < REPLACEMENTS:
            self._replace(number)
            return
        self._stop.fail(GONE)
        self._ledger.write_off(self._active[number], GONE)
        self._dismiss(number)

    def _replace(self, number: int) -> None:
        """Start a worker in the place of one that is gone; it writes again what was not settled."""
        self._ledger.replaced(self._active[number])
        self._active[number] = self._sources
        self._sources += 1
        before = self.standings[number]
        again = [timestamp for timestamp in self._begun if not before.settled(timestamp)]
        self._again[number] = (before.swept, again)
        self._lost_before[number] = self.losses[number]
        self._crew.dismiss(number)
        self._crew.start(number, self._assignment)
        self._sweeping[number] = len(again)
        for timestamp in again:
            self._crew.tell(number, Sweep(timestamp))
        if self._latest:
            self._crew.tell(number, self._latest)

    def _dismiss(self, number: int) -> None:
        del self._sweeping[number]
        del self._active[number]
        self._crew.dismiss(number)


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
