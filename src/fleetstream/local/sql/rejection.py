"""How a query is refused: a sentence with the place in the text, as the service words it."""

from __future__ import annotations

from sqlglot import exp

from fleetstream.local.errors import ValidationException


def rejected(node: exp.Expr, message: str) -> ValidationException:
    """The error for `node`: "line 1:8: " and the message, when the place is known."""
    place = _place(node)
    return ValidationException(f"{place}: {message}" if place else message)


def _place(node: exp.Expr) -> str | None:
    """Where a node begins, counted from 1; the tokenizer notes the column of a token's end."""
    for part in node.walk():
        meta = part.meta
        if "line" in meta and "col" in meta:
            column = meta["col"] - (meta["end"] - meta["start"])
            return f"line {meta['line']}:{max(column, 1)}"
    return None


def only(node: exp.Expr, *known: str) -> None:
    """Refuse `node` when it has a part that is not in `known`, rather than overlook it."""
    for name, value in node.args.items():
        if name not in known and value not in (None, False, [], ""):
            word = name.rstrip("_").replace("_", " ").upper()
            kind = type(node).__name__.upper()
            raise rejected(node, f"{word} in {kind} is not supported by the local Timestream")
