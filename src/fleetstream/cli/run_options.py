"""The options of a run on the command line, from the table in :mod:`fleetstream.run.options`."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fleetstream.cli.parser import CommandParser, escaped, reader
from fleetstream.run.options import BY_FIELD, OPTIONS, RUN_GROUPS, Group, Option, make_spec, merged

if TYPE_CHECKING:
    from fleetstream.run.spec import RunSpec


def add_run_options(
    parser: CommandParser,
    groups: Iterable[Group] = RUN_GROUPS,
    without: Iterable[str] = (),
    *,
    full_help: bool = False,
) -> None:
    """Add the options of some groups, by default of all, without some fields.

    With ``full_help``, help lists all of them whatever the parser's setting is.

    Options have no defaults, so a namespace has only those that are given.
    """
    for group in groups:
        added = parser.add_argument_group(str(group))
        for option in OPTIONS:
            if option.group is group and option.field not in without:
                _add(added, option, full_help=full_help or parser.full_help)


def run_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of a run that are given, by field."""
    return {name: value for name, value in vars(options).items() if name in BY_FIELD}


def run_spec(options: argparse.Namespace) -> "RunSpec":
    """The run that the options describe. Raises ValueError where they contradict each other."""
    return make_spec(**run_options(options))


class _Merge(argparse.Action):
    """Adds the entries of a keyed option to those given before."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse passes it
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002 - see above
    ) -> None:
        try:
            both = merged(getattr(namespace, self.dest, {}), values)
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, both)


def _add(group: "argparse._ArgumentGroup", option: Option, *, full_help: bool) -> None:
    settings: dict[str, Any] = {"dest": option.field, "default": argparse.SUPPRESS}
    shown = option.common or full_help
    settings["help"] = escaped(option.help) if shown else argparse.SUPPRESS
    if option.read is None:
        settings["action"] = "store_true"
    else:
        settings |= {"metavar": option.metavar, "type": reader(option.read)}
        if option.keyed:
            settings["action"] = _Merge
        elif option.repeated:
            settings["action"] = "append"
    group.add_argument(*option.flags, option.name, **settings)
