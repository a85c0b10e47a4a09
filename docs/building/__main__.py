"""Writes every page and picture that is made from the program: `make docs`."""

from docs.building import (
    behaviour,
    model_reference,
    operations,
    outputs,
    pictures,
    reference,
    root_cause,
    schema,
    shipped,
    sql_functions,
    tutorial,
    values,
)

PARTS = (
    reference,
    root_cause,
    operations,
    schema,
    values,
    model_reference,
    shipped,
    sql_functions,
    pictures,
    tutorial,
    behaviour,
    outputs,
)

if __name__ == "__main__":
    for part in PARTS:
        part.build()
