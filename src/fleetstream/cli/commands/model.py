"""``fleetstream model``: lists, shows, checks and begins models."""

import argparse
import sys
from pathlib import Path

from fleetstream.cli.parser import CommandParser
from fleetstream.cli.run_options import add_run_options, run_spec
from fleetstream.run.options import Group

SUMMARY = "list, show, check or begin models"

DESCRIPTION = """\
List the models that are shipped, show what a model simulates, check a model file, or begin one.

Examples:
  fleetstream model list
  fleetstream model show aws-devops --set host_scale=2
  fleetstream model new my.toml
  fleetstream model new my-shop.toml --from web-shop
  fleetstream model check my.toml
  fleetstream model schema > model.schema.json
"""

INVALID = 1
"""Exit code of ``check`` where a file is not a valid model."""


def configure(parser: CommandParser) -> None:
    parser.description = DESCRIPTION
    actions = parser.add_subparsers(
        title="Actions", dest="action", metavar="ACTION", required=True, parser_class=CommandParser
    )
    actions.add_parser("list", help="list the models that are shipped").set_defaults(act=_list)
    show = actions.add_parser(
        "show", help="show levels, kinds of series, dimensions and measures of a model"
    )
    show.add_argument("model", metavar="NAME", help="the name of a model, or a TOML file")
    add_run_options(show, [Group.FLEET], without=["model", "shard"], full_help=True)
    show.set_defaults(act=_show)
    check = actions.add_parser("check", help="list all mistakes of model files")
    check.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a TOML file")
    check.set_defaults(act=_check)
    new = actions.add_parser("new", help="write a model file to begin with")
    new.add_argument("file", metavar="FILE", type=Path, help="the TOML file, which must not exist")
    new.add_argument(
        "--from",
        dest="original",
        metavar="NAME",
        help="a shipped model to copy (default: a commented model of a few lines)",
    )
    new.set_defaults(act=_new)
    schema = actions.add_parser("schema", help="print the JSON Schema of model files, for editors")
    schema.set_defaults(act=_schema)


def run(options: argparse.Namespace) -> int:
    code: int = options.act(options)
    return code


def _list(_options: argparse.Namespace) -> int:
    from fleetstream.report.model import show_models

    show_models()
    return 0


def _show(options: argparse.Namespace) -> int:
    from fleetstream.report.model import show_model

    show_model(run_spec(options).resolved(now=0).generator())
    return 0


def _check(options: argparse.Namespace) -> int:
    from fleetstream.model.loader import ModelInvalid
    from fleetstream.report.model import show_check
    from fleetstream.run.options import make_spec

    valid = True
    for path in options.files:
        try:
            show_check(str(path), make_spec(model=str(path), seed=0).generator())
        except ModelInvalid as error:
            valid = False
            print(*error.problems, sep="\n", file=sys.stderr)
        except ValueError as error:
            valid = False
            print(error, file=sys.stderr)
    return 0 if valid else INVALID


def _new(options: argparse.Namespace) -> int:
    from fleetstream.model.json_schema import starting_point
    from fleetstream.model.loader import builtin_content

    path: Path = options.file
    if path.suffix != ".toml":
        raise ValueError(f"{path} does not end with .toml, as the names of model files do.")
    original = options.original
    content = starting_point().encode() if original is None else builtin_content(original)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise ValueError(f"{path} exists; name another file.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path} cannot be written: {reason}.") from error
    print(f"Wrote {path}. Try `fleetstream ingest --model {path} --autostop 3`.")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    import json

    from fleetstream.model.json_schema import model_schema

    print(json.dumps(model_schema(), indent=2, ensure_ascii=False))
    return 0
