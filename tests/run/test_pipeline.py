"""Whatever a target does, every record ends up with exactly one outcome."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pytest
from fleetstream.fleet import Fleet
from fleetstream.run.outstanding import Outstanding
from fleetstream.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop
from fleetstream.targets.sink import (
    Delivery,
    Part,
    Rejection,
    Request,
    TargetLost,
    Throttled,
    Unavailable,
)

WORKLOAD = Workload(Fleet(1, ["eu-central-1"]), seed=1, missing_cpu=10)
BATCHES = [batch for second in range(3) for batch in WORKLOAD.sweep(second * 1_000_000)]
SIZE = 7


class ScriptedSink:
    """A target in memory that fails as it is told; what it stores, it keeps by record."""

    name = "a scripted target"
    concurrency = None
    exclusive = False

    def __init__(self, outcomes: Iterable[str]) -> None:
        self.stored: Counter[tuple[int, int]] = Counter()
        self._outcomes = iter(outcomes)
        self._lock = threading.Lock()

    def open(self) -> None: ...

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        records = Records(batch, RecordModel.SINGLE)
        for start in range(0, len(records), SIZE):
            part = Part(records, start, min(start + SIZE, len(records)))
            yield Request((part,), (id(batch), start))

    def pause(self) -> Iterable[Request]:
        return self.flush()

    def flush(self) -> Iterable[Request]:
        return ()

    def send(self, request: Request) -> Delivery:
        with self._lock:
            outcome = next(self._outcomes, "stored")
        if outcome == "throttled":
            raise Throttled("later")
        if outcome == "unavailable":
            raise Unavailable("cut")
        if outcome == "lost":
            raise TargetLost("it is gone")
        if outcome == "broken":
            raise RuntimeError("a defect")
        rejections = ()
        if outcome == "rejected":
            rejections = (Rejection(0, "unwanted"), Rejection(request.records - 1, "unfit"))
            rejections = rejections[: min(2, request.records)]
        self.stored[request.payload] += request.records - len(rejections)
        return Delivery(rejections)

    def close(self) -> None: ...

    def query_hint(self) -> None: ...


class Noting:
    """A watcher that counts the values which go in and come out."""

    def __init__(self) -> None:
        self.outstanding = Outstanding()
        self.entered = self.outstanding.entered
        self.settled = self.outstanding.settled
        self.given_up = 0
        self.refused = 0

    def undelivered(self, request: Request, reason: str) -> None:
        assert reason
        self.given_up += request.records

    def rejected(self, request: Request, delivery: Delivery) -> None:
        self.refused += len(delivery.rejections)


OUTCOMES = st.lists(
    st.sampled_from(["stored", "stored", "throttled", "unavailable", "rejected"]), max_size=40
)


@settings(max_examples=25, deadline=None)
@given(OUTCOMES, st.integers(1, 8))
def test_faults_that_pass_lose_nothing(outcomes: list[str], concurrency: int) -> None:
    """Throttles and failures are retried, rejections counted, the rest is stored once."""
    random.seed(0)
    sink, ledger, watcher = ScriptedSink(outcomes), Ledger(), Noting()
    Pipeline(BATCHES, sink, ledger, Stop(), concurrency=concurrency, watcher=watcher).run()
    totals = ledger.totals()
    assert totals.adds_up
    assert totals.undelivered.records == 0
    assert totals.generated.records == sum(len(Records(b, RecordModel.SINGLE)) for b in BATCHES)
    assert totals.stored.records == sink.stored.total()
    assert totals.rejected.records == watcher.refused == totals.rejections.total()
    assert not watcher.outstanding.standing().open


@settings(max_examples=25, deadline=None)
@given(OUTCOMES, st.sampled_from(["lost", "stop at once"]), st.integers(1, 8))
def test_a_run_that_ends_early_adds_up(outcomes: list[str], end: str, concurrency: int) -> None:
    """When the target is lost or the user leaves, the rest is undelivered and nothing is double."""
    sink, ledger, watcher, stop = ScriptedSink([*outcomes, "lost"]), Ledger(), Noting(), Stop()
    if end == "stop at once":
        timer = threading.Timer(0.005, lambda: (stop.ask(), stop.ask()))
        timer.start()
    Pipeline(BATCHES, sink, ledger, stop, concurrency=concurrency, watcher=watcher).run()
    totals = ledger.totals()
    assert totals.adds_up
    assert totals.undelivered.records == watcher.given_up == totals.losses.total()
    assert totals.stored.records <= sink.stored.total()
    assert len(watcher.outstanding.standing().open) <= 1, "the sweep that was cut, at most"


def test_giving_up_needs_silence_for_so_long() -> None:
    """A target that never answers ends the run after the given time, with everything kept."""
    sink, ledger, stop = ScriptedSink(["unavailable"] * 100_000), Ledger(), Stop()
    began = time.monotonic()
    Pipeline(BATCHES, sink, ledger, stop, concurrency=3, give_up_after=0.5).run()
    assert 0.5 <= time.monotonic() - began < 20
    totals = ledger.totals()
    assert totals.adds_up
    assert totals.stored.records == 0
    assert stop.reason is not None
    assert "no request has succeeded" in stop.reason


def test_throttling_never_gives_up() -> None:
    """However long it is throttled, a request is delivered in the end."""
    sink, ledger = ScriptedSink(["throttled"] * 6), Ledger()
    Pipeline(BATCHES[:1], sink, ledger, Stop(), concurrency=1, give_up_after=0.01).run()
    totals = ledger.totals()
    assert totals.stored == totals.generated
    assert totals.throttled == totals.retried == 6


def test_a_defect_is_told_after_the_accounts() -> None:
    """An unforeseen error ends the run and is raised, and the ledger adds up all the same."""
    sink, ledger, stop = ScriptedSink(["stored", "broken"]), Ledger(), Stop()
    with pytest.raises(RuntimeError, match="a defect"):
        Pipeline(BATCHES, sink, ledger, stop, concurrency=2).run()
    assert ledger.totals().adds_up
