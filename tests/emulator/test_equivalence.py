"""Whatever the server does faster for whole requests must not change what it does."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.conftest import Table, dimensions, make_table, multi, now, record
from tests.emulator.endpoint import Endpoint

START = now() - 1_000_000

VALUES = st.lists(
    st.sampled_from(
        [
            ("x", "DOUBLE", "1"),
            ("x", "DOUBLE", "2"),
            ("x", "BIGINT", "1"),
            ("y", "VARCHAR", "text"),
            ("y", "VARCHAR", "1"),
            ("z", "BOOLEAN", "true"),
            ("z", "BOOLEAN", "nonsense"),
            ("due", "TIMESTAMP", "17"),
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda value: value[0],
)
SINGLE = st.sampled_from([("1", "DOUBLE"), ("2", "DOUBLE"), ("2", "BIGINT"), ("x", "DOUBLE")])


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    members = {
        "Dimensions": dimensions(host=draw(st.sampled_from("ab"))),
        "Time": str(START + draw(st.integers(0, 2))),
        "Version": draw(st.integers(1, 3)),
        "MeasureName": draw(st.sampled_from(["m", "n"])),
    }
    if draw(st.booleans()):
        return multi(*draw(VALUES), **members)
    value, kind = draw(SINGLE)
    return record(value, MeasureValueType=kind, **members)


@given(st.lists(records(), min_size=1, max_size=12))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_request_does_what_its_records_do_one_by_one(
    endpoint: Endpoint, given_records: list[dict[str, Any]]
) -> None:
    together, apart = make_table(endpoint), make_table(endpoint)
    expected = [
        rejection | {"RecordIndex": index}
        for index, one in enumerate(given_records)
        for rejection in attempt(apart, [one])
    ]
    assert attempt(together, given_records) == expected
    assert by_column(together) == by_column(apart)


def attempt(table: Table, written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write records; gives the rejections."""
    try:
        table.write(*written)
    except table.server.write.exceptions.RejectedRecordsException as error:
        rejected: list[dict[str, Any]] = error.response["RejectedRecords"]
        return rejected
    return []


def by_column(table: Table) -> list[list[tuple[str, str]]]:
    """The rows, with the names of the columns that have a value, whatever their order."""
    names = [name for name, _ in table.columns()]
    return sorted(
        sorted((name, value) for name, value in zip(names, row, strict=True) if value is not None)
        for row in table.rows()
    )
