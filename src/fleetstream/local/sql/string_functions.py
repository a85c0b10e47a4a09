"""Text: the guide's pages "String functions" and "Regular expression functions".

Regular expressions are RE2's here and Java's at the service: the everyday syntax is the same, and
what RE2 lacks (look-around, back-references) is an error, not another answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from fleetstream.local.sql.signatures import Constant, Function
from fleetstream.local.sql.types import BIGINT, BOOLEAN, INTEGER, VARCHAR, Array, Bound


def quote(text: str) -> str:
    """`text` as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _regexp_replace(arguments: Sequence[Bound]) -> str:
    """REGEXP_REPLACE with Java's notation of groups (`$1`) turned into RE2's, a backslash."""
    replacement = str(arguments[2].literal)
    result, place = "", 0
    while place < len(replacement):
        letter, after = replacement[place], replacement[place + 1 : place + 2]
        if letter == "$":
            if not after.isdigit():
                raise ValueError("a $ in the replacement must be followed by a group's number")
            result, place = f"{result}\\{after}", place + 2
        elif letter == "\\" and after:
            result, place = result + ("\\\\" if after == "\\" else after), place + 2
        else:
            result, place = result + letter, place + 1
    return f"regexp_replace({arguments[0].sql}, {arguments[1].sql}, {quote(result)}, 'g')"


_SUBSTRING = (
    # Trino counts from the end when the start is negative, and gives '' where DuckDB would wrap.
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
        lambda arguments: "(" + " || ".join(argument.sql for argument in arguments) + ")",
        variadic=True,
    ),
    Function("hamming_distance", (VARCHAR, VARCHAR), BIGINT, "hamming({0}, {1})"),
    Function("length", (VARCHAR,), BIGINT, "length({0})"),
    Function("levenshtein_distance", (VARCHAR, VARCHAR), BIGINT, "levenshtein({0}, {1})"),
    Function("lower", (VARCHAR,), VARCHAR, "lower({0})"),
    Function("lpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, "lpad({0}, CAST({1} AS INTEGER), {2})"),
    Function("ltrim", (VARCHAR,), VARCHAR, "ltrim({0})"),
    Function(
        "regexp_extract_all", (VARCHAR, VARCHAR), Array(VARCHAR), "regexp_extract_all({0}, {1})"
    ),
    Function(
        "regexp_extract_all",
        (VARCHAR, VARCHAR, BIGINT),
        Array(VARCHAR),
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
    Function("regexp_replace", (VARCHAR, VARCHAR, Constant(VARCHAR)), VARCHAR, _regexp_replace),
    Function("regexp_split", (VARCHAR, VARCHAR), Array(VARCHAR), "regexp_split_to_array({0}, {1})"),
    Function("replace", (VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
    Function("replace", (VARCHAR, VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, {2})"),
    Function("reverse", (VARCHAR,), VARCHAR, "reverse({0})"),
    Function("rpad", (VARCHAR, BIGINT, VARCHAR), VARCHAR, "rpad({0}, CAST({1} AS INTEGER), {2})"),
    Function("rtrim", (VARCHAR,), VARCHAR, "rtrim({0})"),
    Function("split", (VARCHAR, VARCHAR), Array(VARCHAR), "string_split({0}, {1})"),
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
