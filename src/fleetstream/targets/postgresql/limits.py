"""What PostgreSQL does not accept of a fleet (its manual, "Identifiers and Key Words")."""

from collections.abc import Iterator

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.targets.columns import TableColumns
from fleetstream.targets.limits import table_problems

SERIES_ID = "series_id"
"""The column that joins the tables of series and of values."""

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL distinguishes."""


def problems(generator: Generator, record_model: RecordModel) -> Iterator[str]:
    """What is not accepted, as sentences."""
    for name in TableColumns(record_model, tuple(generator.schemas.values())).all:
        if len(name.encode()) > LONGEST_NAME:
            yield too_long(name)
        if name == SERIES_ID:
            yield f"The tables in PostgreSQL have a column {name!r} themselves; rename it."
    yield from table_problems(generator, record_model)


def too_long(name: str) -> str:
    """The sentence about a name of more bytes."""
    return (
        f"PostgreSQL distinguishes only {LONGEST_NAME} bytes of a name, and {name!r} is longer; "
        "choose another one."
    )
