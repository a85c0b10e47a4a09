"""Errors of queries, with their position in the text, as the service words them."""

from __future__ import annotations

import re

from sqlglot import Token, exp

from fleetstream.emulator.errors import ValidationException


def query_error(node: exp.Expr, message: str) -> ValidationException:
    """An error with the position of ``node``, if it is known: "line 1:8: message"."""
    position = _position(node)
    return ValidationException(f"{position}: {message}" if position else message)


def keywords(node: exp.Expr) -> str:
    """What a kind of node is in SQL, such as AT TIME ZONE."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def token_column(token: Token) -> int:
    """The column of a token's first character, from 1; the tokenizer has that of its last."""
    return max(token.col - (token.end - token.start), 1)


def _position(node: exp.Expr) -> str | None:
    for part in node.walk():
        meta = part.meta
        if "line" in meta and "col" in meta:
            column = meta["col"] - (meta["end"] - meta["start"])
            return f"line {meta['line']}:{max(column, 1)}"
    return None


def require_only(node: exp.Expr, *known: str) -> None:
    """Raise an error if ``node`` has parts other than ``known``, which are not translated."""
    for name, value in node.args.items():
        if name not in known and value not in (None, False, [], ""):
            part = name.rstrip("_").replace("_", " ").upper()
            raise query_error(
                node, f"{part} in {keywords(node)} is not supported by the local Timestream"
            )
