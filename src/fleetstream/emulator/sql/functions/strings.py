"""String functions: the developer guide's page of that name."""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.emulator import limits
from fleetstream.emulator.sql.failures import fail
from fleetstream.emulator.sql.functions.signatures import Function
from fleetstream.emulator.sql.functions.sizes import TOO_LONG, TOO_MANY, bounded_part, bounded_text
from fleetstream.emulator.sql.typed_sql import TypedSql, let, quote_in_template, unless_null
from fleetstream.emulator.sql.types import BIGINT, BOOLEAN, INTEGER, VARCHAR, ArrayType


def joined(texts: str, delimiter: str) -> str:
    """The texts of a list that are not null, with a delimiter between them; '' if there are none.

    DuckDB's array_to_string needs a constant delimiter.
    """
    known = f"list_filter({texts}, lambda e: e IS NOT NULL)"
    parts = (
        f"list_transform({known}, lambda e, i: CASE WHEN i = 1 THEN e ELSE {delimiter} || e END)"
    )
    return f"CASE WHEN {delimiter} IS NOT NULL THEN {let('j', parts, _JOINED)} END"


def _concat(arguments: Sequence[TypedSql]) -> str:
    return bounded_text(" || ".join(f"{{{number}}}" for number in range(len(arguments))))


_JOINED = "CASE WHEN len(j) = 0 THEN '' ELSE array_to_string(j, '') END"
_CHARACTERS = "string_split({0}, '')"

_NOT_ONE = "'CODEPOINT needs a text of one character, not ' || CAST(length({0}) AS VARCHAR)"
_MAX_COMPARISONS = 1_000_000
"""Trino's limit for LEVENSHTEIN_DISTANCE, whose time grows with the product of the lengths."""
_TOO_DIFFERENT = "'The texts are too long for LEVENSHTEIN_DISTANCE'"
_NO_DELIMITER = "'The delimiter must not be empty'"
_NO_LIMIT = "'The limit of SPLIT must be greater than 0'"
_NO_INSTANCE = "'The instance must be greater than 0'"
_NO_INDEX = "'The index of SPLIT_PART must be greater than 0'"
_NEGATIVE_SIZE = "'The size must not be negative'"
_NO_PADDING = "'The padding must not be empty'"

_SUBSTRING = (
    # In Trino, a negative start counts from the end, and a start outside the text returns ''.
    "CASE WHEN {0} IS NULL OR {1} IS NULL OR {2} IS NULL THEN NULL WHEN {1} = 0 OR {2} <= 0"
    " OR {1} > length({0}) OR {1} < -length({0}) THEN ''"
    " ELSE substr({0}, {1}, least({2}, length({0}))) END"
)

# The characters that Java's Character.isWhitespace is true for.
_SPACE = quote_in_template(
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2028\u2029\u205f\u3000"
    + "".join(map(chr, (*range(0x2000, 0x2007), *range(0x2008, 0x200B))))
)
# Java has no upper case of ß, and DuckDB has ẞ, which is escaped where it is in the text.
_ESCAPED = "replace(replace({0}, chr(1), chr(1) || '0'), 'ẞ', chr(1) || '1')"
_UPPER = (
    "CASE WHEN contains({0}, 'ß') THEN replace(replace(replace("
    f"upper({_ESCAPED}), 'ẞ', 'ß'), chr(1) || '1', 'ẞ'), chr(1) || '0', chr(1))"
    " ELSE upper({0}) END"
)
_CODEPOINT = f"CASE WHEN length({{0}}) <> 1 THEN {fail(_NOT_ONE)} ELSE unicode({{0}}) END"
_HAMMING = "CASE WHEN {0} = '' AND {1} = '' THEN 0 ELSE hamming({0}, {1}) END"
_LEVENSHTEIN = (
    f"levenshtein({{0}}, CASE WHEN length({{0}}) * length({{1}}) > {_MAX_COMPARISONS}"
    f" THEN {fail(_TOO_DIFFERENT)} ELSE {{1}} END)"
)
_MANY_PARTS = (
    f"strlen({{0}}) > {limits.ARRAY_ENTRIES} AND strlen({{1}}) > 0 AND"
    f" strlen({{0}}) - strlen(replace({{0}}, {{1}}, '')) >= {limits.ARRAY_ENTRIES} * strlen({{1}})"
)
_DELIMITER = (
    f"CASE WHEN strlen({{1}}) = 0 THEN {fail(_NO_DELIMITER)} WHEN {_MANY_PARTS} THEN {TOO_MANY}"
    " ELSE {1} END"
)
_SPLIT = unless_null((1,), f"string_split({{0}}, {_DELIMITER})")
_SPLIT_AT_MOST = let(
    "p",
    _SPLIT,
    f"CASE WHEN {{2}} <= 0 THEN {fail(_NO_LIMIT)} WHEN len(p) <= {{2}} THEN p"
    " ELSE list_append(p[1:{2} - 1], " + joined("p[{2}:]", "{1}") + ") END",
)
_LAST_POSITION = (
    "CASE WHEN {0} IS NULL THEN NULL WHEN strlen({1}) = 0 THEN 1 WHEN instr({0}, {1}) = 0 THEN 0"
    " ELSE length({0}) - instr(reverse({0}), reverse({1})) - length({1}) + 2 END"
)
_REPLACEMENT = bounded_part("{2}", "(strlen({0}) + 1)")
_REPLACE = (
    "CASE WHEN strlen({1}) > 0 THEN "
    + bounded_text(f"replace({{0}}, {{1}}, {_REPLACEMENT})")
    # Every place between two characters has an empty text.
    + " ELSE "
    + bounded_text(f"{{2}} || coalesce({joined(_CHARACTERS, _REPLACEMENT)}, '') || {{2}}")
    + " END"
)


