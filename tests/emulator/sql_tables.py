"""The tables that the SQL cases read, and results in the notation of the cases."""

from typing import Any

from tests.emulator.sql_cases import DATABASE, RECORDS, START


def load(write: Any) -> None:
    """Create the tables; their records are old, so they go to the magnetic store."""
    for name in (DATABASE, "Alike", "alike"):
        write.create_database(DatabaseName=name)
    for table in RECORDS:
        write.create_table(
            DatabaseName=DATABASE,
            TableName=table,
            RetentionProperties={
                "MemoryStoreRetentionPeriodInHours": 1,
                "MagneticStoreRetentionPeriodInDays": 36_500,
            },
            MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
        )
    single = [
        {
            **_common(host, region, minute),
            "MeasureName": name,
            "MeasureValueType": kind,
            "MeasureValue": value,
        }
        for host, region, minute, name, kind, value in RECORDS["single"]
    ]
    multi = [
        {
            **_common(host, region, minute),
            "MeasureName": "metrics",
            "MeasureValueType": "MULTI",
            "MeasureValues": [
                {"Name": name, "Type": kind, "Value": value}
                for name, (kind, value) in values.items()
            ],
        }
        for host, region, minute, values in RECORDS["multi"]
    ]
    for table, records in (("single", single), ("multi", multi)):
        write.write_records(DatabaseName=DATABASE, TableName=table, Records=records)


def _common(host: str, region: str, minute: int) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "host", "Value": host}, {"Name": "region", "Value": region}],
        "Time": str(1000 * (START + 60 * minute)),
    }


def plain(datum: dict[str, Any]) -> Any:
    """One value of a result in the notation of the cases."""
    if datum.get("NullValue"):
        return None
    if "ArrayValue" in datum:
        return [plain(part) for part in datum["ArrayValue"]]
    if "RowValue" in datum:
        return tuple(plain(part) for part in datum["RowValue"]["Data"])
    if "TimeSeriesValue" in datum:
        return [(point["Time"], plain(point["Value"])) for point in datum["TimeSeriesValue"]]
    return datum["ScalarValue"]


def rows(response: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a Query response in the notation of the cases."""
    return [tuple(plain(datum) for datum in row["Data"]) for row in response["Rows"]]
