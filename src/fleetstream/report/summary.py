"""The summary at the end of a run, for people and for machines."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from fleetstream import _version
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.report.facts import RunFacts
from fleetstream.report.formats import counts, dollars, duration, moment, percentiles
from fleetstream.report.history import latencies_of
from fleetstream.run.latency import Latencies
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.run.undelivered import Kept
from fleetstream.targets.sink import Sink
from fleetstream.targets.timestream.prices import write_cost

LISTED_TIMES = 20
"""Timestamps listed, at most, of records that are lost."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class FleetSummary(msgspec.Struct, frozen=True):
    """What was simulated.

    ``parameters`` has the parameters of the model, ``include`` and ``exclude`` the values kept and
    left out of each dimension that was filtered, ``series`` the number of series per kind, under
    its noun.
    """

    model: str
    parameters: dict[str, int]
    include: dict[str, list[str]]
    series: dict[str, Count]
    values_per_sweep: Count
    exclude: dict[str, list[str]] = {}


class RecordsSummary(msgspec.Struct, frozen=True):
    """Records with one outcome and the values in them; ``reasons`` counts records per reason."""

    records: Count
    values: Count
    reasons: dict[str, Count] = {}


class RequestsSummary(msgspec.Struct, frozen=True):
    """Requests, every attempt counted.

    Latencies are in seconds, null where no request was timed. ``bytes_sent`` counts the bytes of
    request bodies, ``metered_writes`` units of 1 KiB, and ``cost`` is their price in US dollars, at
    ``write_price`` per million. These are null where the target has no such figure.
    """

    total: Count
    successful: Count
    retried: Count
    throttled: Count
    faults: dict[str, Count]
    latency: Latencies | None
    bytes_sent: Count | None
    metered_writes: Count | None
    write_price: Amount
    cost: Amount | None


class Summary(msgspec.Struct, frozen=True):
    """The outcome of a run of fleetstream.

    ``generated`` is the sum of ``stored``, ``rejected`` and ``undelivered``. ``unchanged`` counts
    stored records that the target had already. ``seconds`` is the duration of the run, ``started``
    its beginning (ISO 8601, UTC). ``skipped`` counts sweeps left out because they could not start
    in time; ``replaced`` counts workers that were lost; ``disorder`` counts records sent later, out
    of order or twice. ``command`` repeats the run, ``query`` shows what it wrote,
    ``verification`` verifies it, ``resume`` continues it and ``replay`` delivers the records that
    were not stored; all are for a shell, and null where there is nothing to do. ``sweeps_wanted``
    is null for a run without end. ``ended_by`` says why the run ended
    early, null where the user stopped it. ``undelivered_files`` contain the records that were not
    stored; ``lost`` counts rows that could not be kept either, by their Unix time in microseconds,
    for the reason ``lost_because``.
    """

    version: str
    target: str
    record_model: str
    seed: Count
    fleet: FleetSummary
    command: str
    query: str | None
    verification: str | None
    resume: str | None
    replay: str | None
    started: str
    seconds: Amount
    sweeps: Count
    sweeps_wanted: Count | None
    skipped: Count
    replaced: Count
    disorder: dict[str, Count]
    generated: RecordsSummary
    stored: RecordsSummary
    unchanged: Count
    rejected: RecordsSummary
    undelivered: RecordsSummary
    requests: RequestsSummary
    values_per_second: Amount
    records_per_second: Amount
    ended_by: str | None
    undelivered_files: list[str]
    lost: dict[str, Count]
    lost_because: str | None

    @property
    def commands(self) -> dict[str, str]:
        """The commands that are of use after the run, by what they do."""
        commands = {
            "Continue it": self.resume,
            "Deliver the rest": self.replay,
            "Repeat it": self.command,
            "Query it": self.query,
            "Verify it": self.verification,
        }
        return {what: command for what, command in commands.items() if command is not None}


