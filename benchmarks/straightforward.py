"""The straightforward tool: one `write_records` of boto3 a series, a dict a record.

It draws one value at a time for each measure of a host, and sends the records of one
host or process together, with their dimensions and time as common attributes.
"""

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from fleetstream.distributions import Choice
from fleetstream.fleet import Fleet, SeriesTable
from fleetstream.measures import measures_of


def main(url: str, series: int, threads: int) -> None:
    """Write one sweep of so many hosts; prints how many values that were."""
    client = boto3.client("timestream-write", region_name="us-east-1", endpoint_url=url)
    hosts = Fleet().hosts

    def write(place: int) -> int:
        records, common = record_dicts(hosts, place)
        client.write_records(
            DatabaseName="db", TableName="tb", Records=records, CommonAttributes=common
        )
        return len(records)

    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(write, range(series))))


def record_dicts(table: SeriesTable, place: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The records of one series, and what they have in common."""
    dimensions = table.dimensions.slice(place % len(table), 1).to_pylist()[0]
    common = {
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "MeasureValueType": "DOUBLE",
        "Time": str(int(time.time())),
        "TimeUnit": "SECONDS",
    }
    records = []
    for measure in measures_of(table.kind):
        assert not isinstance(measure.distribution, Choice)
        value = round(random.uniform(0, 100), measure.decimals)
        records.append({"MeasureName": measure.name, "MeasureValue": str(value)})
    return records, common


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
