"""Names and texts as parts of DuckDB's SQL."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"
