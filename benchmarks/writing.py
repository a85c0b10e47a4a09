"""The write path: against the straightforward tool, and against the floor."""

import http.client
import tempfile
from collections.abc import Iterator
from functools import cache
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.measure import cpu_seconds, fleetstream, medians, run
from benchmarks.results import Result, at_least, at_most
from fleetstream.fleet import Fleet
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline, Stop
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.timestream import Target, TimestreamSink
from fleetstream.workload import Workload

BASELINE_SWEEPS = 4
SWEEPS = 12
SCALES = {RecordModel.MULTI: 100, RecordModel.SINGLE: 20}
TARGETS = {RecordModel.MULTI: 200, RecordModel.SINGLE: 20}


def results(url: str) -> Iterator[Result]:
    """Values per CPU second of the whole client, and the cost of a request against the floor."""
    for model in (RecordModel.MULTI, RecordModel.SINGLE):
        baseline, ours = medians([lambda: _straightforward(url), lambda m=model: _ours(url, m)], 3)
        yield at_least(
            f"values per CPU second, {model}-measure, as a multiple of the straightforward tool's",
            TARGETS[model],
            ours / baseline,
            f"{ours:,.0f} against {baseline:,.0f}",
        )
    for model in (RecordModel.MULTI, RecordModel.SINGLE):
        yield _against_floor(url, model)
    rate = medians([lambda: _influx(url)], 3)[0]
    yield at_least("values per CPU second into InfluxDB, in millions", 3, rate / 1e6, "")


def _influx(url: str) -> float:
    """The same, as gzipped line protocol."""
    with tempfile.TemporaryDirectory() as folder:
        used = fleetstream(
            *("ingest", "--to", f"influx:{url}?version=3", "-d", "db", "--quiet"),
            *("--record-model", "multi", "--host-scale", "100", "--autostop", str(SWEEPS)),
            folder=folder,
        )
    return SWEEPS * 100 * 26_260 / used.cpu


def _straightforward(url: str) -> float:
    used = run("-m", "benchmarks.straightforward", url, str(BASELINE_SWEEPS), "10")
    return int(used.output) / used.cpu


def _ours(url: str, model: RecordModel) -> float:
    scale = SCALES[model]
    with tempfile.TemporaryDirectory() as folder:
        used = fleetstream(
            *("ingest", "-r", "us-east-1", "-url", url, "-d", "db", "-t", "tb", "--quiet"),
            *("--record-model", model, "--host-scale", str(scale), "--autostop", str(SWEEPS)),
            folder=folder,
        )
    return SWEEPS * scale * 26_260 / used.cpu


def _against_floor(url: str, model: RecordModel) -> Result:
    """A request's CPU time in the pipeline, as a multiple of signing and posting alone."""
    workload = _workload(20 if model is RecordModel.MULTI else 2)
    sink = TimestreamSink(Target("db", "tb", "us-east-1", url), model)
    batches = list(workload.sweep(10**15))
    bodies = [request.payload for batch in batches for request in sink.prepare(batch)]
    bodies += [request.payload for request in sink.flush()]

    def ours() -> None:
        ledger = Ledger()
        Pipeline(workload.sweep(10**15), sink, ledger, Stop(), concurrency=10).run()
        assert ledger.totals().delivered

    costs = medians([lambda: cpu_seconds(lambda: _post(url, bodies)), lambda: cpu_seconds(ours)], 7)
    floor, cost = (seconds / len(bodies) * 1e6 for seconds in costs)
    return at_most(
        f"CPU time of a request, {model}-measure, as a multiple of the floor's",
        2,
        cost / floor,
        f"{cost:.0f} µs against {floor:.0f} µs",
    )


def _post(url: str, bodies: list[bytes]) -> None:
    """Sign and post bodies in a bare loop."""
    credentials = Credentials("key", "secret")
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for body in bodies:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "Timestream_20181101.WriteRecords",
        }
        request = AWSRequest("POST", f"{url}/", headers=headers, data=body)
        SigV4Auth(credentials, "timestream", "us-east-1").add_auth(request)
        connection.request("POST", "/", body=body, headers=dict(request.headers))
        connection.getresponse().read()
    connection.close()


@cache
def _workload(scale: int) -> Workload:
    return Workload(Fleet(scale), 7)
