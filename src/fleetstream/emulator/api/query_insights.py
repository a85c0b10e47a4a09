"""Insights into queries: what they have read and unloaded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from fleetstream.emulator.errors import ResourceNotFoundException
from fleetstream.emulator.sql import TimeRange
from fleetstream.emulator.store.catalog import TIME_COLUMN
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.unload import Unload

Insights = Callable[[duckdb.DuckDBPyConnection], dict[str, Any]]
"""Members of QueryInsightsResponse, for a query that has ended; gets its cursor."""


def query_insights(
    ranges: Sequence[TimeRange],
    unload: Unload | None,
    store: TimestreamStore,
    cursor: duckdb.DuckDBPyConnection,
) -> dict[str, Any]:
    """The number of tables, the largest time range that is read of one, and what was unloaded.

    What cannot be known is left out: the time range if a table was deleted in the meantime, and
    always how much of the service's partitions is read.
    """
    tables = {(each.database, each.table) for each in ranges}
    insights: dict[str, Any] = {"QueryTableCount": len(tables)}
    if unload is not None:
        insights |= unload.insights()
    if ranges:
        with contextlib.suppress(duckdb.Error, ResourceNotFoundException):
            durations = [(_nanoseconds(each, store, cursor), each) for each in ranges]
            longest, of = max(durations, key=lambda pair: pair[0])
            arn = store.catalog.table(of.database, of.table).arn
            insights["QueryTemporalRange"] = {"Max": {"Value": longest, "TableArn": arn}}
    return insights


def _nanoseconds(of: TimeRange, store: TimestreamStore, cursor: duckdb.DuckDBPyConnection) -> int:
    """The length of a time range.

    Without a start, it begins with the table's first record; without an end, it ends with the last
    one, or now if that is later.
    """
    now = f"make_timestamp_ns({store.now()})"
    start = f"greatest({', '.join(of.starts)})" if of.starts else f"coalesce(min(time), {now})"
    end = f"least({', '.join(of.ends)})" if of.ends else f"greatest(max(time), {now})"
    relation = store.relation(of.database, of.table, [TIME_COLUMN.name])
    source = "" if of.starts and of.ends else f" FROM {relation}"
    sql = f"SELECT greatest(epoch_ns({end}) - epoch_ns({start}), 0){source}"
    nanoseconds: int = cursor.execute(sql).fetchall()[0][0]
    return nanoseconds
