"""The command line: one module a command, each imported only when it is used."""

import argparse
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from fleetstream._version import __version__

USAGE = 2
"""Exit code for wrong usage."""

COMMANDS = {
    "ingest": "stream a simulated fleet's telemetry into a database",
    "replay": "write what an earlier run could not deliver",
    "serve": "run a local Amazon Timestream for tests and for people without an account",
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
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
        if name in given[:1]:
            module = import_module(f"fleetstream.cli.{name}")
            module.configure(command)
            command.set_defaults(run=module.run, given=given[1:])
    options = parser.parse_args(given)
    try:
        code: int = options.run(options)
    except ValueError as error:
        commands.choices[options.command].error(str(error))
    return code
