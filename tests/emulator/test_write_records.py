"""WriteRecords: what is stored, and what is refused as a whole or record by record."""

import string
from typing import Any

import pytest

from tests.emulator.conftest import Table, dimensions, make_table, multi, now, record
from tests.emulator.endpoint import Endpoint

HOUR = 3_600_000
MEMORY_STORE = {"MemoryStoreRetentionPeriodInHours": 1, "MagneticStoreRetentionPeriodInDays": 2}


def test_common_attributes_are_merged_into_every_record(table: Table) -> None:
    moment = now() // 1000
    ingested = table.write(
        {"Dimensions": dimensions(host="a"), "MeasureValue": "1"},
        {"Dimensions": dimensions(host="b"), "MeasureValue": "true", "MeasureValueType": "BOOLEAN"},
        {"MeasureName": "own", "Time": str(moment * 1000 - 1), "TimeUnit": "MILLISECONDS"},
        Dimensions=dimensions(region="eu"),
        MeasureName="common",
        MeasureValue="7",
        MeasureValueType="BIGINT",
        Time=str(moment),
        TimeUnit="SECONDS",
    )
    assert ingested == {"Total": 3, "MemoryStore": 3, "MagneticStore": 0}
    columns = 'region, host, measure_name, "measure_value::bigint", "measure_value::boolean"'
    columns += ", to_milliseconds(time)"
    assert sorted(table.rows(columns), key=str) == [
        ["eu", "a", "common", "1", None, str(moment * 1000)],
        ["eu", "b", "common", None, "true", str(moment * 1000)],
        ["eu", None, "own", "7", None, str(moment * 1000 - 1)],
    ]


def test_multi_measure_values_can_be_common(table: Table) -> None:
    common = multi(("load", "DOUBLE", "2.5"))
    del common["Dimensions"]
    table.write({"Dimensions": dimensions(host="a")}, **common)
    assert table.rows("host, load") == [["a", "2.5"]]


@pytest.mark.parametrize(
    ("unit", "digits"),
    [("SECONDS", 0), ("MILLISECONDS", 3), ("MICROSECONDS", 6), ("NANOSECONDS", 9)],
)
def test_times_have_units(table: Table, unit: str, digits: int) -> None:
    moment = now() // 1000
    fraction = "123456789"[:digits]
    table.write(record(Time=f"{moment}{fraction}", TimeUnit=unit))
    ((text,),) = table.rows("to_nanoseconds(time)")
    assert text == f"{moment}{fraction:0<9}"


def test_every_type_keeps_its_value(table: Table) -> None:
    table.write(
        multi(
            ("a_double", "DOUBLE", "-1.5e-300"),
            ("a_bigint", "BIGINT", str(-(2**63))),
            ("a_boolean", "BOOLEAN", "False"),
            ("a_varchar", "VARCHAR", "naïve 'text' \"\\\n\u2028🚀"),
            ("a_timestamp", "TIMESTAMP", "1700000000"),
            TimeUnit="SECONDS",
            Time=str(now() // 1000),
        )
    )
    assert table.rows("a_double, a_bigint, a_boolean, a_varchar, a_timestamp") == [
        [
            "-1.5E-300",
            str(-(2**63)),
            "false",
            "naïve 'text' \"\\\n\u2028🚀",
            "2023-11-14 22:13:20.000000000",
        ]
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DOUBLE", "abc"),
        ("DOUBLE", "NaN"),
        ("DOUBLE", "Infinity"),
        ("DOUBLE", "-inf"),
        ("DOUBLE", "1e400"),
        ("DOUBLE", "1_0"),
        ("DOUBLE", " 1"),
        ("DOUBLE", "٣"),
        ("BIGINT", "1.0"),
        ("BIGINT", str(2**63)),
        ("BIGINT", str(-(2**63) - 1)),
        ("BIGINT", "9" * 2000),
        ("BIGINT", "1e3"),
        ("BOOLEAN", "1"),
        ("BOOLEAN", "yes"),
    ],
)
def test_values_that_are_not_of_their_type_are_rejected(
    table: Table, kind: str, value: str
) -> None:
    good = record("1", Dimensions=dimensions(host="good"), MeasureValueType="BIGINT")
    bad = record(value, MeasureValueType=kind)
    (rejection,) = table.rejections(good, bad)
    reason = f"The value {value[:40]!r} of measure_value::{kind.lower()} is not a valid {kind}."
    assert rejection == {"RecordIndex": 1, "Reason": reason}
    (rejection,) = table.rejections(multi(("x", kind, value)))
    assert rejection["Reason"].endswith(f"of x is not a valid {kind}.")
    assert table.rows("host") == [["good"]]


