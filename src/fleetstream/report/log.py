"""The log of a run: one line every few seconds, for files and simple terminals.

Lines are logfmt (``key=value``, values with blanks in quotes) or JSON, with the same keys.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fleetstream.report.facts import RunFacts
from fleetstream.report.formats import moment
from fleetstream.report.history import History, Interval
from fleetstream.run.periodic import periodically

if TYPE_CHECKING:
    from fleetstream.report.summary import Summary

LINE_SECONDS = 10.0
"""Seconds between two lines."""

LogFormat = Literal["text", "json"]

_QUOTED = re.compile(r'[\s="]')
"""What a value in logfmt is quoted for."""


@contextmanager
def progress_log(
    facts: RunFacts, history: History, log_format: LogFormat, metrics_url: str | None
) -> Iterator[None]:
    """Write lines to standard error, the first at once, until the block is left."""
    _write(
        log_format,
        "started",
        target=facts.sink.name,
        model=facts.generator.model.name,
        seed=facts.generator.seed,
        **{noun.replace(" ", "_"): count for noun, count in facts.series.items()},
        values_per_sweep=facts.generator.values_per_sweep,
        record_model=str(facts.record_model),
        sweeps_wanted=facts.sweeps,
        **({"metrics_url": metrics_url} if metrics_url else {}),
    )
    before = history.recent[-1]

    def write_line() -> None:
        nonlocal before
        latest = history.recent[-1]
        _write(log_format, "progress", **_figures(facts, Interval(before, latest)))
        before = latest

    with periodically(LINE_SECONDS, write_line, "log"):
        yield


def log_end(summary: "Summary") -> None:
    """Write the last line of a JSON log, which has the whole summary."""
    _write("json", "finished", summary=msgspec.to_builtins(summary))


def _write(log_format: LogFormat, event: str, **figures: Any) -> None:
    """Write a line to standard error, at once; where that is impossible, the run goes on."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {"timestamp": now, "level": "info", "event": event, **figures}
    text = json.dumps(line) if log_format == "json" else " ".join(map(_pair, line.items()))
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _pair(item: tuple[str, Any]) -> str:
    """A key and its value in logfmt; None has no text."""
    key, value = item
    text = "" if value is None else str(value)
    return f"{key}={json.dumps(text) if _QUOTED.search(text) else text}"


def _figures(facts: RunFacts, interval: Interval) -> dict[str, Any]:
    """The keys of a progress line: rates since the line before, the rest since the start."""
    latest = interval.after
    totals, sent = latest.totals, interval.bytes_per_second
    latencies = latest.latencies if facts.has_latency else None
    figures = {
        "elapsed_seconds": round(latest.elapsed, 1),
        "sweeps": totals.sweeps,
        "sweep_time": moment(latest.last_sweep) if latest.last_sweep is not None else None,
        "values_per_second": round(interval.values_per_second),
        "requests_per_second": round(interval.requests_per_second, 1),
        "bytes_per_second": None if sent is None else round(sent),
        "throttled_per_second": round(interval.throttled_per_second, 1),
        "stored_records": totals.stored.records,
        "stored_values": totals.stored.values,
        "unchanged_records": totals.unchanged,
        "rejected_records": totals.rejected.records,
        "undelivered_records": totals.undelivered.records,
        "in_flight_records": totals.in_flight.records,
        "throttled_requests": totals.throttled,
        "retried_requests": totals.retried,
        "metered_writes": totals.metered_writes,
        "latency_p50_seconds": latencies and latencies.p50,
        "latency_p90_seconds": latencies and latencies.p90,
        "latency_p99_seconds": latencies and latencies.p99,
        "latency_max_seconds": latencies and latencies.longest,
    }
    return {key: figure for key, figure in figures.items() if figure is not None}
