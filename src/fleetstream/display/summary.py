"""The summary at the end of a run."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from fleetstream.ledger import Latencies, Ledger, Tally, Totals
from fleetstream.recovery.undelivered import Losses
from fleetstream.signals import MICROSECONDS
from fleetstream.sinks import Sink
from fleetstream.workload import Workload

LISTED = 20
"""Timestamps named of those whose records are lost."""


def show_summary(
    workload: Workload, sink: Sink, ledger: Ledger, reason: str | None, losses: Losses
) -> None:
    """Print the summary to standard output."""
    totals, latencies, seconds = ledger.totals(), ledger.latencies(), ledger.elapsed
    console = Console(highlight=False, soft_wrap=True)
    grid = Table.grid(padding=(0, 2))
    for name, figure in _rows(workload, sink, totals, latencies, seconds):
        grid.add_row(f"[bold]{name}[/bold]", figure)
    console.print()
    console.print(grid)
    for what, reasons in (("Rejected", totals.rejections), ("Undelivered", totals.losses)):
        for why, records in reasons.most_common():
            console.print(f"{what}: {records:,} records: {why}", markup=False)
    if reason:
        console.print(f"The run was ended: {reason}", markup=False)
    for line in _loss_lines(workload.seed, losses):
        console.print(line, markup=False)
    hint = sink.query_hint()
    if hint and totals.stored.records:
        console.print("\nQuery it:")
        console.print(f"  {hint}", markup=False)


def show_replay_summary(
    sink: Sink, ledger: Ledger, reason: str | None, unreadable: list[str], left: int
) -> None:
    """Print what a replay has done to standard output."""
    totals = ledger.totals()
    print(f"Delivered: {_delivered(totals.stored, ledger.elapsed)} to {sink.name}.")
    for what, reasons in (("Rejected", totals.rejections), ("Undelivered", totals.losses)):
        for why, records in reasons.most_common():
            print(f"{what}: {records:,} records: {why}")
    for sentence in unreadable:
        print(sentence)
    if reason:
        print(f"The replay was ended: {reason}")
    print(f"{left} files are left." if left else "Nothing is left.")


def _loss_lines(seed: int, losses: Losses) -> Iterator[str]:
    """Where the records are that were not stored, and which are lost."""
    if losses.files:
        folder = losses.files[0].parent
        yield (
            f"They are kept in {folder}; `fleetstream replay {folder}` with the options of the "
            "target delivers them."
        )
    if losses.lost:
        stamps = sorted(losses.lost)
        listed = ", ".join(str(stamp // MICROSECONDS) for stamp in stamps[:LISTED])
        more = f" and {len(stamps) - LISTED:,} more" if len(stamps) > LISTED else ""
        yield (
            f"Lost: {losses.lost.total():,} rows, which could not be kept either "
            f"({losses.failure}). They can be generated again from seed {seed} at the Unix times "
            f"{listed}{more}."
        )


def _rows(
    workload: Workload, sink: Sink, totals: Totals, latencies: Latencies, seconds: float
) -> list[tuple[str, str]]:
    times = (
        f"mean {_ms(latencies.mean)}, sd {_ms(latencies.deviation)}, p50 {_ms(latencies.p50)}, "
        f"p90 {_ms(latencies.p90)}, p99 {_ms(latencies.p99)}, max {_ms(latencies.longest)}"
    )
    rows = [
        ("Target", sink.name),
        ("Seed", str(workload.seed)),
        ("Total time", f"{seconds:,.1f} s, {totals.sweeps:,} sweeps"),
        ("Requests", f"{totals.requests:,} total, {totals.successful:,} successful"),
        ("Request times", times),
        ("Delivered", _delivered(totals.stored, seconds)),
        ("Rate", f"{totals.stored.values / max(seconds, 1e-9):,.0f} values/s"),
    ]
    if totals.metered_writes:
        rows.append(("Metered writes", f"{totals.metered_writes:,} of 1 KiB"))
    if totals.retried:
        faults = ", ".join(f"{count:,} × {fault}" for fault, count in totals.faults.most_common())
        throttled = f"{totals.throttled:,} × throttled" if totals.throttled else ""
        rows.append(("Retried", ", ".join(filter(None, [throttled, faults]))))
    if totals.skipped:
        rows.append(("Skipped", f"{totals.skipped:,} sweeps that could not start in time"))
    for name, tally in (("Rejected", totals.rejected), ("Undelivered", totals.undelivered)):
        if tally.records:
            rows.append((name, f"{tally.records:,} records, {tally.values:,} values"))
    return rows


def _delivered(stored: Tally, seconds: float) -> str:
    rate = stored.records / max(seconds, 1e-9)
    return f"{stored.records:,} records, {stored.values:,} values ({rate:,.0f} records/s)"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"
