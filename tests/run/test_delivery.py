"""How long a request is tried, and when a run ends because nothing can be delivered."""

import random
import time
from collections import Counter

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.run.control import Control
from fleetstream.run.delivery import Deliverer, GivenUp
from fleetstream.run.ledger import Ledger
from fleetstream.targets.sink import Delivery, Request
from tests.run.memory_target import MemoryTarget, script
from tests.run.test_pipeline import BATCHES, deliver

RECORDS = Records(BATCHES[0], RecordModel.SINGLE)
REQUEST = Request((RecordRange(RECORDS, 0, 5),), None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds."""
    random.seed(0)
    monkeypatch.setattr("fleetstream.run.delivery.FIRST_PAUSE", 0.002)
    monkeypatch.setattr("fleetstream.run.delivery.LONGEST_PAUSE", 0.01)


def test_only_requests_sent_again_count_as_retried() -> None:
    """The failure after which a request is given up leads to no other attempt."""
    ledger, control = Ledger(), Control()
    target = MemoryTarget(lambda _request: "unavailable")
    outcome = Deliverer(target.sink(), ledger, control, 0.05).deliver(REQUEST, 0.0)
    totals = ledger.totals()
    assert outcome == GivenUp("cut")
    assert totals.requests == totals.faults["cut"] > 1
    assert totals.retried == totals.requests - 1


def test_a_request_that_fails_while_others_succeed_is_given_up_and_the_run_goes_on() -> None:
    control = Control()
    first: list[Request] = []

    def answer(request: Request) -> str:
        first.append(request)
        return "unavailable" if request is first[0] else "stored"

    target = MemoryTarget(answer, records_per_request=2, seconds=0.002)
    totals, _ = deliver(target, control, concurrency=2, give_up_after=0.15)
    assert control.reason is None
    assert totals.undelivered.records == totals.losses["cut"] == 2
    assert totals.stored == totals.generated - totals.undelivered


def test_the_run_ends_when_nothing_succeeds() -> None:
    control = Control()
    target = MemoryTarget(lambda _request: "unavailable")
    totals, _ = deliver(target, control, concurrency=3, give_up_after=0.2)
    assert control.reason is not None
    assert control.reason.startswith("no request has succeeded for")
    assert totals.adds_up
    assert totals.stored.records == 0
    assert totals.undelivered.records > 0


def test_throttled_requests_are_never_given_up() -> None:
    ledger, control = Ledger(), Control()
    target = MemoryTarget(script(*["throttled"] * 40))
    outcome = Deliverer(target.sink(), ledger, control, 0.01).deliver(REQUEST, 0.0)
    assert outcome == Delivery()
    assert control.reason is None
    assert ledger.totals().throttled == ledger.totals().retried == 40


def test_a_failure_after_throttling_is_the_first_of_its_time() -> None:
    """A target that throttles is there, however long it does."""
    ledger, control = Ledger(), Control()
    target = MemoryTarget(script(*["throttled", "throttled", "throttled", "unavailable"] * 20))
    outcome = Deliverer(target.sink(), ledger, control, 0.03).deliver(REQUEST, 0.0)
    assert outcome == Delivery()
    assert control.reason is None
    assert ledger.totals().faults == Counter(cut=20)


def test_a_target_that_throttles_other_requests_does_not_end_the_run() -> None:
    """Nothing is stored until the first request is given up, but the target answers."""
    control, first = Control(), []

    def answer(request: Request) -> str:
        first.append(request)
        if request is first[0]:
            return "unavailable"
        return "stored" if time.monotonic() > throttling_until else "throttled"

    target = MemoryTarget(answer, seconds=0.001)
    throttling_until = time.monotonic() + 0.5
    totals, _ = deliver(target, control, concurrency=2, give_up_after=0.2)
    assert control.reason is None
    assert totals.throttled > 0
    assert totals.losses == Counter(cut=first[0].records)


def test_without_a_time_to_give_up_a_request_is_tried_until_the_stop() -> None:
    ledger, control = Ledger(), Control()

    def answer(_request: Request) -> str:
        if ledger.totals().requests == 50:
            control.ask()
            control.ask()
        return "unavailable"

    outcome = Deliverer(MemoryTarget(answer).sink(), ledger, control, 0.0).deliver(REQUEST, 0.0)
    assert outcome == GivenUp("cut")
    assert ledger.totals().requests == 51
    assert control.reason is None


def test_a_lost_target_ends_the_run_at_once() -> None:
    ledger, control = Ledger(), Control()
    target = MemoryTarget(script("lost"))
    outcome = Deliverer(target.sink(), ledger, control, 300.0).deliver(REQUEST, 0.0)
    assert outcome == GivenUp("it is gone")
    assert control.reason == "it is gone"
    assert control.at_once.is_set()
