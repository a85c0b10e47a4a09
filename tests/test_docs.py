"""The pages that are made from the program are those that it makes now."""

from docs import reference, schema


def test_command_line_reference() -> None:
    assert reference.PAGE.read_text() == reference.reference(), "stale; run `make docs`"


def test_summary_schema() -> None:
    schema_now = schema.written()
    assert schema.PAGE.read_text() == schema_now, "stale; run `make docs`"
