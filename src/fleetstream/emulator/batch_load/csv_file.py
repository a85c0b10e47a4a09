"""Reading CSV files, row by row, with the lines that each row has."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from msgspec import UNSET

from fleetstream.emulator.batch_load.shapes import CsvConfiguration
from fleetstream.emulator.mapping.measures import Row


class InvalidFile(Exception):
    """A file can't be loaded at all; the message says why."""


class CsvRow(NamedTuple):
    """A row: its first and last line, from 1, and its values, or why it has none."""

    lines: tuple[int, int]
    values: Row
    error: str | None = None


def read_csv(
    content: IO[bytes], configuration: CsvConfiguration, required: Sequence[str]
) -> Iterator[CsvRow]:
    """The rows of a file whose first line names the columns.

    Raises InvalidFile if the file is not UTF-8, is empty, or lacks one of the required columns.
    """
    text = io.TextIOWrapper(content, "utf-8-sig", newline="")
    reader = csv.reader(text, **_format(configuration))
    trim = configuration.trim_white_space is True
    try:
        names = next(reader, [])
        if trim:
            names = [name.strip() for name in names]
        missing = [name for name in required if name not in names]
        if missing:
            raise InvalidFile(f"The header has no column {missing[0]}, which the data model maps.")
        line = reader.line_num + 1
        for fields in reader:
            lines = (line, reader.line_num)
            line = reader.line_num + 1
            if not fields:
                continue
            if len(fields) != len(names):
                reason = f"The row has {len(fields)} columns, but the header has {len(names)}."
                yield CsvRow(lines, {}, reason)
                continue
            values = [field.strip() for field in fields] if trim else fields
            null = configuration.null_value or ""
            yield CsvRow(
                lines,
                {
                    name: None if value in ("", null) else value
                    for name, value in zip(names, values, strict=True)
                },
            )
    except UnicodeDecodeError as error:
        raise InvalidFile(f"The file is not UTF-8: {error}.") from error
    except csv.Error as error:
        raise InvalidFile(f"The file is not CSV: {error}.") from error


def _format(configuration: CsvConfiguration) -> dict[str, Any]:
    """Parameters of ``csv.reader``; a quote in a value is doubled, or follows the escape."""
    quote = configuration.quote_char or '"'
    escape = configuration.escape_char
    doubled = escape is UNSET or escape == quote
    return {
        "delimiter": configuration.column_separator or ",",
        "quotechar": quote,
        "escapechar": None if doubled else escape,
        "doublequote": doubled,
    }
