"""Metrics of a run, served to Prometheus from its ledger.

Names, units and types follow Prometheus's conventions ("Metric and label naming"). The ledger is
read at each scrape, so metrics cost nothing between two scrapes. What a target has no figure for
is left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

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
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.report.facts import RunFacts
from fleetstream.run.latency import LatencyCounts
from fleetstream.run.ledger import Ledger, Totals

BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the latency histogram in seconds."""


@contextmanager
def metrics_server(facts: RunFacts, ledger: Ledger, host: str, port: int) -> Iterator[str]:
    """Serve metrics until the block is left; yields their URL. Port 0 takes a free one.

    Raises ValueError where the address cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(LedgerCollector(facts, ledger))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ValueError(
            f"Metrics cannot be served at {host}:{port}: {error.strerror or error}; choose another "
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

    def __init__(self, facts: RunFacts, ledger: Ledger) -> None:
        self._facts = facts
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        totals, latencies = self._ledger.totals(), self._ledger.latency_counts()
        yield InfoMetricFamily(
            "fleetstream_build", "The version of fleetstream.", {"version": _version.__version__}
        )
        yield InfoMetricFamily(
            "fleetstream_run", "The target, seed and record model of the run.", self._labels()
        )
        yield from _records(totals)
        yield from _requests(totals)
        if self._facts.has_latency and latencies.counts.any():
            yield _durations(totals, latencies)
        yield CounterMetricFamily("fleetstream_sweeps", "Sweeps generated in full.", totals.sweeps)
        last = (self._ledger.last_sweep or 0) / MICROSECONDS
        yield GaugeMetricFamily(
            "fleetstream_last_sweep_timestamp_seconds",
            "Unix time of the latest sweep, 0 before the first.",
            last,
        )

    def _labels(self) -> dict[str, str]:
        return {
            "target": self._facts.sink.name,
            "seed": str(self._facts.generator.seed),
            "record_model": str(self._facts.record_model),
        }


def _records(totals: Totals) -> Iterator[Metric]:
    """Records and values by outcome, and those without an outcome yet."""
    outcomes = {
        "stored": totals.stored,
        "rejected": totals.rejected,
        "undelivered": totals.undelivered,
    }
    for name in ("records", "values"):
        count = attrgetter(name)
        family = CounterMetricFamily(
            f"fleetstream_{name}", f"Outcomes of {name}.", labels=["outcome"]
        )
        for outcome, tally in outcomes.items():
            family.add_metric([outcome], count(tally))
        yield family
        yield CounterMetricFamily(
            f"fleetstream_generated_{name}",
            f"Generated {name}, those in flight included.",
            count(totals.generated),
        )
    yield GaugeMetricFamily(
        "fleetstream_in_flight_records",
        "Records that are generated and have no outcome yet.",
        totals.in_flight.records,
    )
    yield CounterMetricFamily(
        "fleetstream_unchanged_records",
        "Stored records that the target had already.",
        totals.unchanged,
    )


def _requests(totals: Totals) -> Iterator[Metric]:
    """Requests by result, reasons for repeating them, and their size."""
    requests = CounterMetricFamily(
        "fleetstream_requests", "Requests, every attempt counted.", labels=["result"]
    )
    requests.add_metric(["success"], totals.successful)
    requests.add_metric(["failure"], totals.requests - totals.successful)
    yield requests
    retries = CounterMetricFamily(
        "fleetstream_retries", "Attempts that failed in a way that may pass.", labels=["reason"]
    )
    for reason, count in {"throttled": totals.throttled, **totals.faults}.items():
        retries.add_metric([reason], count)
    yield retries
    if totals.bytes_sent is not None:
        yield CounterMetricFamily(
            "fleetstream_request_bytes", "Bytes of request bodies.", totals.bytes_sent
        )
    if totals.metered_writes is not None:
        yield CounterMetricFamily(
            "fleetstream_metered_writes", "Metered writes of 1 KiB.", totals.metered_writes
        )


def _durations(totals: Totals, counts: LatencyCounts) -> Metric:
    ends = np.searchsorted(counts.seconds, BUCKETS, side="right")
    cumulated = np.cumsum(counts.counts)[ends - 1].tolist()
    family = HistogramMetricFamily(
        "fleetstream_request_duration_seconds", "Latency of requests, every attempt counted."
    )
    buckets = [(str(bound), count) for bound, count in zip(BUCKETS, cumulated, strict=True)]
    total = int(counts.counts.sum())
    family.add_metric([], [*buckets, ("+Inf", total)], sum_value=totals.seconds)
    return family
