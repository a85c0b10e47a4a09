"""Delivery of one request: send it, retry it, and return its outcome."""

import random
import time
from dataclasses import dataclass

from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger
from fleetstream.targets.sink import Delivery, Request, Sink, TargetLost, Throttled, Unavailable

LONGEST_PAUSE = 10.0
"""The most seconds between two attempts, except where the target asks for more."""

FIRST_PAUSE = 0.1
"""The most seconds before the second attempt; the limit doubles with each."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The outcome of a request that could not be delivered, and why."""

    reason: str


class Deliverer:
    """Sends requests to ``sink`` until they are delivered or given up; used from several threads.

    A request that the target throttles is sent again without end. One that fails for another reason
    is given up after it has done nothing but fail for ``give_up_after`` seconds, 0 never; if the
    target answered no other request in that time either, the run is ended.
    """

    def __init__(self, sink: Sink, ledger: Ledger, control: Control, give_up_after: float) -> None:
        self._sink = sink
        self._ledger = ledger
        self._control = control
        self._give_up_after = give_up_after

    def deliver(self, request: Request, lag: float) -> Delivery | GivenUp:
        """Send a request, again if need be; ``lag`` seconds count as part of its latency."""
        failing_since: float | None = None
        attempt = 0
        while True:
            wait = 0.0
            try:
                return self._attempt(request, lag, retry=attempt > 0)
            except TargetLost as error:
                self._control.fail(str(error))
                return GivenUp(str(error))
            except Throttled as error:
                reason, wait, failing_since = "throttled", error.wait, None
            except Unavailable as error:
                reason, now = error.kind, time.monotonic()
                failing_since = failing_since or now
                if 0 < self._give_up_after <= now - failing_since:
                    self._end_if_silent(error)
                    return GivenUp(reason)
            if self._control.at_once.wait(wait + _pause(attempt)):
                return GivenUp(reason)
            attempt += 1

    def _attempt(self, request: Request, lag: float, *, retry: bool) -> Delivery:
        began = time.monotonic() - lag
        delivery: Delivery | None = None
        try:
            delivery = self._sink.send(request)
        except Throttled:
            self._ledger.throttled()
            raise
        except Unavailable as error:
            self._ledger.failed(error.kind)
            raise
        finally:
            seconds = time.monotonic() - began
            self._ledger.attempted(request, seconds, delivery, retry=retry)
        return delivery

    def _end_if_silent(self, error: Unavailable) -> None:
        """End the run if the target has answered no request for as long as one may fail."""
        silence = time.monotonic() - self._ledger.last_answer
        if silence >= self._give_up_after:
            self._control.fail(f"no request has succeeded for {silence:.0f} s ({error})")


def _pause(attempt: int) -> float:
    """Seconds until the next attempt, with full jitter."""
    # 2.0**10 pauses are longer than the longest, and larger exponents would overflow.
    return random.uniform(0, min(FIRST_PAUSE * 2.0 ** min(attempt, 10), LONGEST_PAUSE))  # noqa: S311 - jitter
