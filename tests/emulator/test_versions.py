"""Duplicates, versions and upserts, against stored records and within a request."""

from typing import Any

import pytest

from tests.emulator.conftest import Table, dimensions, multi, now, record

SAME_VERSION = (
    "A record already exists with the same time, dimensions, measure name, and record version."
    " A higher record version must be specified in order to update the measure value."
    " Specifying record version is supported by the latest SDKs."
)


def lower(version: int, existing: int) -> str:
    return (
        f"The record version {version} is lower than the existing version {existing}."
        " A higher version is required to update the measure value."
    )


@pytest.fixture
def moment() -> str:
    return str(now())


def test_an_identical_record_is_taken_and_changes_nothing(table: Table, moment: str) -> None:
    for _ in range(2):
        assert table.write(record("1", Time=moment))["Total"] == 1
    assert table.write(record("1.00", Time=moment))["Total"] == 1
    assert table.rows('"measure_value::double"') == [["1.0"]]


def test_another_value_needs_a_higher_version(table: Table, moment: str) -> None:
    table.write(record("1", Time=moment))
    (rejection,) = table.rejections(record("2", Time=moment))
    assert rejection == {"RecordIndex": 0, "Reason": SAME_VERSION, "ExistingVersion": 1}
    table.write(record("3", Time=moment, Version=7))
    (rejection,) = table.rejections(record("4", Time=moment, Version=6))
    assert rejection == {"RecordIndex": 0, "Reason": lower(6, 7), "ExistingVersion": 7}
    (rejection,) = table.rejections(record("4", Time=moment, Version=7))
    assert rejection == {"RecordIndex": 0, "Reason": SAME_VERSION, "ExistingVersion": 7}
    assert table.rows('"measure_value::double"') == [["3.0"]]


def test_a_higher_version_of_the_same_value_is_remembered(table: Table, moment: str) -> None:
    table.write(record("1", Time=moment))
    table.write(record("1", Time=moment, Version=5))
    (rejection,) = table.rejections(record("2", Time=moment, Version=4))
    assert rejection["ExistingVersion"] == 5
    assert table.write(record("1", Time=moment, Version=2))["Total"] == 1


def test_the_order_of_dimensions_makes_no_difference(table: Table, moment: str) -> None:
    table.write(record(Time=moment, Dimensions=dimensions(a="1", b="2")))
    (rejection,) = table.rejections(
        record("2", Time=moment, Dimensions=dimensions(b="2")), Dimensions=dimensions(a="1")
    )
    assert rejection["Reason"] == SAME_VERSION


@pytest.mark.parametrize(
    "other",
    [
        {"MeasureName": "memory"},
        {"Dimensions": dimensions(host="b")},
        {"Dimensions": dimensions(host="a", region="eu")},
        {"Dimensions": dimensions(hos="ta")},
        {"Dimensions": dimensions(host="")},
    ],
)
def test_another_series_is_no_duplicate(table: Table, moment: str, other: dict[str, Any]) -> None:
    table.write(record("1", Time=moment), record("2", Time=moment, **other))
    assert sorted(table.rows('"measure_value::double"')) == [["1.0"], ["2.0"]]


def test_another_time_is_no_duplicate_in_any_order(table: Table, moment: str) -> None:
    times = [int(moment) * 1_000_000 + shift for shift in (0, 5, -5, 1, 4, -3)]
    for value, time in enumerate(times):
        table.write(record(str(value), Time=str(time), TimeUnit="NANOSECONDS"))
    assert table.rows("count(*)") == [["6"]]
    for value, time in enumerate(times):
        (rejection,) = table.rejections(
            record(str(value + 1), Time=str(time), TimeUnit="NANOSECONDS")
        )
        assert rejection["Reason"] == SAME_VERSION


def test_a_type_is_part_of_the_value(table: Table, moment: str) -> None:
    table.write(record("1", Time=moment))
    (rejection,) = table.rejections(record("1", Time=moment, MeasureValueType="BIGINT"))
    assert rejection["Reason"] == SAME_VERSION


def test_duplicates_within_a_request_are_taken_in_order(table: Table, moment: str) -> None:
    rejections = table.rejections(
        record("1", Time=moment),
        record("1", Time=moment),
        record("2", Time=moment),
        record("3", Time=moment, Version=3),
        record("4", Time=moment, Version=2),
        record("5", Time=moment, Version=4),
        record("6", Time=moment, Dimensions=dimensions(host="other")),
    )
    assert rejections == [
        {"RecordIndex": 2, "Reason": SAME_VERSION, "ExistingVersion": 1},
        {"RecordIndex": 4, "Reason": lower(2, 3), "ExistingVersion": 3},
    ]
    assert sorted(table.rows('host, "measure_value::double"')) == [["a", "5.0"], ["other", "6.0"]]


def test_a_stored_record_is_replaced_once_by_several(table: Table, moment: str) -> None:
    table.write(record("1", Time=moment))
    table.write(record("2", Time=moment, Version=2), record("3", Time=moment, Version=3))
    assert table.rows('"measure_value::double"') == [["3.0"]]


def test_an_upsert_replaces_all_values_of_a_multi_measure_record(table: Table, moment: str) -> None:
    table.write(multi(("x", "DOUBLE", "1"), ("y", "BIGINT", "1"), Time=moment))
    changed = multi(("x", "DOUBLE", "1"), ("y", "BIGINT", "2"), Time=moment)
    (rejection,) = table.rejections(changed)
    assert rejection["Reason"] == SAME_VERSION
    table.write(multi(("y", "BIGINT", "3"), ("z", "VARCHAR", "new"), Time=moment, Version=2))
    assert table.rows("x, y, z") == [[None, "3", "new"]]
    table.write(multi(("z", "VARCHAR", "new"), ("y", "BIGINT", "3"), Time=moment, Version=2))
    assert table.rows("count(*)") == [["1"]]


def test_timestamps_are_compared_to_the_nanosecond(table: Table, moment: str) -> None:
    def due(shift: int) -> dict[str, Any]:
        value = int(moment) * 1_000_000 + shift
        return multi(
            ("due", "TIMESTAMP", str(value)), Time=f"{moment}000000", TimeUnit="NANOSECONDS"
        )

    table.write(due(0))
    assert table.write(due(0))["Total"] == 1
    assert table.rejections(due(1))[0]["Reason"] == SAME_VERSION