@pytest.mark.parametrize("value", ["soon", "1.5", str(2**63), "9" * 19])
def test_a_timestamp_must_be_one(table: Table, value: str) -> None:
    (rejection,) = table.rejections(multi(("due", "TIMESTAMP", value)))
    assert rejection["Reason"].endswith("of due is not a valid TIMESTAMP.")


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("DOUBLE", "+1", "1.0"),
        ("DOUBLE", "1.", "1.0"),
        ("DOUBLE", ".5", "0.5"),
        ("DOUBLE", "1E2", "100.0"),
        ("DOUBLE", "00012.5", "12.5"),
        ("BIGINT", "+007", "7"),
        ("BOOLEAN", "TRUE", "true"),
    ],
)
def test_values_can_be_written_in_several_ways(
    table: Table, kind: str, value: str, stored: str
) -> None:
    table.write(record(value, MeasureValueType=kind))
    assert table.rows(f'"measure_value::{kind.lower()}"') == [[stored]]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"Dimensions": None}, "At least one dimension is required for a record."),
        ({"Dimensions": []}, "At least one dimension is required for a record."),
        ({"Dimensions": dimensions(time="x")}, "The name time is not allowed"),
        ({"Dimensions": dimensions(measure_name="x")}, "The name measure_name is not allowed"),
        ({"Dimensions": dimensions(ts_x="x")}, "The name ts_x is not allowed"),
        ({"Dimensions": [{"Name": "a:b", "Value": "x"}]}, "The name a:b is not allowed"),
        ({"Dimensions": [{"Name": "", "Value": "x"}]}, "length greater than or equal to 1"),
        ({"Dimensions": [{"Name": "a"}]}, "Value null at 'record.dimensions.1.member.value'"),
        (
            {"Dimensions": [{"Name": "a", "Value": "b", "DimensionValueType": "INT"}]},
            "dimensionValueType",
        ),
        ({"Dimensions": dimensions(a="x") * 2}, "Duplicate dimensions are not permitted"),
        ({"Dimensions": dimensions(a="x") * 129}, "length less than or equal to 128"),
        ({"MeasureName": None}, "A measure name is required for a record."),
        ({"MeasureName": ""}, "records.1.member.measureName"),
        ({"MeasureName": "measure_value::double"}, "The name measure_value::double is not allowed"),
        ({"MeasureValue": None}, "must have a MeasureValue"),
        ({"MeasureValue": ""}, "records.1.member.measureValue"),
        ({"MeasureValue": "x" * 2049}, "length less than or equal to 2048"),
        ({"MeasureValueType": "FLOAT"}, "records.1.member.measureValueType"),
        ({"MeasureValueType": "TIMESTAMP"}, "TIMESTAMP is an invalid measure value type"),
        ({"MeasureValueType": "MULTI"}, "A record of type MULTI must have MeasureValues"),
        ({"MeasureValues": [{"Name": "a", "Value": "1", "Type": "DOUBLE"}]}, "no MeasureValues"),
        ({"Time": None}, "Invalid time for record."),
        ({"Time": "now"}, "Invalid time for record."),
        ({"Time": "1.5"}, "Invalid time for record."),
        ({"Time": "9" * 19}, "Invalid time for record."),
        ({"Time": "9" * 257}, "records.1.member.time"),
        ({"TimeUnit": "HOURS"}, "records.1.member.timeUnit"),
        ({"Version": 0}, "Version must be 1 or greater, but is 0."),
        ({"Version": -1}, "Version must be 1 or greater, but is -1."),
        ({"Version": 2**63}, "records.1.member.version"),
    ],
)
def test_an_invalid_record_fails_the_request(
    table: Table, members: dict[str, Any], message: str
) -> None:
    good = record(Dimensions=dimensions(host="good"))
    assert message in table.invalid(record(**members), good)
    assert table.rows("measure_name") == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must have MeasureValues"),
        ([("x", "DOUBLE", "1"), ("x", "DOUBLE", "2")], "Duplicate measure names"),
        ([("x", "DOUBLE", "1"), ("x", "BIGINT", "2")], "Duplicate measure names"),
        ([("time", "DOUBLE", "1")], "The name time is not allowed"),
        ([("measure_value::double", "DOUBLE", "1")], "is not allowed"),
        ([("x", "MULTI", "1")], "measureValues.1.member.type"),
        ([("", "DOUBLE", "1")], "measureValues.1.member.name"),
    ],
)
def test_invalid_measure_values_fail_the_request(
    table: Table, values: list[tuple[str, str, str]], message: str
) -> None:
    assert message in table.invalid(multi(*values))


def test_dimensions_in_common_and_in_a_record_must_not_overlap(table: Table) -> None:
    message = table.invalid(record(), Dimensions=dimensions(host="b"))
    assert "Duplicate dimensions are not permitted" in message


