"""Regular expression functions: the developer guide's page of that name.

Regular expressions are RE2's, and Java's at the service. Common syntax is the same; what RE2 does
not support (look-around, back-references) is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fleetstream.emulator import limits
from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import ConstantType, Function
from fleetstream.emulator.sql.functions.sizes import bounded_part, bounded_text
from fleetstream.emulator.sql.typed_sql import TypedSql, quote_in_template, unless_null
from fleetstream.emulator.sql.types import BOOLEAN, INTEGER, VARCHAR, ArrayType, SqlType

TEXTS = ArrayType(VARCHAR)
GROUP = ConstantType(INTEGER)

_LONG_PATTERN = f"a regular expression of more than {limits.PATTERN_BYTES} bytes is not supported"
_PATTERN = (
    f"CASE WHEN strlen({{1}}) > {limits.PATTERN_BYTES} THEN {fail(quote(_LONG_PATTERN))}"
    " ELSE {1} END"
)
_EXTRACT = "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END"
_EXTRACT_GROUP = "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}, {2}) END"


def _regexp_replace(arguments: Sequence[TypedSql]) -> str:
    """Converts references to groups from Java's notation, ``$1``, to RE2's, a backslash and 1."""
    replacement = str(arguments[2].literal)
    result, position = "", 0
    while position < len(replacement):
        letter, after = replacement[position], replacement[position + 1 : position + 2]
        if letter == "$":
            if not after.isdigit():
                raise ValueError("a $ in the replacement must be followed by a group's number")
            result, position = f"{result}\\{after}", position + 2
        elif letter == "\\" and after:
            result, position = result + ("\\\\" if after == "\\" else after), position + 2
        else:
            result, position = result + letter, position + 1
    part = bounded_part(quote_in_template(result), "(strlen({0}) + 1)")
    return bounded_text(f"regexp_replace({{0}}, {{1}}, {part}, 'g')")


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
            return made.replace("{1}", _PATTERN)
        if len(str(pattern).encode()) > limits.PATTERN_BYTES:
            raise ValueError(_LONG_PATTERN)
        return made

    return Function(name, (VARCHAR, VARCHAR, *more), result, checked)


FUNCTIONS = (
    _function("regexp_extract", VARCHAR, _EXTRACT),
    _function("regexp_extract", VARCHAR, _EXTRACT_GROUP, GROUP),
    _function("regexp_extract_all", TEXTS, "regexp_extract_all({0}, {1})"),
    _function("regexp_extract_all", TEXTS, "regexp_extract_all({0}, {1}, {2})", GROUP),
    _function("regexp_like", BOOLEAN, "regexp_matches({0}, {1})"),
    _function("regexp_replace", VARCHAR, "regexp_replace({0}, {1}, '', 'g')"),
    _function("regexp_replace", VARCHAR, _regexp_replace, ConstantType(VARCHAR)),
    _function("regexp_split", TEXTS, unless_null((1,), "regexp_split_to_array({0}, {1})")),
)
