"""Delivery of one request: send it, retry it, and return its outcome."""

import random
import time
from dataclasses import dataclass

import tenacity

from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger
from fleetstream.targets.sink import Delivery, Request, Sink, TargetLost, Throttled, Unavailable

LONGEST_PAUSE = 10.0
"""The most seconds between two attempts; full jitter takes a random part of it."""

FIRST_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The outcome of a request that could not be delivered, and why."""

    reason: str


class Deliverer:
    """Sends requests to ``sink`` until they are delivered or given up; used from several threads.

    A request that the target throttles is sent again without end. One that fails for another reason
    is given up after it has failed for ``give_up_after`` seconds, 0 never; if no other request was
    answered in that time either, the run is ended.
    """

    def __init__(self, sink: Sink, ledger: Ledger, control: Control, give_up_after: float) -> None:
        self._sink = sink
        self._ledger = ledger
        self._control = control
        self._give_up_after = give_up_after
        jitter = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Throttled, Unavailable)),
            wait=lambda state: _asked_wait(_error_of(state)) + jitter(state),
            stop=lambda state: control.at_once.is_set() or self._is_hopeless(state),
            sleep=tenacity.sleep_using_event(control.at_once),
            reraise=True,
        )

    def deliver(self, request: Request, lag: float) -> Delivery | GivenUp:
        """Send a request, again if need be; ``lag`` seconds count as part of its latency."""
        try:
            return self._attempts(request, lag)
        except (Throttled, Unavailable) as error:
            silence = time.monotonic() - self._ledger.last_answer
            if not self._control.at_once.is_set() and silence >= self._give_up_after:
                self._control.fail(f"no request has succeeded for {silence:.0f} s ({error})")
            return GivenUp(error.kind if isinstance(error, Unavailable) else "throttled")
        except TargetLost as error:
            self._control.fail(str(error))
            return GivenUp(str(error))

    def _attempts(self, request: Request, lag: float) -> Delivery:
        try:
            return self._attempt(request, lag, retry=False)
        except (Throttled, Unavailable) as error:
            # Only a request that fails pays for the machinery of retries.
            pause = _asked_wait(error) + random.uniform(0, FIRST_PAUSE)  # noqa: S311 - jitter
            if self._control.at_once.wait(pause):
                raise
        return self._retrying(self._attempt, request, lag, retry=True)

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

    def _is_hopeless(self, state: tenacity.RetryCallState) -> bool:
        failing = time.monotonic() - state.start_time
        return isinstance(_error_of(state), Unavailable) and 0 < self._give_up_after <= failing


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _asked_wait(error: BaseException | None) -> float:
    """Seconds that the target asks to wait at least."""
    return error.wait if isinstance(error, Throttled) else 0.0
