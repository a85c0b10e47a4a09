"""Facts, sinks and ledgers of runs, for tests that look at what is shown of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.report.facts import RunFacts
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.run.undelivered import Kept
from fleetstream.targets.sink import Delivery, Rejection, Request
from tests.telemetry import METRICS, TIMESTAMP, generator, sweep_of

SECOND = 1_000_000
SMALL = generator(seed=7, regions=["eu-central-1"])
"""Ten hosts and twelve processes."""

MEDIUM = generator(seed=7, regions=["us-west-2"])
"""Forty hosts and forty-eight processes."""


@dataclass(frozen=True, slots=True)
class DiscardingSink:
    """Delivers nothing, under a name of its own."""

    name: str = "nothing"
    concurrency: int | None = 1
    exclusive: bool = False
    window: None = None

    def open(self) -> None: ...

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        yield request_of(batch)

    def pause(self) -> Iterable[Request]:
        return ()

    def flush(self) -> Iterable[Request]:
        return ()

    def send(self, request: Request) -> Delivery:
        return Delivery()

    def close(self) -> None: ...

    def query_hint(self) -> str | None:
        return "cat nothing"


def facts(**changes: Any) -> RunFacts:
    """The facts of a run of :data:`SMALL`."""
    known: dict[str, Any] = {
        "generator": SMALL,
        "parameters": {},
        "include": {"region": ["eu-central-1"]},
        "exclude": {"microservice_name": ["hercules"]},
        "sink": DiscardingSink(),
        "record_model": RecordModel.SINGLE,
        "sweeps": 0,
        "command": "fleetstream x",
        "resume": "fleetstream ingest --resume x.json",
        "replay": "fleetstream replay kept",
        "verification": "fleetstream verify x.json",
        "write_price": 0.5,
        "has_latency": True,
    }
    return RunFacts(**(known | changes))


def request_of(
    batch: pa.RecordBatch, size: int | None = None, writes: int | None = None
) -> Request:
    records = Records(batch, RecordModel.SINGLE)
    return Request((RecordRange(records, 0, len(records)),), b"", size, writes)


BATCH = sweep_of(SMALL, METRICS)


def deliver(
    ledger: Ledger,
    records: int = 1,
    seconds: float = 0.01,
    size: int | None = None,
    writes: int | None = None,
    unchanged: int = 0,
) -> None:
    """Note a request of so many records of one value, all of which are stored."""
    tally = Tally(records, records)
    ledger.generated(tally)
    ledger.attempted(request_of(BATCH, size, writes), seconds, Delivery(), retry=False)
    ledger.stored(tally, unchanged)


def eventful() -> tuple[Ledger, Kept]:
    """The ledger of a run in which everything happened that can happen, and its losses."""
    ledger = Ledger()
    ledger.generated(Tally(1_000, 1_000))
    request = request_of(BATCH, 5_000_000, 3_000_000)
    ledger.attempted(request, 0.02, Delivery((Rejection(0, "too [old]"),)), retry=False)
    ledger.attempted(request, 5.8409, None, retry=True)
    ledger.stored(Tally(900, 900), unchanged=140)
    ledger.rejected("too [old]", Tally(40, 40))
    ledger.undelivered("no answer in time", Tally(60, 60))
    ledger.throttled()
    ledger.failed("connection cut")
    ledger.disordered("late", 30)
    ledger.disordered("duplicate", 20)
    ledger.swept(3, TIMESTAMP)
    lost = Counter({TIMESTAMP + second * SECOND: 2 for second in range(25)})
    kept = Kept([Path("kept/metrics-1-2.parquet")], lost, "kept: No space left on device")
    return ledger, kept


def lines_with(text: str, names: Sequence[str]) -> list[str]:
    """The lines of a text that begin with one of the names."""
    return [line for line in text.splitlines() if line.startswith(tuple(names))]