@pytest.mark.parametrize("count", [0, 101])
def test_a_request_has_one_to_a_hundred_records(table: Table, count: int) -> None:
    records = [record(Dimensions=dimensions(host=str(number))) for number in range(count)]
    assert "at 'records'" in table.invalid(*records)


def test_a_request_can_have_a_hundred_records(table: Table) -> None:
    records = [record(Dimensions=dimensions(host=str(number))) for number in range(100)]
    assert table.write(*records)["Total"] == 100
    assert table.rows("count(*)") == [["100"]]


def test_records_outside_the_memory_store_are_rejected(
    endpoint: Endpoint,
) -> None:
    table = make_table(endpoint, RetentionProperties=MEMORY_STORE)
    moment = now()
    times = [moment - HOUR - 5_000, moment - HOUR + 5_000, moment, moment + 890_000]
    times.append(moment + 905_000)
    rejections = table.rejections(*(record(Time=str(time)) for time in times))
    assert [rejection["RecordIndex"] for rejection in rejections] == [0, 4]
    for rejection in rejections:
        assert rejection["Reason"].startswith("The record timestamp is outside the time range [")
        assert rejection["Reason"].endswith("Z) of the memory store.")
        assert "ExistingVersion" not in rejection
    assert table.rows("count(*)") == [["3"]]


def test_older_records_go_to_the_magnetic_store_if_it_takes_writes(
    endpoint: Endpoint,
) -> None:
    table = make_table(
        endpoint,
        RetentionProperties=MEMORY_STORE,
        MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
    )
    moment = now()
    ingested = table.write(record(Time=str(moment)), record(Time=str(moment - 47 * HOUR)))
    assert ingested == {"Total": 2, "MemoryStore": 1, "MagneticStore": 1}
    (rejection,) = table.rejections(record(Time=str(moment - 49 * HOUR)))
    assert rejection["Reason"].endswith("Z) of the data ingestion window.")


def test_a_longer_retention_takes_older_records(table: Table) -> None:
    old = record(Time=str(now() - 7 * HOUR))
    assert len(table.rejections(old)) == 1
    retention = MEMORY_STORE | {"MemoryStoreRetentionPeriodInHours": 8}
    table.server.write.update_table(**table.names, RetentionProperties=retention)
    assert table.write(old)["Total"] == 1


def test_the_columns_grow_as_they_appear(table: Table) -> None:
    assert table.columns() == [("measure_name", "varchar"), ("time", "timestamp")]
    table.write(record(MeasureValueType="BIGINT", MeasureValue="1"))
    table.write(
        multi(("x", "BOOLEAN", "true"), ("y", "TIMESTAMP", "0"), Dimensions=dimensions(zone="z"))
    )
    table.write(record())
    assert table.columns() == [
        ("host", "varchar"),
        ("zone", "varchar"),
        ("measure_name", "varchar"),
        ("time", "timestamp"),
        ("measure_value::bigint", "bigint"),
        ("x", "boolean"),
        ("y", "timestamp"),
        ("measure_value::double", "double"),
    ]


def test_a_column_keeps_its_type(table: Table) -> None:
    table.write(multi(("x", "DOUBLE", "1")))
    rejections = table.rejections(
        multi(("x", "BIGINT", "1"), Dimensions=dimensions(host="b")),
        multi(("x", "DOUBLE", "2"), Dimensions=dimensions(host="c")),
        record(Dimensions=dimensions(x="a dimension")),
        multi(("host", "VARCHAR", "a measure"), Dimensions=dimensions(zone="z")),
    )
    assert [(r["RecordIndex"], r["Reason"]) for r in rejections] == [
        (0, "The measure x has type double in this table, not bigint."),
        (2, "x cannot be a dimension: the table has a measure value of this name."),
        (3, "host cannot be a measure value: the table has a dimension of this name."),
    ]
    assert sorted(table.rows("host, x")) == [["a", "1.0"], ["c", "2.0"]]


def test_a_column_that_differs_by_case_alone_is_rejected(table: Table) -> None:
    table.write(multi(("Load", "DOUBLE", "1")))
    (rejection,) = table.rejections(multi(("load", "DOUBLE", "1"), Dimensions=dimensions(host="b")))
    assert "differs from Load only by the case of letters" in rejection["Reason"]


def test_a_required_partition_key_must_be_in_every_record(
    endpoint: Endpoint,
) -> None:
    key = {"Type": "DIMENSION", "Name": "host", "EnforcementInRecord": "REQUIRED"}
    table = make_table(endpoint, Schema={"CompositePartitionKey": [key]})
    (rejection,) = table.rejections(record(), record(Dimensions=dimensions(region="eu")))
    assert rejection["RecordIndex"] == 1
    assert "no dimension host" in rejection["Reason"]


