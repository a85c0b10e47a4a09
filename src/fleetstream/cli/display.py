"""Options on what is shown of a run, and the command that repeats it."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.options import dollars
from fleetstream.cli.pace import MILLISECOND, stretch_options
from fleetstream.prices import MILLION_WRITES, SOURCE
from fleetstream.signals import Shape

if TYPE_CHECKING:
    from fleetstream.display.summary import Summary
    from fleetstream.recovery.manifest import Manifest

_SIGNAL_OPTIONS = {Shape.SINE: "sin", Shape.SAWTOOTH: "saw"}


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
    add_price_options(group)


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


def show_end(options: argparse.Namespace, summary: "Summary") -> None:
    """Show the summary, and write it where the options say."""
    from fleetstream.display.log import log_end
    from fleetstream.display.summary import show_summary, write_summary

    if options.log_format == "json":
        log_end(summary)
    else:
        show_summary(summary)
    if options.summary is not None:
        try:
            write_summary(options.summary, summary)
        except OSError as error:
            reason = error.strerror or error
            print(f"The summary could not be kept: {options.summary}: {reason}", file=sys.stderr)


def repeating(given: Sequence[str], manifest: "Manifest", *, resumed: bool) -> str:
    """The command, quoted for a shell, that does again what a run was to do from its start.

    ``given`` is what stood on the command line behind the name of the command.
    """
    arguments = list(given)
    if resumed:
        arguments = [*_without(["--resume"], arguments), *_described(manifest)]
    elif not any(argument.partition("=")[0] == "--seed" for argument in arguments):
        arguments += ["--seed", str(manifest.seed)]
    if manifest.pace is not None and manifest.pace.start is not None:
        # What was given may count from now, which will be another time then.
        arguments = [
            *_without(["--start", "--end"], arguments),
            *stretch_options(manifest.pace),
        ]
    return shlex.join([_program(), "ingest", *arguments])


def _without(options: Sequence[str], arguments: Sequence[str]) -> Iterator[str]:
    """``arguments`` but for these options and their values."""
    skip = False
    for argument in arguments:
        if not skip and argument.partition("=")[0] not in options:
            yield argument
        skip = argument in options


def _described(manifest: "Manifest") -> Iterator[str]:
    """The options that a manifest answers, where they are not the defaults."""
    fleet, signal, target = manifest.fleet, manifest.signal, manifest.target
    form = _SIGNAL_OPTIONS[signal.shape] if signal else ""
    for option, value in (
        ("--to", target.to),
        ("--database-name", target.database_name),
        ("--table-name", target.table_name),
        ("--region", target.region),
        ("--endpoint-url", target.endpoint_url),
        ("--profile", target.profile),
        ("--record-model", manifest.record_model),
        ("--host-scale", fleet.host_scale),
        ("--include-region", ",".join(fleet.regions)),
        ("--include-ms", ",".join(fleet.microservices)),
        ("--missing-cpu", manifest.missing_cpu),
        (f"--{form}-signal-cpu", signal and signal.ratio),
        (f"--{form}-frq-cpu", signal and signal.frequency),
        ("--autostop", manifest.autostop),
        ("--seed", str(manifest.seed)),
    ):
        if value:
            yield from (option, str(value))
    pace = manifest.pace
    if pace is not None:
        yield from ("--interval", f"{pace.step // MILLISECOND}ms")
        if pace.max_lag is not None:
            yield from ("--max-lag", f"{pace.max_lag // MILLISECOND}ms")
        if pace.start is not None and pace.end is None:
            yield "--follow"


def _program() -> str:
    """What starts this program: its name where the shell finds it, else its path."""
    if shutil.which("fleetstream"):
        return "fleetstream"
    program, here = Path(sys.executable).with_name("fleetstream"), Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
