"""The log: a line now and again, for terminals that can't show more and for machines.

Lines are logfmt (`key=value`, values with blanks quoted) or JSON, with the same keys.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from fleetstream.report.history import History, Interval
from fleetstream.report.run import Run
from fleetstream.report.summary import Summary
from fleetstream.report.ticking import ticking
from fleetstream.report.wording import moment

EVERY = 10.0
"""Seconds between two lines."""

LogFormat = Literal["text", "json"]


@contextmanager
def logged(
    run: Run, history: History, log_format: LogFormat, metrics_url: str | None
) -> Iterator[None]:
    """Writes lines to standard error, the first at once, until the block is left."""
    logger = event_logger(log_format)
    logger.info(
        "started",
        target=run.sink.name,
        seed=run.workload.seed,
        hosts=run.hosts,
        processes=run.processes,
        values_per_sweep=run.workload.values_per_sweep,
        record_model=str(run.record_model),
        sweeps_wanted=run.sweeps,
        **({"metrics_url": metrics_url} if metrics_url else {}),
    )
    before = history.recent[-1]

    def report() -> None:
        nonlocal before
        latest = history.recent[-1]
        logger.info("progress", **_figures(Interval(before, latest)))
        before = latest

    with ticking(EVERY, report, "log"):
        yield


def log_end(summary: Summary) -> None:
    """Write the last line of a JSON log, with the whole summary."""
    event_logger("json").info("finished", summary=msgspec.to_builtins(summary))


def event_logger(log_format: LogFormat) -> FilteringBoundLogger:
    """Writes an event a line to standard error."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event"))
    )
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
    )
    return logger


def _figures(interval: Interval) -> dict[str, Any]:
    """What a line says: rates since the line before, everything else since the start."""
    latest = interval.after
    totals, latencies = latest.totals, latest.latencies
    return {
        "elapsed_seconds": round(latest.elapsed, 1),
        "sweeps": totals.sweeps,
        "sweep_time": moment(latest.last_sweep) if latest.last_sweep is not None else None,
        "values_per_second": round(interval.values_per_second),
        "requests_per_second": round(interval.requests_per_second, 1),
        "bytes_per_second": round(interval.bytes_per_second),
        "throttled_per_second": round(interval.throttled_per_second, 1),
        "stored_records": totals.stored.records,
        "stored_values": totals.stored.values,
        "rejected_records": totals.rejected.records,
        "undelivered_records": totals.undelivered.records,
        "in_flight_records": totals.in_flight.records,
        "throttled_requests": totals.throttled,
        "retried_requests": totals.retried,
        "metered_writes": totals.metered_writes,
        "latency_p50_seconds": latencies.p50,
        "latency_p90_seconds": latencies.p90,
        "latency_p99_seconds": latencies.p99,
        "latency_max_seconds": latencies.longest,
    }
