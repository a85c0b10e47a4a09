"""A database of a local Timestream for the duration of a test."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from fleetstream.emulator import LocalTimestream
from fleetstream.testing.environment import CREDENTIALS, REGION, aws_environment

if TYPE_CHECKING:
    from fleetstream.run.runner import RunResult

TELEMETRY_DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "start": "10m",
    "interval": "60s",
    "record_model": "multi",
}


@dataclass(frozen=True)
class TelemetryTable:
    """A table of generated telemetry.

    Attributes:
        database: The name of its database.
        name: Its own name.
        records: How many records it has.

    """

    database: str
    name: str
    records: int

    @property
    def sql(self) -> str:
        """The table in a query: ``"database"."table"``."""
        return f'"{self.database}"."{self.name}"'


class TimestreamDatabase:
    """An empty database on a running local Timestream.

    Attributes:
        url: The endpoint URL.
        clock: The server's clock, which can be set.
        name: The database's name.
        write: boto3's client of the write API.
        query: boto3's client of the query API.

    """

    def __init__(self, server: LocalTimestream, name: str) -> None:
        self.url = server.url
        self.clock = server.clock
        self.name = name
        self.write: Any = self._client("timestream-write")
        self.query: Any = self._client("timestream-query")

    def telemetry(self, table: str = "telemetry", **options: Any) -> TelemetryTable:
        """Create a table, and fill it with a fleet's telemetry.

        ``options`` are those of ``fleetstream ingest``, with underscores, that choose the fleet,
        the values and the time. By default, they are the last ten minutes of the whole sample
        fleet, once per minute, in multi-measure records, with seed 0. ``end`` or ``autostop`` can
        limit the time.

        Raises TypeError for unknown options, ValueError for contradictory ones, botocore's
        ``ConflictException`` if the table exists, and RuntimeError if it can't be filled.
        """
        # Loaded here, because most tests do without.
        from fleetstream.run.options import make_spec
        from fleetstream.run.runner import new_run

        with tempfile.TemporaryDirectory() as name, aws_environment(self.url):
            folder = Path(name)
            target = {
                "to": "timestream",
                "region": REGION,
                "endpoint_url": self.url,
                "database_name": self.name,
                "table_name": table,
                "undelivered": str(folder / "undelivered"),
            }
            spec = make_spec(**TELEMETRY_DEFAULTS | options | target)
            # Records of any age are accepted.
            self.write.create_table(
                DatabaseName=self.name,
                TableName=table,
                MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
            )
            with new_run(spec, folder / "manifest.json") as run:
                result = run.execute()
        if not result.delivered:
            raise RuntimeError(f"The table {table} can't be filled: {_reason(result)}")
        totals = result.totals
        return TelemetryTable(self.name, table, totals.stored.records - totals.unchanged)

    def _client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **CREDENTIALS)


@contextmanager
def local_timestream(**options: Any) -> Iterator[TimestreamDatabase]:
    """A local Timestream that runs inside the ``with`` block, with an empty database.

    ``options`` are those of ``LocalTimestream``. Inside the block, AWS's environment variables are
    those of ``timestream_database``.
    """
    with LocalTimestream(**options) as server, timestream_database(server) as database:
        yield database


@contextmanager
def timestream_database(server: LocalTimestream) -> Iterator[TimestreamDatabase]:
    """An empty database of a local Timestream that is running.

    At the end, it and all other databases and scheduled queries that were created in the meantime
    are deleted, and the clock is reset. Inside the block, AWS's environment variables name the
    server as the endpoint of both APIs of Timestream, with invented credentials, so that code under
    test uses it unchanged, and nothing else.
    """
    with aws_environment(server.url):
        database = TimestreamDatabase(server, f"test-{uuid.uuid4().hex[:8]}")
        databases, queries = set(_databases(database.write)), set(_queries(database.query))
        database.write.create_database(DatabaseName=database.name)
        try:
            yield database
        finally:
            # First the queries, which would run for all the time that the reset may skip.
            for arn in set(_queries(database.query)) - queries:
                database.query.delete_scheduled_query(ScheduledQueryArn=arn)
            server.clock.reset()
            for name in set(_databases(database.write)) - databases:
                _delete(database.write, name)


def _databases(write: Any) -> list[str]:
    pages = _pages(write.list_databases, "Databases")
    return [database["DatabaseName"] for database in pages]


def _queries(query: Any) -> list[str]:
    pages = query.get_paginator("list_scheduled_queries").paginate()
    return [each["Arn"] for page in pages for each in page["ScheduledQueries"]]


def _delete(write: Any, name: str) -> None:
    for table in list(_pages(write.list_tables, "Tables", DatabaseName=name)):
        write.delete_table(DatabaseName=name, TableName=table["TableName"])
    write.delete_database(DatabaseName=name)


def _pages(operation: Any, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The members of all pages; boto3 has no paginators for the write API."""
    while True:
        page = operation(**parameters)
        yield from page[member]
        if "NextToken" not in page:
            return
        parameters["NextToken"] = page["NextToken"]


def _reason(result: "RunResult") -> str:
    missing = result.totals.generated.records - result.totals.stored.records
    return result.reason or f"{missing} records were not stored."
