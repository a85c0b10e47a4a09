"""The tables that the SQL cases read, in a local Timestream, and its answers in short form."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tests.emulator.sql_cases import DATABASE, RECORDS, START
from tests.emulator_process import EmulatorProcess as LocalTimestream


@contextmanager
def serving() -> Iterator[LocalTimestream]:
    """A local Timestream that has the records of the cases."""
    with LocalTimestream() as timestream:
        load(timestream.write)
        yield timestream


def unchecked(url: str) -> Any:
    """A client of the query API that leaves all checks of parameters to the endpoint."""
    return boto3.client(
        "timestream-query",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )


def load(write: Any) -> None:
    """Write the records of the cases; they are old, so they go to the magnetic store."""
    write.create_database(DatabaseName=DATABASE)
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
    """One value of an answer in the short form of the cases."""
    if datum.get("NullValue"):
        return None
    if "ArrayValue" in datum:
        return [plain(part) for part in datum["ArrayValue"]]
    if "RowValue" in datum:
        return tuple(plain(part) for part in datum["RowValue"]["Data"])
    if "TimeSeriesValue" in datum:
        return [(point["Time"], plain(point["Value"])) for point in datum["TimeSeriesValue"]]
    return datum["ScalarValue"]


def rows(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of an answer in the short form of the cases."""
    return [tuple(plain(datum) for datum in row["Data"]) for row in answer["Rows"]]
