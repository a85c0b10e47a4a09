"""The write path: against the straightforward tool, and against the floor."""

import time
from collections.abc import Iterator

import pycurl

from benchmarks.measure import (
    Usage,
    alternating,
    cpu_seconds,
    fleetstream,
    ratios,
    run,
    without_start,
)
from benchmarks.results import Result, against, at_least, at_most
from benchmarks.wire import Wire
from fleetstream.generate.choices import RecordModel

FEW, BASELINE_SWEEPS, SWEEPS = 1, 4, 12
"""Sweeps of a run: one to learn what the start takes; those of the baseline; ours."""

SCALES = {RecordModel.MULTI: 100, RecordModel.SINGLE: 20}
TARGETS = {RecordModel.MULTI: 400, RecordModel.SINGLE: 45}


def results(url: str) -> Iterator[Result]:
    """Values per CPU second, start excluded, and the cost of a request against the floor."""
    for model in (RecordModel.MULTI, RecordModel.SINGLE):
        baseline, ours = alternating(
            lambda: _straightforward(url),
            lambda m=model: _ours(url, m),  # type: ignore[misc]
        )
        yield at_least(
            f"values per CPU second, {model}-measure, start excluded, as a multiple of the "
            "straightforward tool's",
            TARGETS[model],
            ratios(ours, baseline),
            against(ours, baseline, "thousand", 1e3),
        )
    for model in (RecordModel.MULTI, RecordModel.SINGLE):
        yield _against_floor(url, model)
    yield _threads(url)
    (rates,) = alternating(lambda: _influx(url) / 1e6)
    yield at_least("values per CPU second into InfluxDB, in millions", 3, rates)
    plain, gzipped = alternating(lambda: _otlp(url, "none") / 1e6, lambda: _otlp(url, "gzip") / 1e6)
    yield at_least("values per CPU second by OTLP over HTTP, in millions", 1, plain)
    yield at_least("the same, gzipped", 1, gzipped)


def _influx(url: str) -> float:
    """The same, as gzipped line protocol."""
    used = fleetstream(
        *("ingest", "--to", f"influx:{url}?version=3", "-d", "db", "--quiet"),
        *("--record-model", "multi", "--host-scale", "100", "--autostop", str(SWEEPS)),
    )
    return SWEEPS * 100 * 26_260 / used.cpu


def _otlp(url: str, compression: str) -> float:
    """The same, as OTLP metrics."""
    used = fleetstream(
        *("ingest", "--to", f"otlp:{url}", "--quiet"),
        *("--host-scale", "100", "--autostop", str(SWEEPS)),
        environment={"OTEL_EXPORTER_OTLP_COMPRESSION": compression},
    )
    return SWEEPS * 100 * 26_260 / used.cpu


def _straightforward(url: str) -> float:
    """Values per CPU second, without the start, which the difference of two runs leaves out."""
    few, many = (
        run("-m", "benchmarks.straightforward", url, str(sweeps), "10")
        for sweeps in (FEW, BASELINE_SWEEPS)
    )
    return (int(many.output) - int(few.output)) / (many.cpu - few.cpu)


def _ours(url: str, model: RecordModel) -> float:
    """The same of fleetstream."""
    scale = SCALES[model]

    def measured(sweeps: int) -> Usage:
        return fleetstream(
            *("ingest", "-r", "us-east-1", "-url", url, "-d", "db", "-t", "tb", "--quiet"),
            *("--record-model", model, "--host-scale", str(scale), "--autostop", str(sweeps)),
        )

    cpu, _ = without_start(measured, FEW, SWEEPS)
    return (SWEEPS - FEW) * scale * 26_260 / cpu


def _against_floor(url: str, model: RecordModel) -> Result:
    """A request's CPU time in the pipeline, as a multiple of signing and posting alone."""
    wire = Wire(url, model, 20 if model is RecordModel.MULTI else 2)
    seconds = range(1_700_000_000, 1_700_000_003)
    bodies = wire.bodies(seconds)
    floor, cost = alternating(
        lambda: cpu_seconds(lambda: _post(url, bodies)) / len(bodies),
        lambda: cpu_seconds(lambda: wire.write(seconds)) / len(bodies),
        times=7,
    )
    return at_most(
        f"CPU time of a request, {model}-measure, as a multiple of the floor's",
        1.5,
        ratios(cost, floor),
        against(cost, floor, "µs", 1e-6),
    )


def _threads(url: str) -> Result:
    """Throughput of ten senders against one, by the wall clock."""
    one, ten = (Wire(url, RecordModel.SINGLE, 5, concurrency) for concurrency in (1, 10))
    slow, fast = alternating(lambda: _wall(one), lambda: _wall(ten), times=9)
    return at_least(
        "throughput with `-c 10`, single-measure, as a multiple of one sender's",
        1.5,
        ratios(slow, fast),
    )


def _wall(wire: Wire) -> float:
    began = time.perf_counter()
    wire.write(range(2))
    return time.perf_counter() - began


def _post(url: str, bodies: list[bytes]) -> None:
    """Sign and post bodies by libcurl in a bare loop."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{url}/")
    curl.setopt(pycurl.AWS_SIGV4, "aws:amz:us-east-1:timestream")
    curl.setopt(pycurl.USERPWD, "key:secret")
    curl.setopt(
        pycurl.HTTPHEADER,
        [
            "Content-Type: application/x-amz-json-1.0",
            "X-Amz-Target: Timestream_20181101.WriteRecords",
            "Expect:",
        ],
    )
    for body in bodies:
        curl.setopt(pycurl.POSTFIELDSIZE, len(body))
        curl.setopt(pycurl.COPYPOSTFIELDS, body)
        curl.perform_rb()
    curl.close()