def _padded(function: str) -> str:
    """LPAD or RPAD, whose checks come before the result is made."""
    size = (
        f"CASE WHEN {{1}} < 0 THEN {fail(_NEGATIVE_SIZE)} WHEN {{1}} > {limits.TEXT_BYTES}"
        f" THEN {TOO_LONG} ELSE {{1}} END"
    )
    padding = f"CASE WHEN strlen({{2}}) = 0 THEN {fail(_NO_PADDING)} ELSE {{2}} END"
    return bounded_text(f"{function}({{0}}, CAST({size} AS INTEGER), {padding})")


def _position(instance: str) -> str:
    """The position of an instance of the second argument, which may overlap the one before."""
    last = "length({0}) - length({1}) + 2"
    found = (
        f"list_filter(range(1, greatest({last}, 1)),"
        " lambda i: substr({0}, i, length({1})) = {1})"
    )
    return (
        "CASE WHEN {0} IS NULL OR {1} IS NULL OR {2} IS NULL THEN NULL"
        f" WHEN {{2}} <= 0 THEN {fail(_NO_INSTANCE)} WHEN strlen({{1}}) = 0 THEN 1"
        f" WHEN instr({{0}}, {{1}}) = 0 THEN 0 ELSE coalesce(({found})[{instance}], 0) END"
    )


FUNCTIONS = (
    Function("chr", (BIGINT,), VARCHAR, "chr(CAST({0} AS INTEGER))"),
    Function("codepoint", (VARCHAR,), INTEGER, _CODEPOINT),
    Function(
        "concat",
        (VARCHAR, VARCHAR),
        VARCHAR,
        _concat,
        variadic=True,
    ),
    Function("hamming_distance", (VARCHAR, VARCHAR), BIGINT, _HAMMING),
    Function("length", (VARCHAR,), BIGINT, "length({0})"),
    Function("levenshtein_distance", (VARCHAR, VARCHAR), BIGINT, _LEVENSHTEIN),
    Function("lower", (VARCHAR,), VARCHAR, "lower({0})"),
    Function("lpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, _padded("lpad")),
    Function("ltrim", (VARCHAR,), VARCHAR, f"ltrim({{0}}, {_SPACE})"),
    Function("replace", (VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
    Function("replace", (VARCHAR, VARCHAR, VARCHAR), VARCHAR, unless_null((0, 1, 2), _REPLACE)),
    Function("reverse", (VARCHAR,), VARCHAR, "reverse({0})"),
    Function("rpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, _padded("rpad")),
    Function("rtrim", (VARCHAR,), VARCHAR, f"rtrim({{0}}, {_SPACE})"),
    Function("split", (VARCHAR, VARCHAR), ArrayType(VARCHAR), _SPLIT),
    Function(
        "split",
        (VARCHAR, VARCHAR, BIGINT),
        ArrayType(VARCHAR),
        unless_null((0, 1, 2), _SPLIT_AT_MOST),
    ),
    Function(
        "split_part",
        (VARCHAR, VARCHAR, BIGINT),
        VARCHAR,
        f"CASE WHEN {{2}} < 1 THEN {fail(_NO_INDEX)} WHEN {_MANY_PARTS} THEN {TOO_MANY}"
        " ELSE string_split({0}, {1})[{2}] END",
    ),
    Function("starts_with", (VARCHAR, VARCHAR), BOOLEAN, "starts_with({0}, {1})"),
    Function("strpos", (VARCHAR, VARCHAR), BIGINT, "instr({0}, {1})"),
    Function("strpos", (VARCHAR, VARCHAR, BIGINT), BIGINT, _position("{2}")),
    Function("strrpos", (VARCHAR, VARCHAR), BIGINT, _LAST_POSITION),
    Function("strrpos", (VARCHAR, VARCHAR, BIGINT), BIGINT, _position("-{2}")),
    *(
        function
        for name in ("substr", "substring")
        for function in (
            Function(
                name,
                (VARCHAR, BIGINT),
                VARCHAR,
                "CASE WHEN {1} = 0 OR {1} > length({0}) OR {1} < -length({0}) THEN ''"
                " ELSE substr({0}, {1}) END",
            ),
            Function(name, (VARCHAR, BIGINT, BIGINT), VARCHAR, _SUBSTRING),
        )
    ),
    Function("translate", (VARCHAR, VARCHAR, VARCHAR), VARCHAR, "translate({0}, {1}, {2})"),
    Function("trim", (VARCHAR,), VARCHAR, f"trim({{0}}, {_SPACE})"),
    Function("upper", (VARCHAR,), VARCHAR, _UPPER),
)
