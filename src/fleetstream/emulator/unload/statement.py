"""Reading an UNLOAD statement: its query, its destination and its options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import Token, TokenType
from sqlglot.errors import TokenError

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql import TimestreamDialect, token_column

MIN_FILE_BYTES, MAX_FILE_BYTES = 16 * 2**20, 78 * 2**30
"""Range of ``max_file_size``."""

_START = re.compile(r"\s*UNLOAD\b", re.IGNORECASE)
_LOCATION = re.compile(r"s3://([^/]+)(?:/(.*))?", re.DOTALL)
_SIZE = re.compile(r"(\d+) ?(MB|GB)", re.IGNORECASE)
_UNITS = {"MB": 2**20, "GB": 2**30}


@dataclass(frozen=True)
class UnloadStatement:
    """An UNLOAD statement.

    Attributes:
        query: The text of its query. Spaces stand for everything before it, so that positions in
            error messages are those of the whole statement.
        bucket: The bucket that it writes to.
        prefix: What the keys of all its objects start with: empty, or a path with a slash at its
            end.
        partitioned_by: Names of columns; their values are in the names of folders, not in files.
        format: CSV or PARQUET.
        gzip: Whether files are compressed.
        delimiter: What separates the values of a row in CSV.
        escape: What precedes a quote, or itself, in CSV.
        header: Whether CSV files start with the names of the columns.
        max_file_bytes: When a file has this size, the next rows go to another one.

    """

    query: str
    bucket: str
    prefix: str
    partitioned_by: tuple[str, ...] = ()
    format: str = "CSV"
    gzip: bool = True
    delimiter: str = ","
    escape: str = "\\"
    header: bool = False
    max_file_bytes: int = MAX_FILE_BYTES


def is_unload(text: str) -> bool:
    """Whether a statement is UNLOAD."""
    return _START.match(text) is not None


def read_unload(text: str) -> UnloadStatement:
    """Read a statement for which ``is_unload`` is true.

    Raises ValidationException, with the position in the text, if it is not valid.
    """
    try:
        tokens = TimestreamDialect().tokenize(text)
    except TokenError as error:
        raise ValidationException(f"The query can't be read: {error}") from error
    reader = _Reader(tokens)
    reader.skip("UNLOAD")
    first, last = reader.parentheses()
    reader.skip("TO")
    token = reader.next()
    location = _LOCATION.fullmatch(token.text) if token.token_type == TokenType.STRING else None
    if location is None:
        raise _error(token, "TO must be followed by 's3://bucket/folder'")
    prefix = (location[2] or "").strip("/")
    members = dict(_read_options(reader)) if not reader.at_end else {}
    query = text[first.end + 1 : last.start]
    before = re.sub(r"[^\n]", " ", text[: first.end + 1])
    return UnloadStatement(before + query, location[1], prefix and f"{prefix}/", **members)


class _Reader:
    """Reads tokens one after the other."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def at_end(self) -> bool:
        rest = self._tokens[self._position :]
        return all(token.token_type == TokenType.SEMICOLON for token in rest)

    def next(self) -> Token:
        if self.at_end:
            raise ValidationException(
                "The UNLOAD statement is incomplete; it is written as UNLOAD (SELECT …) TO"
                " 's3://bucket/folder' WITH (option = value, …)"
            )
        token = self._tokens[self._position]
        self._position += 1
        return token

    def skip(self, *texts: str) -> Token:
        """The next token, which must be one of ``texts``."""
        token = self.next()
        if token.text.upper() not in texts:
            raise _error(token, f"expected {' or '.join(texts)}")
        return token

    def parentheses(self) -> tuple[Token, Token]:
        """Skip what is in parentheses; returns both of them."""
        first, depth = self.skip("("), 1
        while depth:
            token = self.next()
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        return first, token

    def array(self) -> list[str]:
        """The texts of ``ARRAY['a', 'b']``."""
        self.skip("ARRAY")
        self.skip("[")
        texts = [self.next().text]
        while self.skip(",", "]").text == ",":
            texts.append(self.next().text)
        return texts


def _read_options(reader: _Reader) -> Iterator[tuple[str, Any]]:
    """The members of UnloadStatement that WITH sets."""
    reader.skip("WITH")
    reader.skip("(")
    separator = ","
    while separator == ",":
        option = reader.next()
        reader.skip("=")
        name = option.text.lower()
        if name == "partitioned_by":
            yield "partitioned_by", tuple(reader.array())
        elif name in _OPTIONS:
            value = reader.next()
            member = _OPTIONS[name](value)
            if member is not None:
                yield member
        else:
            known = ", ".join(["partitioned_by", *_OPTIONS])
            raise _error(option, f"UNLOAD has no option {option.text}; it has {known}")
        separator = reader.skip(",", ")").text
    if not reader.at_end:
        raise _error(reader.next(), "expected the end of the statement")


def _choice(member: str, values: Mapping[str, Any]) -> Callable[[Token], tuple[str, Any]]:
    def read(token: Token) -> tuple[str, Any]:
        if token.text.upper() not in values:
            raise _error(token, f"expected {' or '.join(repr(value) for value in values)}")
        return member, values[token.text.upper()]

    return read


def _character(member: str) -> Callable[[Token], tuple[str, Any]]:
    def read(token: Token) -> tuple[str, Any]:
        if len(token.text) != 1 or token.text in '"\r\n':
            raise _error(token, "expected one character, which is no quote or line break")
        return member, token.text

    return read


def _file_size(token: Token) -> tuple[str, Any]:
    found = _SIZE.fullmatch(token.text)
    size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
    if not MIN_FILE_BYTES <= size <= MAX_FILE_BYTES:
        raise _error(token, "expected a size from '16MB' to '78GB'")
    return "max_file_bytes", size


def _encryption(token: Token) -> None:
    """Checked only: the local Timestream does not encrypt."""
    _choice("encryption", {"SSE_S3": None, "SSE_KMS": None})(token)


_OPTIONS: dict[str, Callable[[Token], tuple[str, Any] | None]] = {
    "format": _choice("format", {"CSV": "CSV", "PARQUET": "PARQUET"}),
    "compression": _choice("gzip", {"GZIP": True, "NONE": False}),
    "field_delimiter": _character("delimiter"),
    "escaped_by": _character("escape"),
    "include_header": _choice("header", {"TRUE": True, "FALSE": False}),
    "max_file_size": _file_size,
    "encryption": _encryption,
    "kms_key": lambda _: None,
}
"""Readers of the options' values by name; each returns the member that the option sets."""


def _error(token: Token, message: str) -> ValidationException:
    return ValidationException(
        f"line {token.line}:{token_column(token)}: mismatched input '{token.text}': {message}"
    )
