"""What is wrong in the content of a model file: every mistake, with its place.

The checks follow the types of :class:`Model`, so new fields, laws and types need nothing here.
"""

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from fleetstream.model.durations import DurationText
from fleetstream.model.schema import Model
from fleetstream.model.suggestions import suggested

Path = tuple[str | int, ...]
"""Keys of tables and indices of lists, from the top of a document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at ``path``: at the key there, or at its value.

    ``is_rule`` says that types are right, and a rule among values below ``path`` is not met.
    """

    path: Path
    message: str
    at_key: bool = False
    is_rule: bool = False


def problems(content: dict[str, Any]) -> list[Problem]:
    """All problems of a model file's content; of those that depend on others, the first."""
    return _problems(content, Model, ())


def rule_broken(value: Any, hint: Any) -> str | None:
    """What is wrong with a value, None where it is of a type and meets its rules."""
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        message = str(error.__cause__ or error)
        return message.rpartition(" - at `$")[0] or message
    except (ValueError, RecursionError, OverflowError) as error:
        return str(error) or "it is too complex"
    return None


def hint_at(content: Any, path: Path) -> tuple[Any, Any]:
    """The value at a path, and the type that it is to have."""
    value, hint = content, Model
    for key in path:
        matching = _alternative(value, hint)
        if _is_struct(matching):
            hint = _hints(matching)[str(key)]
        else:
            hint = get_args(matching)[-1 if get_origin(matching) is dict else 0]
        value = value[key]
    return value, hint


def _problems(value: Any, hint: Any, path: Path) -> list[Problem]:
    found = list(_inner(value, _alternative(value, hint), path))
    if found:
        return found
    message = rule_broken(value, hint)
    if message is None:
        return []
    choices = _choices(hint)
    if choices and isinstance(value, str):
        return [Problem(path, f"there is no {path[-1]} {value!r}; {suggested(value, choices)}")]
    if DurationText in (hint, *get_args(hint)) and message.startswith("Expected `"):
        return [Problem(path, "expected a duration such as 30s, 24h or 1h30m")]
    plain = _plain(message)
    is_rule = plain == message
    return [Problem(path, plain if is_rule else plain + _rewritten(value, plain), is_rule=is_rule)]


def _inner(value: Any, hint: Any, path: Path) -> Iterator[Problem]:
    """The problems of the parts of a table or list."""
    if _is_struct(hint) and isinstance(value, dict):
        yield from _keys(value, hint, path)
        for key, field_hint in _hints(hint).items():
            if key in value:
                yield from _problems(value[key], field_hint, (*path, key))
    elif isinstance(hint, _Tags):
        yield from hint.problems(value, path)
    elif get_origin(hint) is dict and isinstance(value, dict):
        for key, part in value.items():
            yield from _problems(part, get_args(hint)[1], (*path, key))
    elif get_origin(hint) in (list, tuple) and isinstance(value, list):
        for index, part in enumerate(value):
            yield from _problems(part, get_args(hint)[0], (*path, index))


def _keys(value: dict[str, Any], struct: type[msgspec.Struct], path: Path) -> Iterator[Problem]:
    """Keys that are unknown or missing."""
    config = struct.__struct_config__
    known = [field.encode_name for field in msgspec.structs.fields(struct)]
    allowed = [*known, config.tag_field] if config.tag_field else known
    missing = [
        field.encode_name
        for field in msgspec.structs.fields(struct)
        if field.required and field.encode_name not in value
    ]
    for key in [key for key in value if key not in allowed]:
        meant = get_close_matches(key, missing, n=1)
        missing = [name for name in missing if name not in meant]
        message = f"there is no key {key!r} here; {suggested(key, meant or allowed)}"
        yield Problem((*path, key), message, at_key=True)
    for name in missing:
        yield Problem(path, f"the key {name!r} is missing", at_key=True)


@dataclass(frozen=True, slots=True)
class _Tags:
    """Structs of which a key of the table chooses one, where it chooses none."""

    key: str
    tags: tuple[str, ...]

    def problems(self, value: dict[str, Any], path: Path) -> Iterator[Problem]:
        tag = value.get(self.key)
        if tag is None:
            message = f"the key {self.key!r} is missing; it is one of {', '.join(self.tags)}"
            yield Problem(path, message)
        else:
            message = f"there is no {self.key} {tag!r}; {suggested(str(tag), self.tags)}"
            yield Problem((*path, self.key), message)


def _alternative(value: Any, hint: Any) -> Any:
    """The alternative of a type that a value has the form of; the type itself where it has none."""
    if get_origin(hint) is Annotated:
        return _alternative(value, get_args(hint)[0])
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    alternatives = [_alternative(value, each) for each in get_args(hint)]
    structs = [each for each in alternatives if _is_struct(each)]
    if isinstance(value, dict) and structs:
        tagged = {str(each.__struct_config__.tag): each for each in structs}
        key = structs[0].__struct_config__.tag_field
        if key is None:
            return structs[0]
        return tagged.get(str(value.get(key)), _Tags(key, tuple(tagged)))
    for kind, origins in ((dict, (dict,)), (list, (list, tuple))):
        if isinstance(value, kind):
            return next((each for each in alternatives if get_origin(each) in origins), hint)
    return hint


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a struct's fields under their names in files."""
    hints = get_type_hints(struct, include_extras=True)
    return {each.encode_name: hints[each.name] for each in msgspec.structs.fields(struct)}


def _choices(hint: Any) -> list[str]:
    """The words that a type allows, where it allows only some."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [str(each.value) for each in hint]
    if get_origin(hint) is Literal:
        return [str(each) for each in get_args(hint)]
    if get_origin(hint) in (Annotated, Union, types.UnionType):
        return [word for each in get_args(hint) for word in _choices(each)]
    return []


_TYPE_NAMES = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a time",
    "date": "a date",
    "time": "a time of day",
}


def _rewritten(value: Any, message: str) -> str:
    """How to write a value of which only the quotes are wrong: the end of a message."""
    expected = message.partition(", but ")[0]
    numeric = re.search("integer|number", expected)
    if isinstance(value, str) and numeric:
        form = r"-?\d+" if numeric[0] == "integer" else r"-?\d+(\.\d+)?"
        return f"; write it without quotes, {value}" if re.fullmatch(form, value) else ""
    if type(value) in (int, float) and "text" in expected and not numeric:
        return f'; write it in quotes, "{value}"'
    return ""


def _plain(message: str) -> str:
    """A message of msgspec about types in the words of TOML; any other message as it is."""
    if message.startswith("Invalid RFC3339"):
        return "expected a time such as 2026-11-01T00:00:00Z"
    if not message.startswith("Expected `"):
        return message

    def named(match: re.Match[str]) -> str:
        names = [name for name in match[1].split(" | ") if name != "null"]
        return " or ".join(_TYPE_NAMES.get(name, name) for name in names)

    plain = re.sub(r"`([^`]*)`", named, message)
    plain = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):g}", plain)
    return plain.replace("Expected", "expected").replace(", got ", ", but this is ")
