"""Prometheus metrics of the server, and its access log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from fleetstream.emulator.api.query_runner import QueryRunner

BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Upper bounds of the histogram of durations, in seconds."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AccessLog:
    """A line of JSON per request: when, who, what, how it ended, how long and how large."""

    def __init__(self, path: Path) -> None:
        """Append to the file ``path``; ``-`` is standard output. Raises ValueError if it cannot."""
        self._standard_output = str(path) == "-"
        self._file: IO[bytes]
        try:
            self._file = sys.stdout.buffer if self._standard_output else path.open("ab")
        except OSError as error:
            raise ValueError(
                f"The access log {path} cannot be written: {error.strerror}. Name another file."
            ) from error

    def write(self, line: dict[str, Any]) -> None:
        # A full disk must not fail the requests, which are about something else.
        with suppress(OSError):
            self._file.write(orjson.dumps(line) + b"\n")
            self._file.flush()

    def close(self) -> None:
        if not self._standard_output:
            self._file.close()


@dataclass
class Exchange:
    """What is counted of a request; ``outcome`` is OK, the name of the error, or the fault."""

    operation: str = "unknown"
    outcome: str = "OK"
    request_bytes: int = 0


class Monitor:
    """Counts requests for ``/metrics``, and writes them to the access log if there is one."""

    def __init__(self, queries: QueryRunner, log: AccessLog | None) -> None:
        self._log = log
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_QueryCollector(queries))
        self._requests = Counter(
            "fleetstream_local_requests",
            "Requests by operation and outcome: OK, the name of the error, or the fault.",
            ("operation", "outcome"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "fleetstream_local_request_duration_seconds",
            "Time from the beginning of a request to its response.",
            ("operation",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        records = Counter(
            "fleetstream_local_records",
            "Records of WriteRecords by outcome: stored or rejected.",
            ("outcome",),
            registry=self._registry,
        )
        self._stored, self._rejected = records.labels("stored"), records.labels("rejected")

    def count_records(self, stored: int, rejected: int) -> None:
        self._stored.inc(stored)
        if rejected:
            self._rejected.inc(rejected)

    def finish(
        self, exchange: Exchange, request: Request, response: Response, seconds: float
    ) -> None:
        """Count a request, and write it to the log."""
        self._requests.labels(exchange.operation, exchange.outcome).inc()
        self._durations.labels(exchange.operation).observe(seconds)
        if self._log is not None:
            client = request.client
            self._log.write(
                {
                    "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "client": f"{client.host}:{client.port}" if client else None,
                    "operation": exchange.operation,
                    "outcome": exchange.outcome,
                    "status": response.status_code,
                    "seconds": round(seconds, 6),
                    "request_bytes": exchange.request_bytes,
                    "response_bytes": len(response.body),
                    "request_id": response.headers.get("x-amzn-requestid"),
                }
            )

    def metrics(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _QueryCollector(Collector):
    """The number of queries, read at each scrape."""

    def __init__(self, queries: QueryRunner) -> None:
        self._queries = queries

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "fleetstream_local_queries",
            "Queries that are running, or waiting for others to end.",
            self._queries.running,
        )