def summarise(facts: RunFacts, ledger: Ledger, reason: str | None, kept: Kept) -> Summary:
    """The summary of a run that is over; ``reason`` says why, None where the user stopped it."""
    totals, seconds = ledger.totals(), ledger.elapsed
    return Summary(
        version=_version.__version__,
        target=facts.sink.name,
        record_model=str(facts.record_model),
        seed=facts.generator.seed,
        fleet=_fleet(facts),
        command=facts.command,
        query=facts.sink.query_hint() if totals.stored.records else None,
        verification=facts.verification,
        resume=facts.resume if totals.sweeps < (facts.sweeps or 0) else None,
        replay=facts.replay if kept.files else None,
        started=moment(int((time.time() - seconds) * MICROSECONDS)),
        seconds=seconds,
        sweeps=totals.sweeps,
        sweeps_wanted=facts.sweeps,
        skipped=totals.skipped,
        replaced=totals.replaced,
        disorder=dict(totals.disorder),
        generated=_records(totals.generated),
        stored=_records(totals.stored),
        unchanged=totals.unchanged,
        rejected=_records(totals.rejected, totals.rejections),
        undelivered=_records(totals.undelivered, totals.losses),
        requests=_requests(facts, ledger),
        values_per_second=totals.stored.values / max(seconds, 1e-9),
        records_per_second=totals.stored.records / max(seconds, 1e-9),
        ended_by=reason,
        undelivered_files=[str(path) for path in kept.files],
        lost={str(timestamp): rows for timestamp, rows in sorted(kept.lost.items())},
        lost_because=kept.failure,
    )


def _fleet(facts: RunFacts) -> FleetSummary:
    model = facts.generator.model
    defaults = {name: parameter.default for name, parameter in model.parameters.items()}
    return FleetSummary(
        model=model.name,
        parameters=defaults | dict(facts.parameters),
        include={dimension: list(values) for dimension, values in facts.include.items()},
        exclude={dimension: list(values) for dimension, values in facts.exclude.items()},
        series=facts.series,
        values_per_sweep=facts.generator.values_per_sweep,
    )


def _requests(facts: RunFacts, ledger: Ledger) -> RequestsSummary:
    totals = ledger.totals()
    writes = totals.metered_writes
    return RequestsSummary(
        total=totals.requests,
        successful=totals.successful,
        retried=totals.retried,
        throttled=totals.throttled,
        faults=dict(totals.faults.most_common()),
        latency=latencies_of(ledger) if facts.has_latency else None,
        bytes_sent=totals.bytes_sent,
        metered_writes=writes,
        write_price=facts.write_price,
        cost=None if writes is None else write_cost(writes, facts.write_price),
    )


def _records(tally: Tally, reasons: Counter[str] | None = None) -> RecordsSummary:
    return RecordsSummary(tally.records, tally.values, dict((reasons or Counter()).most_common()))


