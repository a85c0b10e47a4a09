"""String and regular expression functions: the developer guide's pages of those names.

Regular expressions are RE2's, and Java's at the service. Common syntax is the same; what RE2 does
not support (look-around, back-references) is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.emulator.sql.functions.signatures import ConstantType, Function
from fleetstream.emulator.sql.typed_sql import TypedSql, quote_in_template
from fleetstream.emulator.sql.types import BIGINT, BOOLEAN, INTEGER, VARCHAR, ArrayType


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
    return f"regexp_replace({{0}}, {{1}}, {quote_in_template(result)}, 'g')"


_SUBSTRING = (
    # In Trino, a negative start counts from the end, and a start outside the text returns ''.
    "CASE WHEN {0} IS NULL OR {1} IS NULL OR {2} IS NULL THEN NULL WHEN {1} = 0 OR {2} <= 0"
    " OR abs({1}) > length({0}) THEN '' ELSE substr({0}, {1}, {2}) END"
)

FUNCTIONS = (
    Function("chr", (BIGINT,), VARCHAR, "chr(CAST({0} AS INTEGER))"),
    Function("codepoint", (VARCHAR,), INTEGER, "unicode({0})"),
    Function(
        "concat",
        (VARCHAR, VARCHAR),
        VARCHAR,
        lambda arguments: " || ".join(f"{{{number}}}" for number in range(len(arguments))),
        variadic=True,
    ),
    Function("hamming_distance", (VARCHAR, VARCHAR), BIGINT, "hamming({0}, {1})"),
    Function("length", (VARCHAR,), BIGINT, "length({0})"),
    Function("levenshtein_distance", (VARCHAR, VARCHAR), BIGINT, "levenshtein({0}, {1})"),
    Function("lower", (VARCHAR,), VARCHAR, "lower({0})"),
    Function("lpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, "lpad({0}, CAST({1} AS INTEGER), {2})"),
    Function("ltrim", (VARCHAR,), VARCHAR, "ltrim({0})"),
    Function(
        "regexp_extract_all", (VARCHAR, VARCHAR), ArrayType(VARCHAR), "regexp_extract_all({0}, {1})"
    ),
    Function(
        "regexp_extract_all",
        (VARCHAR, VARCHAR, BIGINT),
        ArrayType(VARCHAR),
        "regexp_extract_all({0}, {1}, CAST({2} AS INTEGER))",
    ),
    Function(
        "regexp_extract",
        (VARCHAR, VARCHAR),
        VARCHAR,
        "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END",
    ),
    Function(
        "regexp_extract",
        (VARCHAR, VARCHAR, BIGINT),
        VARCHAR,
        "CASE WHEN regexp_matches({0}, {1})"
        " THEN regexp_extract({0}, {1}, CAST({2} AS INTEGER)) END",
    ),
    Function("regexp_like", (VARCHAR, VARCHAR), BOOLEAN, "regexp_matches({0}, {1})"),
    Function("regexp_replace", (VARCHAR, VARCHAR), VARCHAR, "regexp_replace({0}, {1}, '', 'g')"),
    Function("regexp_replace", (VARCHAR, VARCHAR, ConstantType(VARCHAR)), VARCHAR, _regexp_replace),
    Function(
        "regexp_split", (VARCHAR, VARCHAR), ArrayType(VARCHAR), "regexp_split_to_array({0}, {1})"
    ),
    Function("replace", (VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
    Function("replace", (VARCHAR, VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, {2})"),
    Function("reverse", (VARCHAR,), VARCHAR, "reverse({0})"),
    Function("rpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, "rpad({0}, CAST({1} AS INTEGER), {2})"),
    Function("rtrim", (VARCHAR,), VARCHAR, "rtrim({0})"),
    Function("split", (VARCHAR, VARCHAR), ArrayType(VARCHAR), "string_split({0}, {1})"),
    Function(
        "split_part",
        (VARCHAR, VARCHAR, BIGINT),
        VARCHAR,
        "CASE WHEN {2} < 1 THEN error('Index must be greater than zero')"
        " ELSE string_split({0}, {1})[{2}] END",
    ),
    Function("starts_with", (VARCHAR, VARCHAR), BOOLEAN, "starts_with({0}, {1})"),
    Function("strpos", (VARCHAR, VARCHAR), BIGINT, "instr({0}, {1})"),
    Function(
        "strrpos",
        (VARCHAR, VARCHAR),
        BIGINT,
        "CASE WHEN instr({0}, {1}) = 0 THEN 0"
        " ELSE length({0}) - instr(reverse({0}), reverse({1})) - length({1}) + 2 END",
    ),
    *(
        function
        for name in ("substr", "substring")
        for function in (
            Function(
                name,
                (VARCHAR, BIGINT),
                VARCHAR,
                "CASE WHEN {1} = 0 OR abs({1}) > length({0}) THEN '' ELSE substr({0}, {1}) END",
            ),
            Function(name, (VARCHAR, BIGINT, BIGINT), VARCHAR, _SUBSTRING),
        )
    ),
    Function("translate", (VARCHAR, VARCHAR, VARCHAR), VARCHAR, "translate({0}, {1}, {2})"),
    Function("trim", (VARCHAR,), VARCHAR, "trim({0})"),
    Function("upper", (VARCHAR,), VARCHAR, "upper({0})"),
)
