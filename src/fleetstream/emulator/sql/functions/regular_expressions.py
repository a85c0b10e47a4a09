"""Regular expression functions: the developer guide's page of that name.

Regular expressions are RE2's, and Java's at the service. Common syntax is the same; what RE2 does
not support (look-around, back-references) is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fleetstream.emulator import limits
from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import ConstantType, Function, LambdaType
from fleetstream.emulator.sql.functions.sizes import TOO_LONG, bounded_part, bounded_text
from fleetstream.emulator.sql.typed_sql import (
    TypedSql,
    as_template,
    let,
    quote_in_template,
    unless_null,
)
from fleetstream.emulator.sql.types import BOOLEAN, INTEGER, VARCHAR, ArrayType, SqlType

TEXTS = ArrayType(VARCHAR)
GROUP = ConstantType(INTEGER)

_LONG_PATTERN = f"a regular expression of more than {limits.PATTERN_BYTES} bytes is not supported"
_PATTERN = (
    f"CASE WHEN strlen({{1}}) > {limits.PATTERN_BYTES} THEN {fail(quote(_LONG_PATTERN))}"
    " ELSE {1} END"
)
_EMPTY_MATCH = (
    "a regular expression that matches an empty text is not supported with a lambda as replacement"
)
_EXTRACT = "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END"
_EXTRACT_GROUP = "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}, {2}) END"


# What is no group, a group's start with its name, and the start of a group without one.
_GROUP_START = re.compile(
    r"\\.|\[(?:\\.|[^]\\])*]|\(\?P?<(?P<name>[A-Za-z]\w*)>|\(\?|(?P<plain>\()", re.DOTALL
)
_REFERENCE = re.compile(r"\$\{(\w+)\}|\$(\d?)|\\(.)|[^$\\]+|\\", re.DOTALL)


def _groups(pattern: str) -> list[str]:
    """The names of a regular expression's groups, in order; '' for those without one."""
    found = _GROUP_START.finditer(pattern)
    return [start["name"] or "" for start in found if start["name"] or start["plain"]]


def _named_as_in_re2(pattern: str) -> str:
    """A regular expression whose groups have names in Java's notation, ``(?<name>``."""

    def convert(start: re.Match[str]) -> str:
        return f"(?P<{start['name']}>" if start["name"] else start[0]

    return _GROUP_START.sub(convert, pattern)


def _replacement(text: str, pattern: TypedSql) -> str:
    """Converts references to groups from Java's notation, ``$1`` and ``${name}``, to RE2's."""

    def convert(part: re.Match[str]) -> str:
        name, number, escaped = part.groups()
        if name is not None:
            groups = _groups(str(pattern.literal)) if pattern.literal is not None else []
            if name not in groups[:9]:
                raise ValueError(f"the regular expression must be a literal with a group '{name}'")
            return f"\\{groups.index(name) + 1}"
        if number == "":
            raise ValueError(
                "a $ in the replacement must be followed by a group's number or {name}"
            )
        if number is not None:
            return f"\\{number}"
        text = part[0] if escaped is None else escaped
        return text.replace("\\", "\\\\")

    return _REFERENCE.sub(convert, text)


def _regexp_replace(arguments: Sequence[TypedSql]) -> str:
    replacement = _replacement(str(arguments[2].literal), arguments[1])
    part = bounded_part(quote_in_template(replacement), "(strlen({0}) + 1)")
    return bounded_text(_all_matches(f"regexp_replace({{0}}, {{1}}, {part}, 'g')"))


def _insert(template: str, number: int, part: str) -> str:
    """A template with a part in place of an argument, but not in texts that look like it."""
    return re.sub(rf"(?<!\{{)\{{{number}\}}(?!\}})", lambda _: part, template)


def _all_matches(template: str, groups: int = 0) -> str:
    """A template that finds all matches in argument 0, and then a number of groups in them."""
    most = limits.MATCHED_BYTES // (groups + 1)
    within = f" with {groups} groups" if groups else ""
    problem = (
        f"the text is longer than {most} bytes, the most in which all matches of a regular"
        f" expression{within} are found"
    )
    checked = f"CASE WHEN strlen({{0}}) > {most} THEN {fail(quote(problem))} ELSE {{0}} END"
    return _insert(template, 0, checked)


