"""The command line: one module a command, each imported only when it is used."""

import argparse
import os
import re
import sys
from collections.abc import Container, Sequence
from importlib import import_module
from typing import Any, NoReturn

from fleetstream._version import __version__

USAGE = 2
"""Exit code for wrong usage."""

READER_GONE = 128 + 13
"""Exit code where the output was a pipe that was closed: that of an end by SIGPIPE."""

INTERRUPTED = 128 + 2
"""Exit code where Ctrl-C came while nothing was being written: that of an end by SIGINT."""

COMMANDS = {
    "ingest": "stream a simulated fleet's telemetry into a database",
    "estimate": "tell what a run would send to Amazon Timestream, and its price",
    "plot": "draw what would be generated",
    "replay": "write what an earlier run could not deliver",
    "serve": "run a local Amazon Timestream for tests and for people without an account",
    "verify": "prove that a target holds what runs have written, value by value",
    "completion": "print what makes a shell complete commands and options",
}


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in a sentence, and where help is; loads the formatter for help alone.

    An argument such as ``-24h`` is a value, since no option begins with a digit.
    """

    def __init__(self, *positional: Any, **settings: Any) -> None:
        super().__init__(*positional, **settings)
        self._negative_number_matcher = re.compile(r"-\d")

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(USAGE, f"Error: {message}\nTry `{self.prog} --help`.\n")

    def _get_formatter(self) -> argparse.HelpFormatter:
        from rich_argparse import RawDescriptionRichHelpFormatter

        return RawDescriptionRichHelpFormatter(prog=self.prog, max_help_position=34)


def make_parser(used: Container[str] = COMMANDS, given: Sequence[str] = ()) -> Parser:
    """The parser of all commands; only those ``used`` have their options, and their modules loaded.

    ``given`` is what stands on the command line behind the command's name.
    """
    parser = Parser(
        prog="fleetstream",
        description=(
            "Simulate a fleet of servers and write its DevOps telemetry into Amazon Timestream or "
            "an embedded database."
        ),
        epilog="Example: fleetstream ingest --autostop 3 --include-region eu-central-1",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fleetstream {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, allow_abbrev=False)
        if name in used:
            module = import_module(f"fleetstream.cli.{name}")
            module.configure(command)
            command.set_defaults(run=module.run, fail=command.error, given=given)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except BrokenPipeError:
        # Who read the output has gone, and Python would complain of that once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        # A run that writes has handlers of its own.
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED


def _run(given: Sequence[str]) -> int:
    options, unknown = make_parser(given[:1], given[1:]).parse_known_args(given)
    if unknown:
        # Said by the command's own parser, since its help is what helps.
        options.fail(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code: int = options.run(options)
    except ValueError as error:
        options.fail(str(error))
    sys.stdout.flush()
    return code
