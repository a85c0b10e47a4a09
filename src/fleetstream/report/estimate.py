"""The estimate of what a run sends and costs, in each record model, for people and machines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from rich import progress
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from fleetstream.generate.choices import RecordModel
from fleetstream.report.console import OutputConsole
from fleetstream.report.formats import dollars
from fleetstream.targets.timestream.prices import write_cost

if TYPE_CHECKING:
    from fleetstream.targets.timestream.estimate import Estimate

Estimates = Mapping[RecordModel, "Estimate"]


@dataclass(frozen=True, slots=True)
class InstanceHours:
    """What instances of Amazon Timestream for InfluxDB cost that run for some ``hours``.

    ``price`` is that of an hour of all of them, in US dollars.
    """

    hours: float
    price: float

    @property
    def cost(self) -> float:
        """In US dollars."""
        return self.hours * self.price


def progress_of(model: RecordModel) -> Callable[[Sequence[int]], Iterable[int]]:
    """Returns a function that yields the items it is called with, and shows how many it has.

    It shows a progress bar on standard error, on a terminal only.
    """

    def track(items: Sequence[int]) -> Iterable[int]:
        console = Console(stderr=True)
        label = f"Counting {model}-measure records"
        return progress.track(
            items, label, console=console, transient=True, disable=not console.is_terminal
        )

    return track


def estimates_json(
    estimates: Estimates, price: float, instances: InstanceHours | None = None
) -> str:
    """The estimates as one JSON document, by record model; costs in US dollars."""
    document: dict[str, Any] = {
        str(model): msgspec.to_builtins(estimate)
        | {"cost": write_cost(estimate.total.metered_writes, price)}
        for model, estimate in estimates.items()
    }
    document["write_price"] = price
    if instances is not None:
        document["instances"] = msgspec.to_builtins(instances) | {"cost": instances.cost}
    return msgspec.json.encode(document).decode()


def show_estimates(
    estimates: Estimates,
    price: float,
    source: str,
    instances: InstanceHours | None = None,
    connectivity: Mapping[str, str] | None = None,
) -> None:
    """Print the estimates side by side; ``source`` is the source of the price.

    ``connectivity`` says by level how series lose their connection.
    """
    console = OutputConsole()
    table = Table.grid(padding=(0, 3))
    table.add_column(min_width=15)
    for _ in estimates:
        table.add_column(justify="right")
    table.add_row("", *(f"[bold]{model}-measure[/bold]" for model in estimates))
    for name, figures in _rows(estimates, price):
        table.add_row(f"[bold]{name}[/bold]", *figures)
    console.print(table)
    console.print()
    for note in _notes(estimates, price, source):
        console.print(note, markup=False)
    for level, how in (connectivity or {}).items():
        console.print(
            f"The connection of each {level} is {how}. What is measured meanwhile is sent later; "
            "where it is older than the memory store keeps, the table needs magnetic-store writes.",
            markup=False,
        )
    if instances is not None:
        hours = f"{instances.hours:,.1f}".removesuffix(".0")
        console.print(
            f"\nAmazon Timestream for InfluxDB would cost {dollars(instances.cost)} instead: "
            f"{hours} hours at {dollars(instances.price)} (as given), however much is written. "
            "Storage costs extra.",
            markup=False,
        )


def _rows(estimates: Estimates, price: float) -> Iterator[tuple[str, list[str]]]:
    totals = [estimate.total for estimate in estimates.values()]
    yield "Requests", [f"{total.requests:,}" for total in totals]
    yield "Records", [f"{total.records:,}" for total in totals]
    yield "Values", [f"{total.values:,}" for total in totals]
    yield "Sent", [decimal(total.bytes_sent) for total in totals]
    yield "Metered writes", [f"{total.metered_writes:,}" for total in totals]
    yield "Cost of writes", [dollars(write_cost(total.metered_writes, price)) for total in totals]


def _notes(estimates: Estimates, price: float, source: str) -> Iterator[str]:
    """How exact the figures are, and what they leave out."""
    estimate = next(iter(estimates.values()))
    if estimate.generated == estimate.sweeps:
        yield "All sweeps were counted; a run that repeats no request has exactly these counts."
    else:
        yield (
            f"Counted in {estimate.generated:,} of {estimate.sweeps:,} sweeps, chosen at random. "
            "Margins of error at 95 % confidence:"
        )
        for model, each in estimates.items():
            yield f"  {model}-measure: {_margins(each)}."
    yield f"The price is {dollars(price)} per million writes of 1 KiB ({source})."
    yield "Storing and querying the data costs extra."


def _margins(estimate: "Estimate") -> str:
    """The margin of error of each count, in per cent."""
    totals, margins = msgspec.to_builtins(estimate.total), msgspec.to_builtins(estimate.margin)
    varying = [
        f"{field.replace('_', ' ')} ± {100 * margin / totals[field]:.2g} %"
        for field, margin in margins.items()
        if margin
    ]
    if len(varying) < len(margins):
        varying.append("the others are exact" if varying else "all counts are exact")
    return "; ".join(varying)
