"""The straightforward tool: one `write_records` of boto3 per series, one dict per record.

It draws one value at a time, and sends the records of one host or process together, with their
dimensions and time as common attributes.
"""

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from fleetstream.generate.generator import Generator
from fleetstream.model import Measure, load_model
from fleetstream.model.laws import Choice


def main(url: str, sweeps: int, threads: int) -> None:
    """Write so many sweeps of the whole fleet; prints how many values that were."""
    client = boto3.client("timestream-write", region_name="us-east-1", endpoint_url=url)
    series = [
        (table.kind, dimensions)
        for table in Generator(load_model(), 7).tables.values()
        for dimensions in table.dimensions.to_pylist()
    ]

    def write(one: tuple[str, dict[str, str]]) -> int:
        records, common = record_dicts(*one)
        client.write_records(
            DatabaseName="db", TableName="tb", Records=records, CommonAttributes=common
        )
        return len(records)

    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(write, series * sweeps)))


def record_dicts(
    kind: str, dimensions: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The records of one series, and what they have in common."""
    common = {
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Time": str(int(time.time())),
        "TimeUnit": "SECONDS",
    }
    records = [
        {
            "MeasureName": measure.name,
            "MeasureValue": value_text(measure),
            "MeasureValueType": measure.type,
        }
        for measure in load_model().kinds[kind].measures
    ]
    return records, common


def value_text(measure: Measure) -> str:
    """A value of a measure, as the API wants it."""
    if isinstance(measure.value, Choice):
        return random.choices(measure.value.words, list(measure.value.shares.values()))[0]
    return str(round(random.uniform(0, 100), measure.decimals or None))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
