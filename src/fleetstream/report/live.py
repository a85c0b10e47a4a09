"""The live view: one panel on a terminal that shows how a run goes."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.filesize import decimal
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from fleetstream.report.history import Interval, Sample, current, intervals
from fleetstream.report.run import Run
from fleetstream.report.wording import dollars, duration, moment, percentiles, rate
from fleetstream.run.ledger import Totals
from fleetstream.targets.timestream.prices import write_cost

WIDEST = 100
"""Columns of the panel, at most: longer lines are hard to read."""

BARS = "▁▂▃▄▅▆▇█"

_NAMES, _RATES = 14, 14
"""Columns for the names of figures, and for rates."""


def live_panel(run: Run, samples: Sequence[Sample], notice: str) -> RenderableType:
    """The view after the latest of ``samples``; ``notice`` says what to know or do now.

    It is made of lines rather than of tables, which take rich several times as long to lay out.
    """
    latest = samples[-1]
    lines: list[RenderableType] = [
        *_facts(run, latest),
        *_progress(run, latest),
        "",
        *_rates(current(samples), Interval(Sample(), latest)),
        _Sparkline(samples),
        "",
        *_outcomes(run, latest),
    ]
    panel = Panel(
        Group(*lines),
        title=Text("fleetstream", "bold"),
        title_align="left",
        subtitle=Text(notice),
        subtitle_align="left",
        padding=(0, 1),
    )
    return Constrain(panel, WIDEST)


def _line(name: str, *figures: str | tuple[str, str]) -> Text:
    """A named line of figures, each perhaps with a style."""
    parts = ((name.ljust(_NAMES), "dim"), *figures)
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _facts(run: Run, latest: Sample) -> Iterator[Text]:
    """What is written, and where to."""
    values = f"{run.workload.values_per_sweep:,}"
    yield _line("Target", run.sink.name)
    yield _line(
        "Fleet", f"{run.hosts:,} hosts, {run.processes:,} processes, {values} values a sweep"
    )
    yield _line("Seed", str(run.workload.seed))
    sweep = "not begun"
    if latest.last_sweep is not None:
        of = f" of {run.sweeps:,}" if run.sweeps else ""
        sweep = f"{latest.totals.sweeps:,}{of}, at {moment(latest.last_sweep)}"
    yield _line("Sweep", sweep)


def _progress(run: Run, latest: Sample) -> Iterator[RenderableType]:
    """How long it has taken, and where there is an end, how much is left."""
    done, elapsed = latest.totals.sweeps, duration(latest.elapsed)
    if run.sweeps and done:
        left = latest.elapsed / done * (run.sweeps - done)
        elapsed = f"{elapsed}, about {duration(left)} left"
    yield _line("Elapsed", elapsed)
    if run.sweeps:
        yield ProgressBar(
            total=run.sweeps, completed=done, complete_style="cyan", finished_style="cyan"
        )
        yield ""  # ends the line of the bar


def _rates(now: Interval, mean: Interval) -> Iterator[Text]:
    """Rates of the last seconds beside those of the whole run."""
    yield _line("", (f"{'now':>{_RATES}}{'mean':>{_RATES}}", "dim"))
    rates = [
        ("Values/s", rate(now.values_per_second), rate(mean.values_per_second)),
        ("Requests/s", rate(now.requests_per_second), rate(mean.requests_per_second)),
    ]
    if mean.after.totals.bytes_sent:
        sent = [decimal(int(each.bytes_per_second)) for each in (now, mean)]
        rates.append(("Sent/s", sent[0], sent[1]))
    if mean.after.totals.throttled:
        throttled = [rate(each.throttled_per_second) for each in (now, mean)]
        rates.append(("Throttled/s", throttled[0], throttled[1]))
    for name, latest, average in rates:
        yield _line(name, (latest.rjust(_RATES), "bold"), average.rjust(_RATES))


class _Sparkline:
    """Values per second over the last minute, as many seconds as there is room for."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._rates = [each.values_per_second for each in intervals(samples, 1.0)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rates = self._rates[-max(options.max_width - _NAMES, 1) :]
        peak = max(rates, default=0.0) or 1.0
        bars = "".join(BARS[round(each / peak * (len(BARS) - 1))] for each in rates)
        yield _line("Last minute", (bars, "cyan"))


def _outcomes(run: Run, latest: Sample) -> Iterator[Text]:
    """Latencies, and what became of the records."""
    totals = latest.totals
    yield _line("Latency", percentiles(latest.latencies, separator="   "))
    yield _line("Stored", f"{totals.stored.records:,} records, {totals.stored.values:,} values")
    yield _line("In flight", f"{totals.in_flight.records:,} records")
    yield _line("Faults", *_faults(totals))
    if totals.metered_writes:
        cost = dollars(write_cost(totals.metered_writes, run.write_price))
        yield _line("Metered", f"{totals.metered_writes:,} writes of 1 KiB, {cost} so far")


def _faults(totals: Totals) -> Iterator[tuple[str, str]]:
    """What went wrong, in colour where it did."""
    for name, count, colour in (
        ("throttled", totals.throttled, "yellow"),
        ("retried", totals.retried, "yellow"),
        ("rejected", totals.rejected.records, "red"),
        ("undelivered", totals.undelivered.records, "red"),
    ):
        yield f"{count:,} {name}   ", colour if count else "dim"
