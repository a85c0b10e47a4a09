"""The coordinator of a run that several workers share.

It owns the clock, the ledger and the stop. Each worker generates one share of the series and has a
pipeline and connections of its own. The coordinator gives out timestamps when all workers have
generated the ones before; delivery goes on meanwhile. Workers report what their ledgers know a few
times per second, and the coordinator's ledger adds it up.

Where a pool can replace a lost worker, the new one writes again every sweep that the lost one had
not settled, which stores nothing twice, and continues.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import POLL_SECONDS
from fleetstream.run.progress import Progress
from fleetstream.run.undelivered import Kept
from fleetstream.run.workers.messages import (
    Assignment,
    EndOrder,
    HaltOrder,
    Message,
    Order,
    PauseOrder,
    SweepDone,
    SweepOrder,
)
from fleetstream.run.workers.pool import LEAVE_WITHIN, WorkerPool

MAX_REPLACEMENTS = 20
"""Lost workers that are replaced in a run; more are unlikely to be accidents."""

GONE = "a worker process ended unexpectedly"


class Coordinator:
    """Has the workers of a pool carry out an assignment.

    ``progress`` and ``kept`` have one entry per worker.
    """

    def __init__(
        self, pool: WorkerPool, assignment: Assignment, ledger: Ledger, control: Control
    ) -> None:
        count = assignment.count
        self.progress = [Progress() for _ in range(count)]
        self.kept = [Kept() for _ in range(count)]
        self._pool = pool
        self._assignment = assignment
        self._ledger = ledger
        self._control = control
        self._active = {number: number for number in range(count)}
        """Workers that have not sent their last report, and under which source they report."""
        self._sources = count
        self._sweeping: Counter[int] = Counter()
        """Orders to sweep that each worker was given and has not carried out."""
        self._begun: list[tuple[int, ...]] = []
        self._again: dict[int, tuple[int, list[int]]] = {}
        """What a replaced worker had swept, and what its replacement writes again."""
        self._kept_before = [Kept() for _ in range(count)]
        """What replaced workers could not deliver."""
        self._latest: PauseOrder | EndOrder | None = None
        """The order after the latest sweep."""
        self._halted: HaltOrder | None = None
        self._halted_at = 0.0

    def wait(self, seconds: float) -> bool:
        """Listen to the workers for ``seconds``, less if the run is to stop; returns whether it is.

        The clock waits with this.
        """
        until = time.monotonic() + seconds
        while not self._control.gently.is_set() and (left := until - time.monotonic()) > 0:
            self._listen(min(left, POLL_SECONDS))
        return self._control.gently.is_set()

    def run(
        self,
        groups: Iterable[Sequence[int] | None],
        begin: Callable[[Sequence[int]], None],
        live_from: int | None,
    ) -> None:
        """Sweep until ``groups`` end or the run is stopped, and until all workers are done.

        ``begin`` is called with the timestamps before each group.
        """
        self._assignment = replace(self._assignment, live_from=live_from)
        try:
            for number in self._active:
                self._pool.start(number, self._assignment)
            self._sweep_all(groups, begin)
            self._tell(EndOrder())
            while self._active:
                self._listen(POLL_SECONDS)
        finally:
            self._pool.end(patiently=not self._active)

    def _sweep_all(
        self,
        groups: Iterable[Sequence[int] | None],
        begin: Callable[[Sequence[int]], None],
    ) -> None:
        for timestamps in groups:
            if timestamps is None:
                self._tell(PauseOrder())
                continue
            while self._control.is_paused:
                self._listen(POLL_SECONDS)
            begin(timestamps)
            self._begun = [each for each in self._begun if not all(map(self._settled, each))]
            self._begun.append(tuple(timestamps))
            self._sweeping.update(self._active.keys())
            self._tell(SweepOrder(tuple(timestamps)))
            while self._sweeping.total():
                self._listen(POLL_SECONDS)
            if self._control.gently.is_set():
                return
            self._ledger.swept(len(timestamps), timestamps[-1])

    def _settled(self, timestamp: int) -> bool:
        return all(progress.settled(timestamp) for progress in self.progress)

    def _tell(self, order: Order) -> None:
        self._latest = order if isinstance(order, PauseOrder | EndOrder) else None
        for number in self._active:
            self._pool.tell(number, order)

    def _listen(self, seconds: float) -> None:
        """Take messages of workers, for ``seconds`` at most; pass a stop on to them."""
        for number, message in self._pool.listen(seconds):
            if message is None:
                self._lose(number)
            else:
                self._receive(number, message)
        at_once = self._control.at_once.is_set()
        if self._control.gently.is_set() and self._halted != HaltOrder(at_once):
            self._halted = HaltOrder(at_once)
            self._tell(self._halted)
            self._sweeping.clear()
            self._halted_at = time.monotonic()
        # One that still waits for a place in the cluster would never send its last report.
        patience = LEAVE_WITHIN + (0 if at_once else self._control.drain_seconds)
        if self._halted and time.monotonic() - self._halted_at > patience:
            for number in list(self._active):
                self._lose(number)

    def _receive(self, number: int, message: Message) -> None:
        if isinstance(message, SweepDone):
            self._sweeping[number] = max(self._sweeping[number] - 1, 0)
            return
        self._ledger.absorb(self._active[number], message.report)
        if message.progress:
            self.progress[number] = self._with_predecessors(number, message.progress)
        if message.kept:
            self.kept[number] = self._kept_before[number] + message.kept
        if message.failure:
            self._control.fail(message.failure)
        if message.last:
            self._dismiss(number)

    def _with_predecessors(self, number: int, progress: Progress) -> Progress:
        """How far a worker and those that it replaces have come together."""
        swept, again = self._again.get(number, (0, []))
        left = {timestamp for timestamp in again if timestamp > progress.swept}
        return Progress(max(swept, progress.swept), progress.open | left)

    def _lose(self, number: int) -> None:
        """A worker is gone without a last report: replace it, or give up what it had."""
        replaced = self._sources - len(self.progress)
        stopping = self._control.gently.is_set()
        if self._pool.replaces and not stopping and replaced < MAX_REPLACEMENTS:
            self._replace(number)
            return
        self._control.fail(GONE)
        self._ledger.write_off(self._active[number], GONE)
        self._dismiss(number)

    def _replace(self, number: int) -> None:
        """Start a worker in place of one that is gone; it writes again what was not settled."""
        self._ledger.replaced(self._active[number])
        self._active[number] = self._sources
        self._sources += 1
        before = self.progress[number]
        again = [group for group in self._begun if not all(map(before.settled, group))]
        self._again[number] = (before.swept, [stamp for group in again for stamp in group])
        self._kept_before[number] = self.kept[number]
        self._pool.dismiss(number)
        self._pool.start(number, self._assignment)
        self._sweeping[number] = len(again)
        for group in again:
            self._pool.tell(number, SweepOrder(group))
        if self._latest:
            self._pool.tell(number, self._latest)

    def _dismiss(self, number: int) -> None:
        del self._sweeping[number]
        del self._active[number]
        self._pool.dismiss(number)
