"""The live view: one panel on a terminal that shows how a run goes."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.filesize import decimal
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fleetstream.display.history import Interval, Sample, current, intervals
from fleetstream.display.run import Run
from fleetstream.display.wording import dollars, duration, moment, percentiles, rate
from fleetstream.ledger import Totals
from fleetstream.prices import write_cost

WIDEST = 100
"""Columns of the panel, at most: longer lines are hard to read."""

BARS = "▁▂▃▄▅▆▇█"

_NAMES, _RATES = 12, 13
"""Columns for the names of figures, and at least for rates."""


def live_panel(run: Run, samples: Sequence[Sample], notice: str) -> RenderableType:
    """The view after the latest of ``samples``; ``notice`` says what to know or do now."""
    latest = samples[-1]
    parts: list[RenderableType] = [
        _facts(run, latest),
        _progress(run, latest),
        "",
        _rates(current(samples), Interval(Sample(), latest)),
        _sparkline(samples),
        "",
        _outcomes(run, latest),
    ]
    panel = Panel(
        Group(*parts),
        title="[bold]fleetstream[/bold]",
        title_align="left",
        subtitle=escape(notice),
        subtitle_align="left",
        padding=(0, 1),
    )
    return Constrain(panel, WIDEST)


def _facts(run: Run, latest: Sample) -> Table:
    """What is written, and where to."""
    sweep = "not begun"
    if latest.last_sweep is not None:
        of = f" of {run.sweeps:,}" if run.sweeps else ""
        sweep = f"{latest.totals.sweeps:,}{of}, at {moment(latest.last_sweep)}"
    values = f"{run.workload.values_per_sweep:,}"
    return _figures(
        ("Target", escape(run.sink.name)),
        ("Fleet", f"{run.hosts:,} hosts, {run.processes:,} processes, {values} values a sweep"),
        ("Seed", str(run.workload.seed)),
        ("Sweep", sweep),
        ("Elapsed", duration(latest.elapsed)),
    )


def _progress(run: Run, latest: Sample) -> RenderableType:
    """A bar with the time left, where there is an end."""
    if not run.sweeps:
        return ""
    done = latest.totals.sweeps
    left = latest.elapsed / done * (run.sweeps - done) if done else None
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    row.add_row(
        ProgressBar(total=run.sweeps, completed=done),
        f"{100 * done / run.sweeps:.0f} %"
        + ("" if left is None else f", about {duration(left)} left"),
    )
    return row


def _rates(now: Interval, mean: Interval) -> Table:
    """Rates of the last seconds beside those of the whole run, and latencies."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_NAMES)
    for _ in range(2):
        table.add_column(justify="right", min_width=_RATES, no_wrap=True)
    table.add_row("", "[dim]now[/dim]", "[dim]mean[/dim]")
    table.add_row(
        "Values/s", f"[bold]{rate(now.values_per_second)}[/bold]", rate(mean.values_per_second)
    )
    table.add_row("Requests/s", rate(now.requests_per_second), rate(mean.requests_per_second))
    if mean.after.totals.bytes_sent:
        table.add_row(
            "Sent/s", decimal(int(now.bytes_per_second)), decimal(int(mean.bytes_per_second))
        )
    return table


class _Sparkline:
    """Values per second over the last minute, as many seconds as there is room for."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._rates = [each.values_per_second for each in intervals(samples, 1.0)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rates = self._rates[-options.max_width :]
        peak = max(rates, default=0.0) or 1.0
        yield Text("".join(BARS[round(each / peak * (len(BARS) - 1))] for each in rates), "cyan")


def _sparkline(samples: Sequence[Sample]) -> Table:
    return _figures(("Last minute", _Sparkline(samples)))


def _outcomes(run: Run, latest: Sample) -> Table:
    """Latencies, and what became of the records."""
    totals, latencies = latest.totals, latest.latencies
    return _figures(
        ("Latency", percentiles(latencies, separator="   ")),
        ("Stored", f"{totals.stored.records:,} records, {totals.stored.values:,} values"),
        ("In flight", f"{totals.in_flight.records:,} records"),
        ("Faults", "   ".join(_faults(totals))),
        *_cost(run, totals),
    )


def _faults(totals: Totals) -> Iterator[str]:
    """What went wrong, in colour where it did."""
    for name, count, colour in (
        ("throttled", totals.throttled, "yellow"),
        ("retried", totals.retried, "yellow"),
        ("rejected", totals.rejected.records, "red"),
        ("undelivered", totals.undelivered.records, "red"),
    ):
        text = f"{count:,} {name}"
        yield f"[{colour}]{text}[/{colour}]" if count else f"[dim]{text}[/dim]"


def _cost(run: Run, totals: Totals) -> Iterator[tuple[str, str]]:
    """Metered writes and what they cost, where the target meters."""
    if totals.metered_writes:
        cost = write_cost(totals.metered_writes, run.write_price)
        yield "Metered", f"{totals.metered_writes:,} writes of 1 KiB, {dollars(cost)} so far"


def _figures(*rows: tuple[str, RenderableType]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=_NAMES)
    table.add_column()
    for name, figure in rows:
        table.add_row(f"[dim]{name}[/dim]", figure)
    return table
