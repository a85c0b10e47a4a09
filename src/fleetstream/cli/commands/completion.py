"""`fleetstream completion`: shell completions, made from the parsers of all commands."""

import argparse
from pathlib import Path

from fleetstream.cli import COMMANDS, make_parser

DESCRIPTION = """\
Print what makes a shell complete the commands and options of fleetstream.

Examples:
  fleetstream completion bash > ~/.local/share/bash-completion/completions/fleetstream
  fleetstream completion zsh > ~/.zfunc/_fleetstream
  fleetstream completion fish > ~/.config/fish/completions/fleetstream.fish
"""

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" | ".join(SHELLS))


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    import shtab

    parser = make_parser(COMMANDS)
    for name, command in commands_of(parser).items():
        command.description = COMMANDS[name]
        for action in command._actions:  # noqa: SLF001 - argparse has no public list of them
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    for action in parser._actions:  # noqa: SLF001 - see above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            return dict(action.choices)
    raise LookupError("The parser has no commands.")
