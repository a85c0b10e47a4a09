"""Whatever a target does, every record has exactly one outcome."""

import random
import threading
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.run.control import Control
from fleetstream.run.ledger import Ledger, Totals
from fleetstream.run.pipeline import Pipeline
from fleetstream.run.progress import ProgressTracker
from fleetstream.targets.sink import Delivery, Request
from tests.run.memory_target import MemoryTarget, script
from tests.telemetry import SECOND, generator

GENERATOR = generator(regions=["eu-central-1"], missing_percent=10)
BATCHES = [
    batch for first in (0, 2) for batch in GENERATOR.batches([first * SECOND, (first + 1) * SECOND])
]
RECORDS = sum(len(Records(batch, RecordModel.SINGLE)) for batch in BATCHES)
REQUEST = 7


class Counts:
    """Observes a pipeline: counts the values that go in and come out."""

    def __init__(self) -> None:
        self.tracker = ProgressTracker()
        self.entered = self.tracker.entered
        self.settled = self.tracker.settled
        self.given_up = 0
        self.refused = 0

    def undelivered(self, request: Request, reason: str) -> None:
        assert reason
        self.given_up += request.records

    def rejected(self, request: Request, delivery: Delivery) -> None:
        self.refused += len(delivery.rejections)


def deliver(
    target: MemoryTarget, control: Control | None = None, **options: object
) -> tuple[Totals, Counts]:
    ledger, counts = Ledger(), Counts()
    source = options.pop("source", BATCHES)
    pipeline = Pipeline(source, target.sink(), ledger, control or Control(), counts, **options)  # type: ignore[arg-type]
    pipeline.run()
    return ledger.totals(), counts


OUTCOMES = st.lists(
    st.sampled_from(["stored", "stored", "throttled", "unavailable", "rejected", "refused"]),
    max_size=40,
)


@settings(max_examples=25)
@given(OUTCOMES, st.integers(1, 8))
def test_faults_that_pass_lose_nothing(outcomes: list[str], concurrency: int) -> None:
    """Throttled and failed requests are sent again, rejections counted, the rest stored once."""
    random.seed(0)
    target = MemoryTarget(script(*outcomes), records_per_request=REQUEST)
    totals, counts = deliver(target, concurrency=concurrency)
    assert totals.adds_up
    assert totals.generated.records == RECORDS
    assert totals.undelivered.records == 0
    rows = target.rows
    assert totals.stored.records == len(rows) == len(set(rows))
    assert totals.rejected.records == counts.refused == totals.rejections.total()
    assert not counts.tracker.progress().open
    failures = outcomes[: totals.requests].count("throttled")
    failures += outcomes[: totals.requests].count("unavailable")
    assert totals.retried == failures == totals.throttled + totals.faults.total()


@settings(max_examples=25)
@given(OUTCOMES, st.sampled_from(["lost", "stop at once"]), st.integers(1, 8))
def test_a_run_that_ends_early_adds_up(outcomes: list[str], end: str, concurrency: int) -> None:
    """When the target is lost or the user leaves, the rest is undelivered and none counts twice."""
    control = Control()
    last = "lost" if end == "lost" else "stored"
    target = MemoryTarget(script(*outcomes, last), records_per_request=REQUEST)
    if end == "stop at once":
        threading.Timer(0.005, lambda: (control.ask(), control.ask())).start()
    totals, counts = deliver(target, control, concurrency=concurrency)
    assert totals.adds_up
    assert totals.undelivered.records == counts.given_up == totals.losses.total()
    assert totals.stored.records <= len(target.rows)
    assert totals.generated.records <= RECORDS


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["stored", "rejected", "refused", "unavailable"]), max_size=30))
def test_the_target_meters_what_it_stores_at_least_in_part(outcomes: list[str]) -> None:
    random.seed(0)
    target = MemoryTarget(script(*outcomes), records_per_request=50)
    totals, _ = deliver(target, concurrency=1)
    answers = [*outcomes, *["stored"] * totals.requests][: totals.requests]
    # The memory target says that a request is three writes and ten bytes.
    assert totals.metered_writes == 3 * sum(each in ("stored", "rejected") for each in answers)
    assert totals.bytes_sent == 10 * totals.requests
    assert totals.successful == answers.count("stored")


def test_a_source_stopped_within_a_batch_is_not_taken_as_exhausted() -> None:
    """Requests of the last batch that were not made must not look as if they had been sent."""
    control, exhausted = Control(), []

    def source() -> Iterator[pa.RecordBatch]:
        yield BATCHES[0]
        exhausted.append(True)

    def stop(_request: Request) -> str:
        if not control.gently.is_set():
            control.ask()
        return "stored"

    target = MemoryTarget(stop, records_per_request=REQUEST)
    totals, _ = deliver(target, control, source=source(), concurrency=1)
    assert 0 < totals.generated.records < len(Records(BATCHES[0], RecordModel.SINGLE))
    assert totals.delivered
    assert not exhausted


def test_a_gentle_stop_finishes_what_is_in_flight() -> None:
    control = Control()
    target = MemoryTarget(records_per_request=REQUEST, seconds=0.01)
    threading.Timer(0.05, control.ask).start()
    totals, _ = deliver(target, control, concurrency=2)
    assert 0 < totals.generated.records < RECORDS
    assert totals.delivered
    assert control.reason is None


def test_what_a_gentle_stop_cannot_finish_in_time_is_given_up() -> None:
    control = Control(drain_seconds=0.3)
    target = MemoryTarget(lambda _request: "unavailable", records_per_request=REQUEST)
    threading.Timer(0.05, control.ask).start()
    totals, counts = deliver(target, control, concurrency=2)
    assert control.reason == "not delivered within 0.3 s of the stop"
    assert totals.adds_up
    assert totals.undelivered == totals.generated
    assert counts.given_up == totals.generated.records > 0


def test_a_defect_is_raised_after_everything_is_accounted_for() -> None:
    ledger = Ledger()
    target = MemoryTarget(script("stored", "broken"))
    pipeline = Pipeline(BATCHES, target.sink(), ledger, Control(), Counts(), concurrency=2)
    with pytest.raises(RuntimeError, match="a defect"):
        pipeline.run()
    assert ledger.totals().adds_up


def test_a_sweep_that_was_held_up_is_timed_from_when_it_was_meant_to_begin() -> None:
    now = int(time.time()) * SECOND
    batch = next(iter(GENERATOR.batches([now - 100 * SECOND])))
    for live_from, expected in ((now - 200 * SECOND, True), (now, False), (None, False)):
        ledger = Ledger()
        Pipeline(
            [batch], MemoryTarget().sink(), ledger, Control(), Counts(), live_from=live_from
        ).run()
        assert (ledger.latencies().p50 > 99) is expected
