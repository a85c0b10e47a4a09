"""Reads model files: those shipped in ``builtin/`` by name, others by path."""

import codecs
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fleetstream.model import DEFAULT_MODEL
from fleetstream.model.schema import Model

if TYPE_CHECKING:
    from fleetstream.model.positions import Position

_SUFFIX = ".toml"

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class ModelInvalid(ValueError):
    """A file that is not a model. ``problems`` are all its mistakes, each with its position."""

    def __init__(self, name: str, problems: list[str]) -> None:
        self.problems = problems
        rest = len(problems) - 1
        more = f" {rest} more: `fleetstream model check {name}` lists them." if rest else ""
        super().__init__(problems[0] + more)


class ModelFault(ValueError):
    """A model that cannot be generated, because of what is at ``path`` in its file."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


def builtin_models() -> list[str]:
    """The names of the models that are shipped with the package."""
    folder = files("fleetstream.model") / "builtin"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def load_model(name: str | Path = DEFAULT_MODEL) -> Model:
    """The model of that name or in that file, which ends with ``.toml``.

    Raises ValueError where there is none, and :class:`ModelInvalid`, which says where in the file
    the mistakes are, where its content is not a model.
    """
    text = str(name)
    if not text.endswith(_SUFFIX):
        return _builtin(text)
    content = _bytes(text)
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        position, message = _not_toml(error, content)
        raise ModelInvalid(text, [_line(text, position, message)]) from error
    found = list(_problems(text, content, document))
    if found:
        raise ModelInvalid(text, found)
    return msgspec.convert(document, Model)


def positioned(name: str, fault: ModelFault) -> ValueError:
    """The fault of the model of that name, with its position where it is in a file."""
    if not name.endswith(_SUFFIX):
        return ValueError(str(fault))
    from fleetstream.model.positions import Positions

    return ValueError(_line(name, Positions(_bytes(name)).of_value(fault.path), str(fault)))


@cache
def _builtin(name: str) -> Model:
    content = builtin_content(name, f", or name a file that ends with {_SUFFIX}")
    return msgspec.toml.decode(content, type=Model)


def builtin_content(name: str, otherwise: str = "") -> bytes:
    """The file of a model that is shipped.

    Raises ValueError where there is none of that name; ``otherwise`` ends its message.
    """
    if name not in builtin_models():
        raise ValueError(f"There is no model {name!r}; {_other_model(name, otherwise)}")
    return (files("fleetstream.model") / "builtin" / f"{name}{_SUFFIX}").read_bytes()


def _other_model(name: str, otherwise: str) -> str:
    """What to name instead of a model that is not there: the end of a message."""
    from fleetstream.model.suggestions import suggested

    file = f"{name}{_SUFFIX}"
    if otherwise and Path(file).is_file():
        return f"did you mean {file!r}?"
    near = suggested(name, builtin_models())
    if near.endswith("?"):
        return near
    return f"{near.removesuffix('.')}{otherwise}."


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"The model {path!r} cannot be read: {reason}.") from error


def _problems(name: str, content: bytes, document: dict[str, Any]) -> Iterator[str]:
    """The mistakes of a document, in the order of the file, each with its position."""
    from fleetstream.model.problems import problems

    found = problems(document)
    if not found:
        return
    from fleetstream.model.diagnosis import located
    from fleetstream.model.positions import Positions

    places = Positions(content)
    lines = set()
    for each in (located(document, problem) for problem in found):
        of = places.of_key(each.path) if each.at_key else places.of_value(each.path, each.offset)
        lines.add((of, each.message))
    yield from (_line(name, position, message) for position, message in sorted(lines))


def _not_toml(error: Exception, content: bytes) -> "tuple[Position, str]":
    """Where and why a file cannot be read as TOML."""
    from fleetstream.model.positions import Position, position_at

    if isinstance(error, UnicodeDecodeError):
        return position_at(content, error.start), "this is not UTF-8 text"
    if isinstance(error, RecursionError):
        return Position(1, 1), "lists and tables are nested too deeply"
    match = _TOML_PLACE.search(str(error))
    message = _TOML_PLACE.sub("", str(error))
    if match and match[1]:
        return Position(int(match[1]), int(match[2])), f"not valid TOML: {message}"
    return position_at(content, len(content.rstrip())), f"not valid TOML: {message}"


def _line(name: str, position: "Position", message: str) -> str:
    """A message with its position, as compilers write it."""
    end = "" if message.endswith(("?", ".")) else "."
    return f"{name}:{position.line}:{position.column}: {message}{end}"