def test_lengths_of_names_and_records_are_limited(table: Table) -> None:
    long_name, too_long_name = "d" * 60, "d" * 61
    measure, too_long_measure = "m" * 256, "m" * 257
    rejections = table.rejections(
        record(Dimensions=[{"Name": long_name, "Value": "1"}], MeasureName=measure),
        record(Dimensions=[{"Name": too_long_name, "Value": "1"}]),
        record(MeasureName=too_long_measure),
        multi(("m" * 257, "DOUBLE", "1")),
        record(Dimensions=[{"Name": "ü" * 31, "Value": "1"}]),
        record(Dimensions=dimensions(a="x" * 2047), MeasureName="m"),
        record("v" * 2036, MeasureValueType="VARCHAR"),
        record("v" * 2030, MeasureValueType="VARCHAR"),
    )
    assert {r["RecordIndex"]: r["Reason"] for r in rejections} == {
        1: f"The dimension name {too_long_name} is longer than 60 bytes.",
        2: f"The measure name {'m' * 60}... is longer than 256 bytes.",
        3: f"The measure name {'m' * 60}... is longer than 256 bytes.",
        4: f"The dimension name {'ü' * 31} is longer than 60 bytes.",
        5: "The record has 2065 bytes, more than 2048.",
        6: "The record has 2052 bytes, more than 2048.",
    }


def test_the_dimensions_of_a_series_are_limited(table: Table) -> None:
    (rejection,) = table.rejections(record(Dimensions=dimensions(a="x" * 1024, b="x" * 1023)))
    assert rejection["Reason"] == (
        "The names and values of the dimensions have 2049 bytes together, more than 2048."
    )


def test_a_record_has_256_measures_at_most(table: Table) -> None:
    names = [a + b for a in string.ascii_letters for b in string.ascii_letters]
    names = list({name.lower(): name for name in names}.values())
    values = [(name, "BOOLEAN", "true") for name in names]
    (rejection,) = table.rejections(
        multi(*values[:256]), multi(*values[:257], Dimensions=dimensions(host="b"))
    )
    assert rejection == {
        "RecordIndex": 1,
        "Reason": "The record has 257 measures, more than 256.",
    }
    assert table.rows("host, aa, bb") == [["a", "true", "true"]]


def test_a_table_has_128_dimensions_at_most(table: Table) -> None:
    first = [{"Name": f"d{number}", "Value": "x"} for number in range(128)]
    table.write(record(Dimensions=first))
    (rejection,) = table.rejections(
        record(Dimensions=first[:3]), record(Dimensions=dimensions(d128="x"))
    )
    assert rejection["RecordIndex"] == 1
    assert rejection["Reason"].endswith("a table can have 128 dimensions.")


def test_a_table_has_1024_measures_of_multi_measure_records_at_most(table: Table) -> None:
    for start in range(0, 1024, 128):
        names = range(start, start + 128)
        table.write(multi(*((f"m{number}", "BOOLEAN", "true") for number in names)))
    (rejection,) = table.rejections(multi(("m1024", "BOOLEAN", "true"), MeasureName="more"))
    assert rejection["Reason"].endswith("can have 1024 measures of multi-measure records.")
    assert table.write(record())["Total"] == 1


@pytest.mark.slow
def test_a_table_has_8192_measure_names_at_most(table: Table) -> None:
    names = [f"m{number}" for number in range(8192)]
    for start in range(0, 8192, 100):
        table.write(*(record(MeasureName=name) for name in names[start : start + 100]))
    (rejection,) = table.rejections(record(MeasureName="more"))
    assert rejection["Reason"] == ("The measure name more cannot be added: a table can have 8192.")


def test_measures_are_shown_with_type_and_dimensions(table: Table) -> None:
    table.write(record(), multi(("x", "DOUBLE", "1"), Dimensions=dimensions(zone="z", host="b")))
    table.write(record("text", MeasureValueType="VARCHAR", Dimensions=dimensions(zone="z")))
    answer = table.server.query.query(QueryString=f'SHOW MEASURES FROM "testDb"."{table.name}"')
    shown = []
    for row in answer["Rows"]:
        name, kind, listed = row["Data"]
        found = [d["RowValue"]["Data"][0]["ScalarValue"] for d in listed["ArrayValue"]]
        shown.append((name["ScalarValue"], kind["ScalarValue"], sorted(found)))
    assert sorted(shown) == [
        ("cpu", "double", ["host", "zone"]),
        ("cpu", "varchar", ["host", "zone"]),
        ("metrics", "multi", ["host", "zone"]),
    ]
