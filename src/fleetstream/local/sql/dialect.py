"""Timestream's SQL as a sqlglot dialect, on top of Trino's.

What the service's dialect adds to Trino's (developer guide, "Query language reference"), and what
Trino's own parser would stumble over:

- durations such as `15m` or `2hour` as literals;
- `measure_value::double` and its kin, which are names of columns, not casts;
- `SHOW DATABASES`, `SHOW TABLES`, `SHOW MEASURES`;
- `@name` for the parameters of a prepared query.

Function calls are kept as they are written (`exp.Anonymous`), because the table of functions gives
them their meaning; only the calls whose arguments have a grammar of their own are parsed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.trino import Trino
from sqlglot.parsers.trino import TrinoParser

MEASURE_VALUE_TYPES = frozenset({"double", "bigint", "boolean", "varchar", "timestamp"})

NANOSECONDS = {
    "ns": 1,
    "nanosecond": 1,
    "us": 10**3,
    "microsecond": 10**3,
    "ms": 10**6,
    "millisecond": 10**6,
    "s": 10**9,
    "second": 10**9,
    "m": 60 * 10**9,
    "minute": 60 * 10**9,
    "h": 3600 * 10**9,
    "hour": 3600 * 10**9,
    "d": 86400 * 10**9,
    "day": 86400 * 10**9,
    "week": 7 * 86400 * 10**9,
}
"""Units of fixed length, in nanoseconds (developer guide, "Supported data types": interval)."""

MONTHS = {"mo": 1, "month": 1, "quarter": 3, "y": 12, "year": 12}
"""Units whose length depends on the calendar, in months."""

MOST_TYPE_LEVELS = 8
"""How deep types can be nested: the grammar tries each level of a ROW more than once."""

_SYNTAX_CALLS = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")


class Timestream(Trino):
    """The dialect; `Timestream().parse(text)` gives one tree a statement."""

    INDEX_OFFSET = 0  # subscripts stay as they are written
    SUPPORTS_USER_DEFINED_TYPES = False

    class Tokenizer(Trino.Tokenizer):
        """Trino's tokens, without commands that would swallow a statement whole."""

        COMMANDS: ClassVar[set[TokenType]] = set()

    class Parser(TrinoParser):
        """Trino's grammar with the additions above."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
            name: TrinoParser.FUNCTION_PARSERS[name] for name in _SYNTAX_CALLS
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
            name: TrinoParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE")
        }
        COLUMN_OPERATORS: ClassVar[dict[TokenType, Any]] = {
            TokenType.DOT: TrinoParser.COLUMN_OPERATORS[TokenType.DOT]
        }
        PRIMARY_PARSERS: ClassVar[dict[TokenType, Callable[..., Any]]] = {
            **TrinoParser.PRIMARY_PARSERS,
            TokenType.NUMBER: lambda self, token: self._parse_number_or_duration(token),
        }
        STATEMENT_PARSERS: ClassVar[dict[TokenType, Callable[..., Any]]] = {
            TokenType.DESCRIBE: TrinoParser.STATEMENT_PARSERS[TokenType.DESCRIBE],
            TokenType.SHOW: lambda self: self._parse_show_statement(),
        }

        _type_depth = 0

        def _parse_type(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
            # A type's name in an expression has its literal right behind it (DATE '2024-01-01').
            # The grammar would try every other name as a type as well, and twice at each level
            # of nesting, so that a short text could keep it busy for hours.
            if (
                kwargs.get("fallback_to_identifier")
                or self._curr.token_type == TokenType.INTERVAL
                or (self._next and self._next.token_type == TokenType.STRING)
            ):
                return super()._parse_type(*args, **kwargs)
            return self._parse_atom() or self._parse_column()

        def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
            if self._type_depth > MOST_TYPE_LEVELS:
                self.raise_error(f"Types can be nested at most {MOST_TYPE_LEVELS} levels deep")
            self._type_depth += 1
            try:
                return super()._parse_types(*args, **kwargs)
            finally:
                self._type_depth -= 1

        def _parse_number_or_duration(self, token: Token) -> exp.Expr:
            number = exp.Literal.number(token.text).update_positions(token)
            after = self._curr
            if not after or after.start != token.end + 1 or not after.text.isalnum():
                return number
            self._advance()
            duration = exp.Interval(this=number, unit=exp.Var(this=after.text.lower()))
            return duration.update_positions(token)

        def _parse_show_statement(self) -> exp.Expr:
            shown = self._curr.text.upper() if self._curr else ""
            if shown not in ("DATABASES", "TABLES", "MEASURES"):
                self.raise_error("Expected DATABASES, TABLES or MEASURES after SHOW")
            self._advance()
            source = None
            if shown != "DATABASES" and self._match(TokenType.FROM):
                source = self._parse_table_parts()
            like = self._parse_string() if self._match(TokenType.LIKE) else None
            return self.expression(exp.Show(this=shown, db=source, like=like))

    def tokenize(self, sql: str, *args: Any, **kwargs: Any) -> list[Token]:
        """The tokens of `sql`, with `measure_value::double` and its kin as one name each."""
        return list(_join_measure_values(super().tokenize(sql, *args, **kwargs)))


def _join_measure_values(tokens: list[Token]) -> Iterator[Token]:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if _is_measure_value(tokens[place : place + 3]):
            kind = tokens[place + 2]
            yield Token(
                TokenType.IDENTIFIER,
                f"measure_value::{kind.text.lower()}",
                line=kind.line,
                col=kind.col,
                start=token.start,
                end=kind.end,
            )
            place += 3
        else:
            yield token
            place += 1


def _is_measure_value(tokens: list[Token]) -> bool:
    if len(tokens) < 3:
        return False
    name, colons, kind = tokens
    return (
        name.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
        and name.text.lower() == "measure_value"
        and colons.token_type == TokenType.DCOLON
        and kind.text.lower() in MEASURE_VALUE_TYPES
    )