def _replace_by_lambda(arguments: Sequence[TypedSql]) -> str:
    """Replaces each match by what a lambda returns for the array of its groups.

    The text around the matches and what replaces them alternate in the result, which is null if
    the lambda returns null.
    """
    if arguments[1].literal is None:
        raise ValueError("the regular expression must be a literal if the replacement is a lambda")
    count = len(_groups(str(arguments[1].literal)))
    groups = ", ".join(f"regexp_extract_all({{0}}, {{1}}, {i})" for i in range(1, count + 1))
    listed = ", ".join(f"z[{number}]" for number in range(1, count + 1))
    matches = (
        f"list_transform(list_zip({groups}), lambda z: [{listed}])"
        if count
        else "list_transform(regexp_extract_all({0}, {1}), lambda z: CAST([] AS VARCHAR[]))"
    )
    names, body = arguments[2].lambda_parts
    length = f"list_sum(list_transform(m, lambda {names}: strlen({as_template(body)})))"
    checked = let(
        "m", matches, f"CASE WHEN {length} > {limits.TEXT_BYTES} THEN {TOO_LONG} ELSE m END"
    )
    joined = (
        f"CASE WHEN len((r).around) <> len((r).made) + 1 THEN {fail(quote(_EMPTY_MATCH))}"
        " WHEN list_count((r).made) = len((r).made) THEN array_to_string(list_transform("
        "range(1, len((r).around) + 1), lambda i: concat((r).around[i], (r).made[i])), '') END"
    )
    parts = (
        "struct_pack(around := regexp_split_to_array({0}, {1}),"
        f" made := list_transform({checked}, {{2}}))"
    )
    return unless_null((0,), bounded_text(let("r", _all_matches(parts, count), joined)))


def _check_group(pattern: str, group: str | float | None) -> None:
    count = len(_groups(pattern))
    if isinstance(group, int) and group > count:
        raise ValueError(f"the regular expression has {count} groups, and no group {group}")


def _function(
    name: str,
    result: SqlType,
    template: str | Callable[[Sequence[TypedSql]], str],
    *more: SqlType,
) -> Function:
    """A function of a text, a regular expression of a bounded length, and ``more``."""

    def checked(arguments: Sequence[TypedSql]) -> str:
        made = template if isinstance(template, str) else template(arguments)
        pattern = arguments[1].literal
        if pattern is None:
            return _insert(made, 1, _PATTERN)
        if len(str(pattern).encode()) > limits.PATTERN_BYTES:
            raise ValueError(_LONG_PATTERN)
        if more == (GROUP,):
            _check_group(str(pattern), arguments[2].literal)
        return _insert(made, 1, quote_in_template(_named_as_in_re2(str(pattern))))

    return Function(name, (VARCHAR, VARCHAR, *more), result, checked)


FUNCTIONS = (
    _function("regexp_extract", VARCHAR, _EXTRACT),
    _function("regexp_extract", VARCHAR, _EXTRACT_GROUP, GROUP),
    _function("regexp_extract_all", TEXTS, _all_matches("regexp_extract_all({0}, {1})")),
    _function(
        "regexp_extract_all", TEXTS, _all_matches("regexp_extract_all({0}, {1}, {2})"), GROUP
    ),
    _function("regexp_like", BOOLEAN, "regexp_matches({0}, {1})"),
    _function("regexp_replace", VARCHAR, _all_matches("regexp_replace({0}, {1}, '', 'g')")),
    _function("regexp_replace", VARCHAR, _regexp_replace, ConstantType(VARCHAR)),
    _function("regexp_replace", VARCHAR, _replace_by_lambda, LambdaType((TEXTS,), VARCHAR)),
    _function(
        "regexp_split", TEXTS, unless_null((1,), _all_matches("regexp_split_to_array({0}, {1})"))
    ),
)
