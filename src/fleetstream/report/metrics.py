"""Metrics of the generator itself, served to Prometheus from the ledger.

Names, units and types follow Prometheus's conventions ("Metric and label naming"). Everything is
read when it is asked for, so that nothing is spent between two scrapes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fleetstream import _version
from fleetstream.report.run import Run
from fleetstream.run.ledger import LatencyCounts, Ledger, Tally, Totals
from fleetstream.generate.moments import MICROSECONDS

BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the latency histogram in seconds."""


@contextmanager
def serving(run: Run, ledger: Ledger, host: str, port: int) -> Iterator[str]:
    """Serves metrics until the block is left; gives their URL. Port 0 takes a free one.

    Raises :class:`ValueError` with a sentence where the address can't be listened on.
    """
    registry = CollectorRegistry()
    registry.register(LedgerCollector(run, ledger))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ValueError(
            f"Metrics can't be served at {host}:{port}: {error.strerror or error}; name another "
            "address with --metrics-host and --metrics-port."
        ) from error
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class LedgerCollector(Collector):
    """The ledger as Prometheus metrics."""

    def __init__(self, run: Run, ledger: Ledger) -> None:
        self._run = run
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """All metrics with what the ledger knows now."""
        totals = self._ledger.totals()
        yield InfoMetricFamily(
            "fleetstream_build", "The version of fleetstream.", {"version": _version.__version__}
        )
        yield InfoMetricFamily("fleetstream_run", "What is written, and where to.", self._labels())
        yield from _records(totals)
        yield from _requests(totals)
        yield _durations(totals, self._ledger.latency_counts())
        yield _counter("fleetstream_sweeps", "Sweeps generated in full.", totals.sweeps)
        last = (self._ledger.last_sweep or 0) / MICROSECONDS
        yield GaugeMetricFamily(
            "fleetstream_last_sweep_timestamp_seconds",
            "Unix time of the latest sweep, 0 before the first.",
            last,
        )

    def _labels(self) -> dict[str, str]:
        return {
            "target": self._run.sink.name,
            "seed": str(self._run.workload.seed),
            "record_model": str(self._run.record_model),
        }


def _records(totals: Totals) -> Iterator[Metric]:
    """Records and values by outcome, and those that have none yet."""
    outcomes = {
        "stored": totals.stored,
        "rejected": totals.rejected,
        "undelivered": totals.undelivered,
    }
    for name, count in (("records", _records_of), ("values", _values_of)):
        family = CounterMetricFamily(
            f"fleetstream_{name}", f"What became of {name}.", labels=["outcome"]
        )
        for outcome, tally in outcomes.items():
            family.add_metric([outcome], count(tally))
        yield family
        generated = count(totals.generated)
        yield _counter(f"fleetstream_generated_{name}", f"Generated {name}.", generated)
    yield GaugeMetricFamily(
        "fleetstream_in_flight_records",
        "Records that are generated and have no outcome yet.",
        totals.in_flight.records,
    )


def _requests(totals: Totals) -> Iterator[Metric]:
    """Requests by result, and why they were repeated."""
    requests = CounterMetricFamily(
        "fleetstream_requests", "Requests, every attempt counted.", labels=["result"]
    )
    requests.add_metric(["success"], totals.successful)
    requests.add_metric(["failure"], totals.requests - totals.successful)
    yield requests
    retries = CounterMetricFamily(
        "fleetstream_retries", "Requests that are sent again.", labels=["reason"]
    )
    for reason, count in {"throttled": totals.throttled, **totals.faults}.items():
        retries.add_metric([reason], count)
    yield retries
    yield _counter("fleetstream_request_bytes", "Bytes of requests' bodies.", totals.bytes_sent)
    yield _counter(
        "fleetstream_metered_writes", "Writes of 1 KiB as metered.", totals.metered_writes
    )


def _durations(totals: Totals, counts: LatencyCounts) -> Metric:
    """How long requests took."""
    ends = np.searchsorted(counts.seconds, BUCKETS, side="right")
    cumulated = np.cumsum(counts.counts)[ends - 1].tolist()
    family = HistogramMetricFamily(
        "fleetstream_request_duration_seconds", "How long requests took, every attempt counted."
    )
    buckets = [(str(bound), count) for bound, count in zip(BUCKETS, cumulated, strict=True)]
    total = int(counts.counts.sum())
    family.add_metric([], [*buckets, ("+Inf", total)], sum_value=totals.seconds)
    return family


def _records_of(tally: Tally) -> int:
    return tally.records


def _values_of(tally: Tally) -> int:
    return tally.values


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(name, what, value)
