"""Timestream's SQL as a sqlglot dialect, on top of Trino's.

It adds what the service's SQL has and Trino's has not (developer guide, "Query language
reference"):

- durations such as ``15m`` or ``2hour`` as literals;
- ``measure_value::double`` and similar names of columns, which are not casts;
- ``SHOW DATABASES``, ``SHOW TABLES``, ``SHOW MEASURES``;
- ``@name`` for the parameters of a prepared query.

It refuses what sqlglot's parser reads and Trino's doesn't, such as a comma before FROM.

Function calls are parsed as ``exp.Anonymous``, because they are resolved by the tables of
functions. Only calls whose arguments have their own syntax are parsed as more than that.
"""

from __future__ import annotations

import re
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

MAX_TYPE_LEVELS = 8
"""Maximum nesting of types: the parser tries each level of a ROW more than once."""

_SYNTAX_CALLS = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")


class TimestreamParser(TrinoParser):
    """Trino's grammar with the additions of this dialect."""

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
        # In an expression, a literal follows the name of a type (DATE '2024-01-01'). The parser
        # would try every other name as a type too, twice per level of nesting, so that it
        # could take hours for a short text.
        if (
            kwargs.get("fallback_to_identifier")
            or self._curr.token_type == TokenType.INTERVAL
            or (self._next and self._next.token_type == TokenType.STRING)
        ):
            return super()._parse_type(*args, **kwargs)
        return self._parse_atom() or self._parse_column()

    def _parse_csv(self, parse_method: Callable[[], Any], *args: Any, **kwargs: Any) -> list[Any]:
        is_first = True

        def parse_item() -> Any:
            nonlocal is_first
            item = parse_method()
            if item is None and not is_first:
                self.raise_error(f"Expected something between '{self._prev.text}' and it")
            is_first = False
            return item

        return super()._parse_csv(parse_item, *args, **kwargs)

    def _parse_bracket(self, this: exp.Expr | None = None) -> exp.Expr | None:
        if this is None and self._curr and self._curr.token_type == TokenType.L_BRACKET:
            self.raise_error("Expected ARRAY before it")
        return super()._parse_bracket(this)

    def _parse_limit(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        limit = super()._parse_limit(*args, **kwargs)
        if isinstance(limit, exp.Limit) and limit.args.get("offset"):
            self.raise_error("Expected OFFSET before LIMIT, instead of two numbers")
        return limit

    def _parse_interval(self, *args: Any, **kwargs: Any) -> exp.Add | exp.Interval | None:
        if (
            self._curr
            and self._curr.token_type == TokenType.INTERVAL
            and self._next
            and self._next.token_type == TokenType.NUMBER
        ):
            self.raise_error("The number of INTERVAL must be in quotes")
        return super()._parse_interval(*args, **kwargs)

    def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        if self._type_depth > MAX_TYPE_LEVELS:
            self.raise_error(f"Types can be nested at most {MAX_TYPE_LEVELS} levels deep")
        self._type_depth += 1
        try:
            return super()._parse_types(*args, **kwargs)
        finally:
            self._type_depth -= 1

    def _parse_join(self, *args: Any, **kwargs: Any) -> exp.Join | None:
        # The tree of a join without a condition is that of a comma.
        is_comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        join = super()._parse_join(*args, **kwargs)
        if join is None and is_comma:
            self.raise_error("Expected the name of a table after a comma")
        if join is not None and not is_comma:
            is_cross = str(join.args.get("kind") or "").upper() == "CROSS"
            has_condition = bool(join.args.get("on") or join.args.get("using"))
            if is_cross == has_condition:
                verb = "has no" if is_cross else "needs"
                self.raise_error(f"{'CROSS ' * is_cross}JOIN {verb} ON or USING")
        return join

    def _parse_number_or_duration(self, token: Token) -> exp.Expr:
        number = exp.Literal.number(token.text).update_positions(token)
        after = self._curr
        if not after or after.start != token.end + 1 or not re.fullmatch(r"\w+", after.text):
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


class TimestreamDialect(Trino):
    """The dialect; ``TimestreamDialect().parse(text)`` returns one tree per statement."""

    INDEX_OFFSET = 0  # keeps subscripts unchanged
    SUPPORTS_USER_DEFINED_TYPES = False

    class Tokenizer(Trino.Tokenizer):
        """Trino's tokens, without ``==``, ``<=>``, and commands whose text is one token."""

        COMMANDS: ClassVar[set[TokenType]] = set()
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            word: kind
            for word, kind in Trino.Tokenizer.KEYWORDS.items()
            if word not in ("==", "<=>")
        }

    Parser = TimestreamParser

    def tokenize(self, sql: str, *args: Any, **kwargs: Any) -> list[Token]:
        """Tokens, in which ``measure_value::double`` and similar names are one token."""
        return list(_join_measure_values(super().tokenize(sql, *args, **kwargs)))


def _join_measure_values(tokens: list[Token]) -> Iterator[Token]:
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if _is_measure_value(tokens[position : position + 3]):
            value_type = tokens[position + 2]
            yield Token(
                TokenType.IDENTIFIER,
                f"measure_value::{value_type.text.lower()}",
                line=value_type.line,
                col=value_type.col,
                start=token.start,
                end=value_type.end,
            )
            position += 3
        else:
            yield token
            position += 1


def _is_measure_value(tokens: list[Token]) -> bool:
    if len(tokens) < 3:
        return False
    name, colons, value_type = tokens
    return (
        name.token_type in (TokenType.VAR, TokenType.IDENTIFIER)
        and name.text.lower() == "measure_value"
        and colons.token_type == TokenType.DCOLON
        and value_type.text.lower() in MEASURE_VALUE_TYPES
    )
