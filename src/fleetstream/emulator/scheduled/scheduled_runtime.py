"""``@scheduled_runtime`` in the text of a query."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from sqlglot import TokenType
from sqlglot.errors import TokenError

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql import TimestreamDialect


def with_runtime(text: str, time: datetime) -> str:
    """The query with ``time`` in place of ``@scheduled_runtime``.

    Raises ValidationException if the text can't be read.
    """
    try:
        tokens = TimestreamDialect().tokenize(text)
    except TokenError as error:
        raise ValidationException(f"The query can't be read: {error}") from error
    parts, position = [], 0
    for sign, name in pairwise(tokens):
        if sign.token_type == TokenType.PARAMETER and name.text.lower() == "scheduled_runtime":
            parts += [text[position : sign.start], f"TIMESTAMP '{time:%Y-%m-%d %H:%M:%S.%f}'"]
            position = name.end + 1
    return "".join([*parts, text[position:]])
