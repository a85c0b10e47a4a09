"""The parser of all commands."""

import argparse
import difflib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from fleetstream._version import __version__
from fleetstream.cli import USAGE, commands

HELP_ALL = "--help-all"

_SHOWN: dict[int | str | None, str] = {"?": "[{}]", "*": "[{}]...", "+": "{}..."}
"""How usage shows an argument that can be left out or repeated."""


class CommandParser(argparse.ArgumentParser):
    """Reports what is wrong in one line, and loads the formatter only for help.

    An argument such as ``-24h`` is a value, since no option begins with a digit. With
    ``full_help``, help lists the options that are usually left out.
    """

    def __init__(self, *, full_help: bool = False, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)
        self.full_help = full_help
        self._negative_number_matcher = re.compile(r"-\d")

    def error(self, message: str) -> NoReturn:
        """Print the message and where help is, and exit with code 2."""
        self.exit(USAGE, f"Error: {message}\nTry `{self.prog} --help`.\n")

    def add_help_all(self) -> None:
        """Add the option that lists all options."""
        self.add_argument(HELP_ALL, action="help", help="list all options and exit")

    @property
    def option_names(self) -> list[str]:
        """All options in all spellings."""
        return list(self._option_string_actions)

    @property
    def actions(self) -> "dict[str, CommandParser]":
        """The parsers of its actions, by name; few commands have any."""
        for action in self._get_positional_actions():
            if isinstance(action.choices, dict):
                return action.choices
        return {}

    @property
    def positionals(self) -> list[str]:
        """The arguments that are not options, as usage shows them."""
        actions = self._get_positional_actions()
        return [_SHOWN.get(action.nargs, "{}").format(action.metavar) for action in actions]

    def _get_formatter(self) -> argparse.HelpFormatter:
        from rich_argparse import RawDescriptionRichHelpFormatter

        return RawDescriptionRichHelpFormatter(prog=self.prog, max_help_position=34)


def parse(given: Sequence[str]) -> argparse.Namespace:
    """The options of a command line, with ``run``, the function that runs the command."""
    names = command_names()
    used = [name for name in given[:1] if name in names] or names
    parser = make_parser(used, full_help=HELP_ALL in given)
    if not given:
        parser.print_help(sys.stderr)
        parser.exit(USAGE)
    if given and not given[0].startswith("-") and given[0] not in names:
        near = difflib.get_close_matches(given[0], names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Choose from {', '.join(names)}."
        parser.error(f"There is no command {given[0]!r}. {hint}")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        options.fail(_unknown(unknown, options.parser.option_names))
    return options


def make_parser(used: Iterable[str], *, full_help: bool = False) -> CommandParser:
    """The parser of the commands ``used``, whose modules it imports."""
    parser = CommandParser(
        prog="fleetstream",
        description=(
            "Simulate a fleet of servers and write its telemetry into Amazon Timestream, an "
            "embedded database, or other targets."
        ),
        epilog="Example: fleetstream ingest --autostop 3",
    )
    parser.add_argument("--version", action="version", version=f"fleetstream {__version__}")
    # argparse would load the formatter to find out what the commands' names begin with.
    found = parser.add_subparsers(
        title="Commands", dest="command", metavar="COMMAND", required=True, prog=parser.prog
    )
    for name in used:
        module = command_module(name)
        command = found.add_parser(name, help=module.SUMMARY, full_help=full_help)
        module.configure(command)
        command.set_defaults(run=module.run)
        for each in (command, *command.actions.values()):
            each.usage = " ".join([each.prog, "[OPTIONS]", *each.positionals])
            each.set_defaults(fail=each.error, parser=each)
    return parser


def command_names() -> list[str]:
    """The names of all commands: the modules of ``commands/``."""
    return [module.name for module in pkgutil.iter_modules(commands.__path__)]


def command_module(name: str) -> ModuleType:
    """A command: its ``SUMMARY``, and functions that ``configure`` its parser and ``run`` it."""
    return import_module(f"{commands.__name__}.{name}")


def reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same function for argparse, which wants another exception than ValueError."""

    def read_argument(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read_argument


def escaped(text: str) -> str:
    """Help text for argparse, to which a percent sign has a meaning."""
    return text.replace("%", "%%")


def _unknown(unknown: Sequence[str], known: Sequence[str]) -> str:
    """The message for arguments that no option takes."""
    return f"unknown arguments: {' '.join(unknown)}.{''.join(_suggestions(unknown, known))}"


def _suggestions(unknown: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    options = [argument.partition("=")[0] for argument in unknown if argument.startswith("-")]
    for option in options[:1]:
        begun = [name for name in known if name.startswith(option)]
        near = begun or difflib.get_close_matches(option, known, n=1, cutoff=0.7)
        if near:
            yield f" Did you mean {near[0]}?"
