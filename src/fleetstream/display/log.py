"""The log: a line now and again, for terminals that can't show more and for machines.

Lines are logfmt (`key=value`, values with blanks quoted) or JSON, with the same keys.
"""

import sys
import threading
from types import TracebackType
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from fleetstream.display.history import History, Interval
from fleetstream.display.run import Run
from fleetstream.display.summary import Summary
from fleetstream.display.wording import moment

EVERY = 10.0
"""Seconds between two lines."""

LogFormat = Literal["text", "json"]


class Log:
    """Writes lines to standard error, the first on entering, until it is left."""

    def __init__(self, run: Run, history: History, log_format: LogFormat) -> None:
        self._run = run
        self._history = history
        self._logger = event_logger(log_format)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, name="log", daemon=True)

    def __enter__(self) -> "Log":
        self._logger.info(
            "started",
            target=self._run.sink.name,
            seed=self._run.workload.seed,
            hosts=self._run.hosts,
            processes=self._run.processes,
            values_per_sweep=self._run.workload.values_per_sweep,
            record_model=str(self._run.record_model),
            sweeps_wanted=self._run.sweeps,
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        before = self._history.recent[-1]
        while not self._over.wait(EVERY):
            latest = self._history.recent[-1]
            self._logger.info("progress", **_figures(Interval(before, latest)))
            before = latest


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
