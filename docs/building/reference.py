"""Writes `docs/cli.md`, the reference of the command line, from the parsers of the commands."""

import argparse
import re
from collections.abc import Iterator

from fleetstream.cli.commands.completion import commands_of
from fleetstream.cli.parser import CommandParser, command_module, command_names, make_parser

from docs.building import DOCS

PAGE = DOCS / "cli.md"

INTRODUCTION = """\
# The command line

Generated from the program by `make docs`. `fleetstream COMMAND --help` shows the most important
options, `--help-all` all of them.

`fleetstream COMMAND [OPTIONS]` runs a command, `fleetstream --version` prints the version. Options
may be written `--option VALUE` or `--option=VALUE`, in any order. A percentage is a number from 0
to 100 with or without a percent sign; a duration has a unit (`250ms`, `30s`, `24h`, `7d`, `1h30m`); a
time is written in ISO 8601 (UTC unless it says otherwise) or as an age: `24h` is a day ago, `+10m`
in ten minutes.

Exit codes: 0 everything was delivered, also when stopped by Ctrl-C; 1 some records were not
delivered, and the summary says how many, why, and where they are; 2 wrong usage; 3 the target
cannot be used, and nothing was written; 74 the output could not be printed, as on a full disk; 130
stopped by Ctrl-C before anything began; 141 the output was a pipe that was closed.
"""


def build() -> None:
    """Write the page."""
    PAGE.write_text(reference())


def reference() -> str:
    """The page."""
    commands = commands_of(make_parser(command_names(), full_help=True))
    contents = [
        f"- [`{name}`](#fleetstream-{name}): {command_module(name).SUMMARY}" for name in commands
    ]
    parts = [INTRODUCTION, "\n".join(contents) + "\n"]
    for name, command in commands.items():
        parts.append("\n".join(_command(name, command)))
        for action, parser in command.actions.items():
            parts.append(f"### fleetstream {name} {action}\n\n{_action_help(command, action)}\n")
            parts.append("\n".join(_groups(parser, "####")))
    return "\n".join(parts)


def _command(name: str, command: CommandParser) -> Iterator[str]:
    what, _, examples = (command.description or "").partition("\nExamples:\n")
    yield f"## fleetstream {name}\n"
    yield what
    yield "```console"
    for example in examples.splitlines():
        yield f"$ {example.strip()}"
    yield "```\n"
    if not command.actions:
        yield from _groups(command, "###")


def _action_help(command: CommandParser, name: str) -> str:
    """What an action does, as a sentence."""
    for action in command._actions:
        for choice in getattr(action, "_choices_actions", []):
            if choice.dest == name:
                return f"{choice.help[0].upper()}{choice.help[1:]}."
    raise LookupError(name)


def _groups(command: CommandParser, heading: str) -> Iterator[str]:
    """The arguments of a parser under their headings."""
    for group in command._action_groups:
        actions = [each for each in group._group_actions if each.help is not argparse.SUPPRESS]
        actions = [each for each in actions if each.dest != "help"]
        if not actions:
            continue
        yield f"{heading} {(group.title or '').capitalize()}\n"
        for action in actions:
            yield f"- {_names(action)}: {_escaped((action.help or '').replace('%%', '%'))}"
        yield ""


def _names(action: argparse.Action) -> str:
    """An option as it is written, with what it takes."""
    metavar = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    if not action.option_strings:
        return f"`{metavar or action.dest}`"
    value = f" {metavar or action.dest.upper()}" if action.nargs != 0 else ""
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _escaped(text: str) -> str:
    """A text with what Markdown would take for markup set as code."""
    return re.sub(r"(?<![`\w-])(--[a-z][a-z-]*|[\w.]*[<>*_][\w.=,-]*\w)(?!`)", r"`\1`", text)


if __name__ == "__main__":
    build()
