"""``fleetstream completion``: shell completions, made from the parsers of all commands."""

import argparse
from pathlib import Path

from fleetstream.cli.parser import CommandParser, command_module, command_names, make_parser

SUMMARY = "print what makes a shell complete commands and options"

DESCRIPTION = """\
Print what makes a shell complete the commands and options of fleetstream.

Examples:
  fleetstream completion bash > ~/.local/share/bash-completion/completions/fleetstream
  fleetstream completion zsh > ~/.zfunc/_fleetstream
  fleetstream completion fish > ~/.config/fish/completions/fleetstream.fish
"""

SHELLS = ("bash", "zsh", "fish")


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" | ".join(SHELLS))


def run(options: argparse.Namespace) -> int:
    import shtab

    parser = make_parser(command_names(), full_help=True)
    for name, command in commands_of(parser).items():
        command.description = command_module(name).SUMMARY
        for action in command._actions:  # noqa: SLF001 - argparse has no public list of them
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def commands_of(parser: argparse.ArgumentParser) -> dict[str, CommandParser]:
    """The parser of each command."""
    for action in parser._actions:  # noqa: SLF001 - see above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            return dict(action.choices)
    raise LookupError("The parser has no commands.")
