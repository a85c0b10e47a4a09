"""The summary at the end of a run, for people and for machines."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

from fleetstream import _version
from fleetstream.report.run import Run
from fleetstream.report.wording import dollars, milliseconds, moment, percentiles
from fleetstream.run.ledger import Latencies, Ledger, Tally
from fleetstream.targets.timestream.prices import write_cost
from fleetstream.run.undelivered import Losses
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.targets.sink import Sink

LISTED = 20
"""Timestamps named of those whose records are lost."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Fleet(msgspec.Struct, frozen=True):
    """Who emitted; no regions or microservices are named where all were included."""

    hosts: Count
    processes: Count
    values_per_sweep: Count
    host_scale: Count
    regions: list[str]
    microservices: list[str]


class Outcome(msgspec.Struct, frozen=True):
    """Some records and the values in them, and where it applies why, with counts of records."""

    records: Count
    values: Count
    reasons: dict[str, Count] = {}


class Requests(msgspec.Struct, frozen=True):
    """Requests, every attempt counted; latencies are in seconds; bytes are those of bodies.

    ``metered_writes`` counts units of 1 KiB, 0 where the target does not meter; ``cost`` is what
    they cost in US dollars, at ``write_price`` for a million.
    """

    total: Count
    successful: Count
    retried: Count
    throttled: Count
    faults: dict[str, Count]
    latency: Latencies
    bytes_sent: Count
    metered_writes: Count
    write_price: Amount
    cost: Amount


class Summary(msgspec.Struct, frozen=True):
    """What became of a run of fleetstream.

    ``generated`` is what ``stored``, ``rejected`` and ``undelivered`` add up to. ``seconds`` is how
    long the run took, ``started`` when it began (ISO 8601, UTC). ``skipped`` counts sweeps left out
    because they could not start in time; ``replaced`` workers that were lost; ``disorder`` records
    that were sent late, out of order or once more, on purpose. ``command`` repeats the run,
    ``query`` shows what it wrote and ``verification`` proves it, all for a shell. ``ended_by`` says
    why the run ended early, where it was not the user. ``undelivered_files`` hold the records that
    were not stored, and ``lost`` counts rows that could not be kept either, by their Unix time in
    microseconds, for the reason ``lost_because``.
    """

    version: str
    target: str
    record_model: str
    seed: Count
    fleet: Fleet
    command: str
    query: str | None
    verification: str | None
    started: str
    seconds: Amount
    sweeps: Count
    skipped: Count
    replaced: Count
    disorder: dict[str, Count]
    generated: Outcome
    stored: Outcome
    rejected: Outcome
    undelivered: Outcome
    requests: Requests
    values_per_second: Amount
    records_per_second: Amount
    ended_by: str | None
    undelivered_files: list[str]
    lost: dict[str, Count]
    lost_because: str | None


def summarise(run: Run, ledger: Ledger, reason: str | None, losses: Losses) -> Summary:
    """The summary of a run that is over; ``reason`` says why, where it was not the user."""
    totals, seconds, fleet = ledger.totals(), ledger.elapsed, run.workload.fleet
    return Summary(
        version=_version.__version__,
        target=run.sink.name,
        record_model=str(run.record_model),
        seed=run.workload.seed,
        fleet=Fleet(
            run.hosts,
            run.processes,
            run.workload.values_per_sweep,
            fleet.host_scale,
            list(fleet.regions),
            list(fleet.microservices),
        ),
        command=run.command,
        query=run.sink.query_hint() if totals.stored.records else None,
        verification=run.verification,
        started=moment(int((time.time() - seconds) * MICROSECONDS)),
        seconds=seconds,
        sweeps=totals.sweeps,
        skipped=totals.skipped,
        replaced=totals.replaced,
        disorder=dict(totals.disorder),
        generated=_outcome(totals.generated),
        stored=_outcome(totals.stored),
        rejected=_outcome(totals.rejected, totals.rejections),
        undelivered=_outcome(totals.undelivered, totals.losses),
        requests=Requests(
            total=totals.requests,
            successful=totals.successful,
            retried=totals.retried,
            throttled=totals.throttled,
            faults=dict(totals.faults.most_common()),
            latency=ledger.latencies(),
            bytes_sent=totals.bytes_sent,
            metered_writes=totals.metered_writes,
            write_price=run.write_price,
            cost=write_cost(totals.metered_writes, run.write_price),
        ),
        values_per_second=totals.stored.values / max(seconds, 1e-9),
        records_per_second=totals.stored.records / max(seconds, 1e-9),
        ended_by=reason,
        undelivered_files=[str(path) for path in losses.files],
        lost={str(timestamp): rows for timestamp, rows in sorted(losses.lost.items())},
        lost_because=losses.failure,
    )


