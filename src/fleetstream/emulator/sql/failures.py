"""Expressions that fail with a message.

DuckDB's ``error()`` is not allowed inside TRY. A cast that can't succeed is, so a failure is a cast
of its message to a number, and DuckDB's error for that cast contains the message.
"""

from __future__ import annotations

import re

_MARK = "refused: "
_REPORTED = re.compile(f"Could not convert string '{_MARK}(.*?)' to INT64", re.DOTALL)


def fail(message: str) -> str:
    """A DuckDB expression of any type that fails with ``message``, a DuckDB expression of text."""
    # An element of a list of nulls has the type of what it is combined with.
    return f"[NULL][CAST('{_MARK}' || {message} AS BIGINT)]"


def failure_message(error: str) -> str | None:
    """The message of ``fail`` in the text of DuckDB's error; None if the error is another one."""
    found = _REPORTED.search(error)
    return found[1] if found else None
