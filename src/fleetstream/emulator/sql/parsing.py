"""Parsing of one statement, with errors that say where and what is wrong in its text."""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot import Token, exp
from sqlglot.errors import ParseError, TokenError

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql.dialect import TimestreamDialect
from fleetstream.emulator.sql.errors import query_error, token_column

_FIRST_TOKENS = frozenset({"SELECT", "VALUES", "WITH", "SHOW", "DESCRIBE", "("})
_MAX_CACHED_CHARACTERS = 10_000
"""Longer texts are not cached, because they are rarely sent again."""

_WORDS = """
    alter and as between by case cast constraint create cross cube current_date current_time
    current_timestamp current_user deallocate delete describe distinct drop else end escape except
    execute exists extract false for from full group grouping having in inner insert intersect into
    is join left like localtime localtimestamp natural normalize not null on or order outer prepare
    recursive right rollup select table then true uescape union unnest using values when where with
"""
RESERVED_WORDS = frozenset(_WORDS.split())
"""Words that are names only in double quotes (developer guide, "Quotas": reserved keywords)."""

_VALUE_WORDS = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
"""Reserved words that are values, and columns in the parser's tree."""

_DESCRIPTIONS = (
    (re.compile(r"Required keyword: .*", re.DOTALL), "something is missing before or after it"),
    (re.compile(r"Expected table name but got .*", re.DOTALL), "Expected the name of a table"),
    (re.compile("Invalid expression / Unexpected token"), "it is not expected here"),
    (re.compile("Failed to parse any statement following CTE"), "Expected SELECT after WITH"),
    (re.compile("^Expecting "), "Expected "),
)
"""The parser's descriptions of errors, and those that are shown."""


def parse(text: str) -> exp.Expr:
    """The tree of a statement; raises ValidationException if there is not exactly one valid one.

    The trees of short texts are kept, and must not be changed.
    """
    return _parse_cached(text) if len(text) <= _MAX_CACHED_CHARACTERS else _parse(text)


def _parse(text: str) -> exp.Expr:
    dialect = TimestreamDialect()
    try:
        tokens = dialect.tokenize(text)
        if tokens and tokens[0].text.upper() not in _FIRST_TOKENS:
            raise ValidationException(
                f"{_position(tokens[0])}: mismatched input '{tokens[0].text}': only SELECT, VALUES,"
                " WITH, SHOW and DESCRIBE statements are supported"
            )
        trees = [tree for tree in dialect.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise ValidationException(_parse_error(error)) from error
    except TokenError as error:
        raise ValidationException(_token_error(error, text)) from error
    if len(trees) != 1:
        raise ValidationException(
            f"A query must be exactly one statement, but this text has {len(trees)}"
        )
    _refuse_reserved_words(trees[0])
    return trees[0]


_parse_cached = lru_cache(maxsize=256)(_parse)


def _refuse_reserved_words(tree: exp.Expr) -> None:
    for name in tree.find_all(exp.Identifier):
        word = name.name.lower()
        if name.args.get("quoted") or word not in RESERVED_WORDS:
            continue
        if word in _VALUE_WORDS and isinstance(name.parent, exp.Column):
            continue
        raise query_error(
            name, f"'{name.name}' is a reserved word; as a name it must be in double quotes"
        )


def _position(token: Token) -> str:
    return f"line {token.line}:{token_column(token)}"


def _parse_error(error: ParseError) -> str:
    if not error.errors:
        return f"The query can't be read: {error}"
    first = error.errors[0]
    token = str(first.get("highlight") or "")
    column = max((first.get("col") or 1) - max(len(token), 1) + 1, 1)
    description = str(first["description"])
    for pattern, shown in _DESCRIPTIONS:
        description = pattern.sub(shown, description)
    return f"line {first.get('line')}:{column}: mismatched input '{token}': {description}"


def _token_error(error: TokenError, text: str) -> str:
    unclosed = re.search(r"Missing (\S+) from \d+:(\d+)", f"{error.__cause__} {error}")
    if unclosed is None:
        return "The query can't be read: a comment or a text in it has no end"
    quote, offset = unclosed[1], int(unclosed[2])
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    return f"line {line}:{column}: what begins with {quote} has no {quote} at its end"