def write_summary(path: Path, summary: Summary) -> None:
    """Write the summary as JSON, as `docs/summary.schema.json` describes it; raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def show_summary(summary: Summary) -> None:
    """Print the summary to standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    for name, figure in _rows(summary):
        console.print(f"[bold]{name:<15}[/bold]{escape(figure)}")
    for line in (*_reason_lines(summary), *_loss_lines(summary)):
        console.print(line, markup=False)
    commands = (summary.command, summary.query, summary.verification)
    for heading, command in zip(("Repeat it", "Query it", "Verify it"), commands, strict=True):
        if command:
            console.print(f"\n{heading}:\n  {command}", markup=False)


def show_replay_summary(
    sink: Sink, ledger: Ledger, reason: str | None, unreadable: list[str], left: int
) -> None:
    """Print what a replay has done to standard output."""
    totals = ledger.totals()
    rate = totals.stored.records / max(ledger.elapsed, 1e-9)
    print(f"Delivered: {_delivered(_outcome(totals.stored), rate)} to {sink.name}.")
    for what, reasons in (("Rejected", totals.rejections), ("Undelivered", totals.losses)):
        for why, records in reasons.most_common():
            print(f"{what}: {records:,} records: {why}")
    for sentence in unreadable:
        print(sentence)
    if reason:
        print(f"The replay was ended: {reason}")
    print(f"{left} files are left." if left else "Nothing is left.")


def _rows(summary: Summary) -> Iterator[tuple[str, str]]:
    fleet, requests, latency = summary.fleet, summary.requests, summary.requests.latency
    yield "Target", summary.target
    yield "Fleet", f"{fleet.hosts:,} hosts, {fleet.processes:,} processes"
    yield "Seed", str(summary.seed)
    yield "Total time", f"{summary.seconds:,.1f} s, {summary.sweeps:,} sweeps"
    yield "Requests", f"{requests.total:,} total, {requests.successful:,} successful"
    spread = f"sd {milliseconds(latency.deviation)}"
    yield "Request times", f"mean {milliseconds(latency.mean)}, {spread}"
    yield "Percentiles", percentiles(latency, separator=", ")
    yield "Delivered", _delivered(summary.stored, summary.records_per_second)
    yield "Rate", f"{summary.values_per_second:,.0f} values/s"
    if requests.bytes_sent:
        yield "Sent", decimal(requests.bytes_sent)
    if requests.metered_writes:
        cost = f"{dollars(requests.cost)} at {dollars(requests.write_price)} a million"
        yield "Metered writes", f"{requests.metered_writes:,} of 1 KiB, {cost}"
    if requests.retried:
        faults = requests.faults | ({"throttled": requests.throttled} if requests.throttled else {})
        yield "Retried", ", ".join(f"{count:,} × {fault}" for fault, count in faults.items())
    if summary.skipped:
        yield "Skipped", f"{summary.skipped:,} sweeps that could not start in time"
    if summary.replaced:
        yield "Replaced", f"{summary.replaced:,} workers; what they had not settled came again"
    if summary.disorder:
        counts = (f"{count:,} records {what}" for what, count in sorted(summary.disorder.items()))
        yield "Disorder", ", ".join(counts)
    for name, outcome in (("Rejected", summary.rejected), ("Undelivered", summary.undelivered)):
        if outcome.records:
            yield name, f"{outcome.records:,} records, {outcome.values:,} values"


def _reason_lines(summary: Summary) -> Iterator[str]:
    """Why records were not stored, and why the run ended."""
    for what, outcome in (("Rejected", summary.rejected), ("Undelivered", summary.undelivered)):
        for why, records in outcome.reasons.items():
            yield f"{what}: {records:,} records: {why}"
    if summary.ended_by:
        yield f"The run was ended: {summary.ended_by}"


def _loss_lines(summary: Summary) -> Iterator[str]:
    """Where the records are that were not stored, and which are lost."""
    if summary.undelivered_files:
        folder = Path(summary.undelivered_files[0]).parent
        yield (
            f"They are kept in {folder}; `fleetstream replay {folder}` with the options of the "
            "target delivers them."
        )
    if summary.lost:
        stamps = [int(stamp) // MICROSECONDS for stamp in summary.lost]
        listed = ", ".join(map(str, stamps[:LISTED]))
        more = f" and {len(stamps) - LISTED:,} more" if len(stamps) > LISTED else ""
        yield (
            f"Lost: {sum(summary.lost.values()):,} rows, which could not be kept either "
            f"({summary.lost_because}). They can be generated again from seed {summary.seed} at "
            f"the Unix times {listed}{more}."
        )


def _outcome(tally: Tally, reasons: Counter[str] | None = None) -> Outcome:
    return Outcome(tally.records, tally.values, dict((reasons or Counter()).most_common()))


def _delivered(stored: Outcome, rate: float) -> str:
    return f"{stored.records:,} records, {stored.values:,} values ({rate:,.0f} records/s)"