def write_summary(path: Path, summary: Summary) -> None:
    """Write the summary as JSON, described by ``docs/summary.schema.json``. Raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def show_summary(summary: Summary) -> None:
    """Print the summary to standard output."""
    from rich.markup import escape

    from fleetstream.report.console import OutputConsole

    console = OutputConsole()
    console.print()
    for name, figure in _rows(summary):
        console.print(f"[bold]{name:<15}[/bold]{escape(figure)}")
    for line in (*_reason_lines(summary), *_loss_lines(summary)):
        console.print(line, markup=False)
    for what, command in summary.commands.items():
        console.print(f"\n{what}:\n  {command}", markup=False)


def show_replay_summary(
    sink: Sink, ledger: Ledger, reason: str | None, unreadable: list[str], left: int
) -> None:
    """Print the outcome of a replay to standard output.

    ``unreadable`` has an error message per file that could not be read, ``left`` counts the files
    that are still there.
    """
    totals = ledger.totals()
    rate = totals.stored.records / max(ledger.elapsed, 1e-9)
    print(f"Delivered: {_delivered(_records(totals.stored), rate)} to {sink.name}.")
    for what, reasons in (("Rejected", totals.rejections), ("Undelivered", totals.losses)):
        for why, records in reasons.most_common():
            print(f"{what}: {records:,} records: {why}")
    for message in unreadable:
        print(message)
    if reason:
        print(f"The replay was ended: {reason}")
    print(f"{left} files are left." if left else "Nothing is left.")


def _rows(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Target", summary.target
    yield "Fleet", counts(summary.fleet.series)
    yield "Seed", str(summary.seed)
    of_all = f" of {summary.sweeps_wanted:,}" if summary.resume else ""
    yield "Total time", f"{duration(summary.seconds)}, {summary.sweeps:,}{of_all} sweeps"
    yield from _request_rows(summary.requests)
    yield "Delivered", _delivered(summary.stored, summary.records_per_second)
    if summary.unchanged:
        yield "Duplicates", f"{summary.unchanged:,} of these records, which the target had already"
    yield "Rate", f"{summary.values_per_second:,.0f} values/s"
    yield from _size_rows(summary.requests)
    if summary.skipped:
        yield "Skipped", f"{summary.skipped:,} sweeps that could not start in time"
    if summary.replaced:
        yield "Replaced", f"{summary.replaced:,} workers; their unfinished work was done again"
    if summary.disorder:
        disorder = (f"{count:,} records {what}" for what, count in sorted(summary.disorder.items()))
        yield "Disorder", ", ".join(disorder)
    for name, records in (("Rejected", summary.rejected), ("Undelivered", summary.undelivered)):
        if records.records:
            yield name, f"{records.records:,} records, {records.values:,} values"


def _request_rows(requests: RequestsSummary) -> Iterator[tuple[str, str]]:
    yield "Requests", f"{requests.total:,} total, {requests.successful:,} successful"
    if requests.latency is not None:
        deviation = duration(requests.latency.deviation)
        yield "Request times", f"mean {duration(requests.latency.mean)}, sd {deviation}"
        yield "Percentiles", percentiles(requests.latency, separator=", ")


def _size_rows(requests: RequestsSummary) -> Iterator[tuple[str, str]]:
    """How much was sent, and how much of it again."""
    from rich.filesize import decimal

    if requests.bytes_sent is not None:
        yield "Sent", decimal(requests.bytes_sent)
    if requests.metered_writes is not None and requests.cost is not None:
        cost = f"{dollars(requests.cost)} at {dollars(requests.write_price)} per million"
        yield "Metered writes", f"{requests.metered_writes:,} of 1 KiB, {cost}"
    if requests.retried:
        faults = requests.faults | ({"throttled": requests.throttled} if requests.throttled else {})
        yield "Retried", ", ".join(f"{count:,} × {fault}" for fault, count in faults.items())


def _reason_lines(summary: Summary) -> Iterator[str]:
    """Why records were not stored, and why the run ended early."""
    for what, records in (("Rejected", summary.rejected), ("Undelivered", summary.undelivered)):
        for why, count in records.reasons.items():
            yield f"{what}: {count:,} records: {why}"
    if summary.ended_by:
        yield f"The run was ended: {summary.ended_by}"


def _loss_lines(summary: Summary) -> Iterator[str]:
    """Where the records are that were not stored, and which are lost."""
    if summary.undelivered_files:
        yield f"They are kept in {Path(summary.undelivered_files[0]).parent}."
    if summary.lost:
        stamps = [int(stamp) // MICROSECONDS for stamp in summary.lost]
        listed = ", ".join(map(str, stamps[:LISTED_TIMES]))
        more = f" and {len(stamps) - LISTED_TIMES:,} more" if len(stamps) > LISTED_TIMES else ""
        yield (
            f"Lost: {sum(summary.lost.values()):,} rows, which could not be kept either "
            f"({summary.lost_because}). They can be generated again from seed {summary.seed} at "
            f"the Unix times {listed}{more}."
        )


def _delivered(stored: RecordsSummary, rate: float) -> str:
    return f"{stored.records:,} records, {stored.values:,} values ({rate:,.0f} records/s)"
