"""A local Timestream in a process of its own, with the tables that the SQL cases read."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from sql_cases import DATABASE, RECORDS, START


@dataclass(frozen=True)
class Endpoint:
    """Where it listens, and boto3's clients for its two services."""

    url: str
    write: Any
    query: Any


@contextmanager
def serving() -> Iterator[Endpoint]:
    """`fleetstream serve` on a free port, stopped at the end."""
    command = [
        sys.executable,
        "-c",
        "import fleetstream.cli; raise SystemExit(fleetstream.cli.main())",
    ]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            endpoint = Endpoint(
                url, client("timestream-write", url), client("timestream-query", url)
            )
            load(endpoint.write)
            yield endpoint
        finally:
            process.terminate()


def client(service: str, url: str) -> Any:
    """A boto3 client for the endpoint, without retries and without checks of its own."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, parameter_validation=False),
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
        "Time": str(START + 60 * minute),
        "TimeUnit": "SECONDS",
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
