"""What is shown of a run: the options for it, and what they ask for."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetstream.cli.parser import CommandParser, reader
from fleetstream.run.notation import read_integer
from fleetstream.run.options import OPTIONS, Group, Option
from fleetstream.targets.timestream.prices import MILLION_WRITES, SOURCE

if TYPE_CHECKING:
    from fleetstream.report.facts import RunFacts
    from fleetstream.report.history import History
    from fleetstream.report.summary import Summary
    from fleetstream.run.control import Control
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.spec import RunSpec


def add_display_options(parser: CommandParser) -> None:
    """What is shown of a run, and where else it is written."""
    group = parser.add_argument_group(str(Group.DISPLAY))
    shown = parser.full_help
    group.add_argument(
        "--quiet",
        action="store_true",
        help="print one line every 10 s instead of the live view, as without a terminal",
    )
    group.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help=help_if(shown, "the form of these lines; json includes the summary (default: text)"),
    )
    group.add_argument(
        "--summary",
        metavar="PATH",
        type=Path,
        default=None,
        help=help_if(shown, "also write the summary to this file, as JSON"),
    )
    group.add_argument(
        "--report",
        metavar="PATH",
        type=Path,
        default=None,
        help="write a report with charts to this file, as one HTML page",
    )
    add_price_option(group, shown=shown)
    group.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=reader(read_port),
        default=None,
        help=help_if(shown, "serve Prometheus metrics of the run at this port; 0 for a free one"),
    )
    group.add_argument(
        "--metrics-host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help=help_if(shown, "the address to serve them at (default: 127.0.0.1)"),
    )


def add_price_option(group: "argparse._ArgumentGroup", *, shown: bool) -> None:
    """What Amazon Timestream charges."""
    group.add_argument(
        "--write-price",
        metavar="USD",
        type=reader(read_dollars),
        default=MILLION_WRITES,
        help=help_if(
            shown,
            f"the price of one million metered writes (default: {MILLION_WRITES:.2f}, from "
            f"{SOURCE})",
        ),
    )


def add_instance_price_option(group: "argparse._ArgumentGroup") -> None:
    """What Amazon Timestream for InfluxDB charges, of which no default is known."""
    group.add_argument(
        "--instance-price",
        metavar="USD",
        type=reader(read_dollars),
        default=None,
        help="the price of an hour of the instances of Amazon Timestream for InfluxDB that would "
        "be used instead, from AWS's pricing page (default: not shown)",
    )


def help_if(shown: bool, text: str) -> str:  # noqa: FBT001
    """The text, or what hides an option from help."""
    return text if shown else argparse.SUPPRESS


def read_port(text: str) -> int:
    """A TCP port. Raises ValueError."""
    number = read_integer(text)
    if not 0 <= number <= 65_535:
        raise ValueError(f"{number} is not a port; a port is from 0 to 65535.")
    return number


def read_dollars(text: str) -> float:
    """A price in US dollars. Raises ValueError."""
    try:
        price = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number.") from None
    if not 0 <= price < float("inf"):
        raise ValueError(f"{text} is not a price; a price is 0 or more.")
    return price


def check_writable(option: str, path: Path | None) -> None:
    """Raises ValueError where no file can be written at ``path``."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{option} names the folder {str(path)!r}, but must name a file.")
    if not path.parent.is_dir():
        raise ValueError(
            f"{option} names a file in {str(path.parent)!r}, but there is no such folder; create "
            "it, or name another path."
        )


@contextmanager
def shown(
    options: argparse.Namespace, facts: "RunFacts", ledger: "Ledger", control: "Control"
) -> "Iterator[History]":
    """Show how a run goes, as the options say; yields its history.

    Raises ValueError where metrics cannot be served.
    """
    from fleetstream.report.display import progress_display
    from fleetstream.report.history import recorded

    with ExitStack() as stack:
        url = None
        if options.metrics_port is not None:
            from fleetstream.report.metrics import metrics_server

            server = metrics_server(facts, ledger, options.metrics_host, options.metrics_port)
            url = stack.enter_context(server)
        history = stack.enter_context(recorded(ledger))
        logged = options.quiet or options.log_format == "json"
        log_format = options.log_format if logged else None
        stack.enter_context(progress_display(facts, history, control, log_format, url))
        yield history


def show_end(
    options: argparse.Namespace,
    spec: "RunSpec",
    facts: "RunFacts",
    history: "History",
    summary: "Summary",
) -> None:
    """Write the summary and the report where the options say, and then show the summary.

    So both are kept where standard output is a pipe that was closed.
    """
    from fleetstream.report.summary import show_summary, write_summary

    if options.summary is not None:
        with _reported_if_lost("summary", options.summary):
            write_summary(options.summary, summary)
    if options.report is not None:
        from fleetstream.report.html import report_content, write_report

        with _reported_if_lost("report", options.report):
            write_report(
                options.report,
                report_content(facts, summary, history.samples, _in_force(options, spec)),
            )
    if options.log_format == "json":
        from fleetstream.report.log import log_end

        log_end(summary)
    else:
        show_summary(summary)


@contextmanager
def _reported_if_lost(what: str, path: Path) -> Iterator[None]:
    """The run is over and its data is safe, so a file that cannot be written is not a failure."""
    try:
        yield
    except OSError as error:
        print(f"The {what} could not be kept: {path}: {error.strerror or error}", file=sys.stderr)


def _in_force(options: argparse.Namespace, spec: "RunSpec") -> dict[str, str]:
    """All options of a run and their values, as text."""
    values = {
        option.name: _text(_written(option), getattr(spec, option.field))
        for option in OPTIONS
        if not option.entry
    }
    for name in ("quiet", "log_format", "summary", "report", "write_price", "metrics_port"):
        values[f"--{name.replace('_', '-')}"] = _text(str, getattr(options, name))
    return values


def _written(option: Option) -> Callable[[Any], str]:
    """What makes a text of an option's value, or of its values where it can be repeated."""
    if not option.repeated:
        return option.write
    return lambda values: ", ".join(map(option.write, values))


def _text(write: Callable[[Any], str], value: object) -> str:
    if value is None or value in ({}, ()):
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text: str = write(value)
    return text
