"""What is shown of a run: the options on it, and what they ask for."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.options import dollars, port
from fleetstream.targets.timestream.prices import MILLION_WRITES, SOURCE

if TYPE_CHECKING:
    from fleetstream.report.history import History
    from fleetstream.report.run import Run
    from fleetstream.report.summary import Summary
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.pipeline import Stop

_NO_OPTIONS = {"command", "run", "fail", "given", "default_of"}
"""What is in a namespace of options beside them."""


def add_display_options(parser: argparse.ArgumentParser) -> None:
    """What is shown of a run, and where else it is written."""
    group = parser.add_argument_group("what is shown")
    group.add_argument(
        "--quiet",
        action="store_true",
        help="a line every 10 s instead of the live view, as where there is no terminal",
    )
    group.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="the form of these lines; json puts the summary there too (default: text)",
    )
    group.add_argument(
        "--summary",
        metavar="PATH",
        type=Path,
        default=None,
        help="write the summary to this file too, as JSON",
    )
    group.add_argument(
        "--report",
        metavar="PATH",
        type=Path,
        default=None,
        help="write a report with charts to this file, as one HTML page",
    )
    add_price_options(group)
    group.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=port,
        default=None,
        help="serve Prometheus metrics of the run at this port; 0 takes a free one",
    )
    group.add_argument(
        "--metrics-host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="the address for that (default: 127.0.0.1, this machine only)",
    )


def add_price_options(group: "argparse._ArgumentGroup") -> None:
    """What Amazon Timestream charges."""
    group.add_argument(
        "--write-price",
        metavar="USD",
        type=dollars,
        default=MILLION_WRITES,
        help=f"the price of a million metered writes (default: {MILLION_WRITES:.2f}, from "
        f"{SOURCE})",
    )


def check_writable(option: str, path: Path | None) -> None:
    """Raises :class:`ValueError` with a sentence where no file can be written at ``path``."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{option} names the folder {str(path)!r}, but must name a file.")
    if not path.parent.is_dir():
        raise ValueError(
            f"{option} names a file in {str(path.parent)!r}, but there is no such folder; make it "
            "first, or name another path."
        )


@contextmanager
def shown(
    options: argparse.Namespace, run: "Run", ledger: "Ledger", stop: "Stop"
) -> "Iterator[History]":
    """Show how a run goes, as the options say; gives its history.

    Raises :class:`ValueError` with a sentence where metrics can't be served.
    """
    from fleetstream.report.history import recorded
    from fleetstream.report.progress import progress

    with ExitStack() as stack:
        url = None
        if options.metrics_port is not None:
            from fleetstream.report.metrics import serving

            server = serving(run, ledger, options.metrics_host, options.metrics_port)
            url = stack.enter_context(server)
        history = stack.enter_context(recorded(ledger))
        logged = options.quiet or options.log_format == "json"
        log_format = options.log_format if logged else None
        stack.enter_context(progress(run, history, stop, log_format, url))
        yield history


def show_end(
    options: argparse.Namespace, run: "Run", history: "History", summary: "Summary"
) -> None:
    """Show the summary, and write it and the report where the options say."""
    from fleetstream.report.log import log_end
    from fleetstream.report.summary import show_summary, write_summary

    if options.log_format == "json":
        log_end(summary)
    else:
        show_summary(summary)
    if options.summary is not None:
        with _told_if_lost("summary", options.summary):
            write_summary(options.summary, summary)
    if options.report is not None:
        from fleetstream.report.report import report_on, write_report

        with _told_if_lost("report", options.report):
            report = report_on(run, summary, history.samples, _in_force(options))
            write_report(options.report, report)


@contextmanager
def _told_if_lost(what: str, path: Path) -> Iterator[None]:
    """The run is over and its data is safe, so a file that can't be written is no failure."""
    try:
        yield
    except OSError as error:
        print(f"The {what} could not be kept: {path}: {error.strerror or error}", file=sys.stderr)


def _in_force(options: argparse.Namespace) -> dict[str, str]:
    """All options of a run and their values, as people write them."""
    return {
        f"--{name.replace('_', '-')}": _written(value)
        for name, value in vars(options).items()
        if name not in _NO_OPTIONS
    }


def _written(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "all"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "not given" if value is None else str(value)
