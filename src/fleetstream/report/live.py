"""The live view: one panel on a terminal that shows the progress of a run."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.filesize import decimal
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from fleetstream.report.facts import RunFacts
from fleetstream.report.formats import counts, dollars, duration, moment, percentiles, rate
from fleetstream.report.history import Interval, Sample, current, intervals
from fleetstream.run.control import Control
from fleetstream.run.ledger import Totals
from fleetstream.targets.timestream.prices import write_cost

MAX_COLUMNS = 160
"""Columns of the panel, at most: longer lines are hard to read."""

BARS = "▁▂▃▄▅▆▇█"

_BORDERS = 2
"""Lines of the panel's border."""

_NAME_COLUMNS, _RATE_COLUMNS = 14, 14

HELP = (
    "q or Ctrl-C stops after what is in flight, a second time at once",
    "p pauses generation and resumes it, ? shows and hides these lines",
)


def live_panel(
    facts: RunFacts,
    samples: Sequence[Sample],
    control: Control,
    *,
    rows: int,
    keys: bool,
    help_shown: bool,
) -> RenderableType:
    """The view after the latest of ``samples``; ``keys`` says whether keys are read.

    Lines that do not fit into ``rows`` are left out at the end, but not what the user can do.
    It is made of lines, not tables, since rich takes several times as long to lay out a table.
    """
    latest = samples[-1]
    lines: list[RenderableType] = [
        *_facts(facts, latest),
        *_progress(facts, latest),
        "",
        *_rates(current(samples), Interval(Sample(), latest)),
        Sparkline(samples),
        "",
        *_outcomes(facts, latest),
    ]
    if help_shown:
        lines += [Text(line, "italic", no_wrap=True, overflow="ellipsis") for line in HELP]
    panel = Panel(
        Group(*lines),
        title=Text("fleetstream", "bold"),
        title_align="left",
        subtitle=Text(_notice(control, keys=keys)),
        subtitle_align="left",
        padding=(0, 1),
        height=rows if len(lines) + _BORDERS > rows else None,
    )
    return Constrain(panel, MAX_COLUMNS)


def _notice(control: Control, *, keys: bool) -> str:
    """The state of the run, and what the user can do."""
    stop = "q or Ctrl-C" if keys else "Ctrl-C"
    if control.at_once.is_set():
        return "Stopping at once"
    if control.gently.is_set():
        return f"Finishing what is in flight; {stop} again stops at once"
    if control.is_paused:
        return f"Paused; p resumes, {stop} stops"
    return f"{stop} stops, p pauses, ? shows help" if keys else f"{stop} stops"


def _line(name: str, *figures: str | tuple[str, str]) -> Text:
    """A line of figures after their name; a figure may come with a style."""
    parts = ((name.ljust(_NAME_COLUMNS), "dim"), *figures)
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _facts(facts: RunFacts, latest: Sample) -> Iterator[Text]:
    yield _line("Target", facts.sink.name)
    values = f"{facts.generator.values_per_sweep:,} values per sweep"
    yield _line("Fleet", f"{counts(facts.series)}, {values}")
    yield _line("Seed", str(facts.generator.seed))
    sweep = "not begun"
    if latest.last_sweep is not None:
        total = f" of {facts.sweeps:,}" if facts.sweeps is not None else ""
        sweep = f"{latest.totals.sweeps:,}{total}, at {moment(latest.last_sweep)}"
    yield _line("Sweep", sweep)


def _progress(facts: RunFacts, latest: Sample) -> Iterator[RenderableType]:
    """The elapsed time and, where the run has an end, the time left and a bar."""
    done, elapsed = latest.totals.sweeps, duration(round(latest.elapsed))
    if facts.sweeps and done:
        left = latest.elapsed / done * (facts.sweeps - done)
        elapsed = f"{elapsed}, about {duration(round(left))} left"
    yield _line("Elapsed", elapsed)
    if facts.sweeps:
        yield ProgressBar(
            total=facts.sweeps, completed=done, complete_style="cyan", finished_style="cyan"
        )
        yield ""  # ends the line of the bar


def _rates(now: Interval, mean: Interval) -> Iterator[Text]:
    """Current rates beside those of the whole run."""
    yield _line("", (f"{'now':>{_RATE_COLUMNS}}{'mean':>{_RATE_COLUMNS}}", "dim"))
    rates = [
        ("Values/s", rate(now.values_per_second), rate(mean.values_per_second)),
        ("Requests/s", rate(now.requests_per_second), rate(mean.requests_per_second)),
    ]
    if now.bytes_per_second is not None and mean.bytes_per_second is not None:
        sent = [decimal(int(each)) for each in (now.bytes_per_second, mean.bytes_per_second)]
        rates.append(("Sent/s", sent[0], sent[1]))
    if mean.after.totals.throttled:
        throttled = [rate(each.throttled_per_second) for each in (now, mean)]
        rates.append(("Throttled/s", throttled[0], throttled[1]))
    for name, latest, average in rates:
        yield _line(name, (latest.rjust(_RATE_COLUMNS), "bold"), average.rjust(_RATE_COLUMNS))


class Sparkline:
    """Values per second as one bar per second, as many seconds as fit into a line."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.rates = [each.values_per_second for each in intervals(samples, 1.0)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rates = self.rates[-max(options.max_width - _NAME_COLUMNS, 1) :]
        peak = max(rates, default=0.0) or 1.0
        bars = "".join(BARS[round(each / peak * (len(BARS) - 1))] for each in rates)
        yield _line(f"Last {len(rates)} s", (bars, "cyan"))


def _outcomes(facts: RunFacts, latest: Sample) -> Iterator[Text]:
    """Latencies, and the outcomes of records."""
    totals = latest.totals
    if facts.has_latency and latest.latencies is not None:
        yield _line("Latency", percentiles(latest.latencies, separator="   "))
    yield _line("Stored", f"{totals.stored.records:,} records, {totals.stored.values:,} values")
    if totals.unchanged:
        yield _line("Duplicates", f"{totals.unchanged:,} records that the target had already")
    yield _line("In flight", f"{totals.in_flight.records:,} records")
    yield _line("Faults", *_faults(totals))
    if totals.metered_writes is not None:
        cost = dollars(write_cost(totals.metered_writes, facts.write_price))
        yield _line("Metered", f"{totals.metered_writes:,} writes of 1 KiB, {cost} so far")


def _faults(totals: Totals) -> Iterator[tuple[str, str]]:
    """Counts of what went wrong, in colour where they are not zero."""
    # The most important are first, since a narrow terminal cuts off the last.
    for name, count, colour in (
        ("undelivered", totals.undelivered.records, "red"),
        ("rejected", totals.rejected.records, "red"),
        ("retried", totals.retried, "yellow"),
        ("throttled", totals.throttled, "yellow"),
    ):
        yield f"{count:,} {name}   ", colour if count else "dim"
