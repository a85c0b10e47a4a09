"""Finds the place of a rule that is not met, and the name that was probably meant.

The message about a rule quotes names and texts of the file. Which of them is to blame is found by
trying: where another text in its place changes the message, the rule depends on it; where another
name of the file in its place makes the message go away, that name is suggested. So rules need not
say where they looked.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from fleetstream.model.expressions import FUNCTIONS
from fleetstream.model.levels import RESERVED
from fleetstream.model.problems import Path, Problem, hint_at, rule_broken

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_NAME = re.compile(r"[^\W\d][\w-]*(?:\.[^\W\d]\w*)*")

_SUBJECT = re.compile(r"(?:the )?(\w+) (?:of|is|has|must|are)\b")

_UNKNOWN = re.compile(r"no such|not defined|unknown|not an integer|not a level|no level of")
"""In messages about a name that is not there, though it may be the name of something else."""

SHOWN = 80
"""Characters of a text of the file that a message quotes, at most."""

ATTEMPTS = 200
"""Places that are tried, at most."""

OTHER = "another_name_instead"


@dataclass(frozen=True, slots=True)
class Located:
    """A problem's place: the value at ``path``, from a character on, or the key there."""

    path: Path
    message: str
    at_key: bool = False
    offset: int = 0


def located(content: dict[str, Any], problem: Problem) -> Located:
    """The place of a problem, with a suggestion in the message where there is one."""
    if not problem.is_rule:
        return Located(problem.path, problem.message, problem.at_key)
    value, hint = hint_at(content, problem.path)
    document = _Document(value, hint, problem.message)
    place = document.culprit()
    message = _QUOTED.sub(_shown, problem.message)
    if place is not None and (near := document.replacement(place)):
        return _at(problem, place, f"{message}; did you mean {near!r}?")
    subject = _SUBJECT.match(problem.message)
    if subject and isinstance(value, dict) and subject[1] in value:
        return Located((*problem.path, subject[1]), message)
    if place is not None:
        return _at(problem, place, message)
    return Located(problem.path, message, at_key=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """A word of a file: in the text at ``path`` from ``offset`` on, or the key there."""

    path: Path
    word: str
    at_key: bool
    offset: int = 0


def _at(problem: Problem, place: _Place, message: str) -> Located:
    return Located((*problem.path, *place.path), message, place.at_key, place.offset)


def _shown(quoted: re.Match[str]) -> str:
    """A quoted text, or the beginning of a long one."""
    text = quoted[0]
    return text if len(text) <= SHOWN + 2 else f"{text[: SHOWN + 1]}…{text[-1]}"


def _whole(word: str) -> re.Pattern[str]:
    """A word that is not part of a longer one."""
    return re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w.])")


class _Document:
    """A value whose rules are not met."""

    def __init__(self, value: Any, hint: Any, message: str) -> None:
        self._value = value
        self._hint = hint
        self._message = message
        self._strings = list(_strings(value))

    def culprit(self) -> _Place | None:
        """The word that the message is about; of several that are the same, the last."""
        quoted = [str(ast.literal_eval(text)) for text in _QUOTED.findall(self._message)]
        places = [place for word in reversed(quoted) for place in self._places(word)]
        changed, mended = list[_Place](), list[_Place]()
        for place in places[:ATTEMPTS]:
            if mended and place.word != mended[0].word:
                break
            message = self._with(place, OTHER)
            if message == _whole(place.word).sub(OTHER, self._message):
                return place
            if message is None:
                mended.append(place)
            elif message != self._message:
                changed.append(place)
        return next(iter([*mended[::-1], *changed, *places]), None)

    def replacement(self, place: _Place) -> str | None:
        """A name of the file in whose place the message goes away."""
        call = re.match(r"(\w+)\(", place.word)
        word = call[1] if call else place.word
        if not _NAME.fullmatch(word):
            return None
        names = list(FUNCTIONS) if call else self._names(place)
        if word in names and not _UNKNOWN.search(self._message):
            return None
        names = [name for name in names if name != word]
        place = _Place(place.path, word, place.at_key, place.offset)
        for near in get_close_matches(word, names, n=5, cutoff=0.65):
            message = self._with(place, near)
            if message is None or (message != self._message and repr(near) not in message):
                return near
        return None

    def _with(self, place: _Place, word: str) -> str | None:
        """The message with another word at a place."""
        *above, key = place.path
        parent = changed = copy.copy(self._value)
        for each in above:
            parent[each] = copy.copy(parent[each])
            parent = parent[each]
        if place.at_key:
            parent[word] = parent.pop(key)
        else:
            text = parent[key]
            parent[key] = text[: place.offset] + word + text[place.offset + len(place.word) :]
        return rule_broken(changed, self._hint)

    def _places(self, word: str) -> list[_Place]:
        """Where a word is: in longer texts, as a whole text, as a key."""
        whole = _whole(word)
        inside, alone, keys = [], [], []
        for path, text, at_key in self._strings:
            if at_key and text == word:
                keys.append(_Place(path, word, at_key))
            elif text == word:
                alone.append(_Place(path, word, at_key))
            elif word and not at_key and (match := whole.search(text)):
                inside.append(_Place(path, word, at_key, match.start()))
        return [*inside, *alone, *keys]

    def _names(self, place: _Place) -> list[str]:
        """The names that the file has in other places, also those with a dot."""
        found = [
            text
            for path, text, at_key in self._strings
            if (path, at_key) != (place.path, place.at_key) and _NAME.fullmatch(text)
        ]
        dotted = [
            f"{level.get('name')}.{attribute}"
            for level in _dicts(self._value)
            for attribute in (*RESERVED - {"member"}, *_attributes(level))
            if "name" in level
        ]
        return list(dict.fromkeys([*found, *dotted]))


def _strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, bool]]:
    """The keys and texts in a value, each with its path and whether it is a key."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key), key, True
            yield from _strings(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _strings(part, (*path, index))
    elif isinstance(value, str):
        yield path, value, False


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            yield from _dicts(part)


def _attributes(level: dict[str, Any]) -> list[str]:
    """The names after the dot that a level defines."""
    members, numbers = level.get("members"), level.get("numbers")
    found: list[str] = [] if not isinstance(numbers, dict) else list(numbers)
    if isinstance(members, list) and members and isinstance(members[0], dict):
        found += members[0]
    return found
