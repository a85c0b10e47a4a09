"""OTLP over HTTP and gRPC: what is refused, retried or lost, and what a real collector gets."""

import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.schema import batch_schema, kind_of
from fleetstream.model import load_model
from fleetstream.targets.otlp.naming import OtlpNaming
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import (
    Request,
    Sink,
    TargetLost,
    TargetUnusable,
    Throttled,
    Unavailable,
)
from tests.otlp_messages import held, single_records
from tests.servers.otlp_collector import Collector
from tests.servers.otlp_receiver import RECEIVERS, Answer, AnswerTo, Receiver
from tests.targets.cases import SCHEMAS
from tests.targets.commands import SMALL, STRETCH, exit_code, run_through_crash
from tests.targets.http_servers import Origin, running
from tests.targets.test_contract import NOW, history, opened, records, sweeps
from tests.wire import expected

BEGIN = 1_793_491_200_000_000
"""2026-11-01 in microseconds."""

TRANSPORTS = pytest.mark.parametrize("transport", RECEIVERS)

Code = grpc.StatusCode


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those that a test makes."""
    for name in ("HEADERS", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_METRICS_{name}", raising=False)


@contextmanager
def answering(
    transport: str,
    answer_to: AnswerTo,
    model: RecordModel = RecordModel.SINGLE,
    schemas: Sequence[pa.Schema] = SCHEMAS,
) -> Iterator[tuple[Receiver, Sink]]:
    """An open sink, and a server that answers as told; it accepts requests without metrics."""
    with RECEIVERS[transport](
        lambda request: answer_to(request) if request.resource_metrics else Answer()
    ) as receiver:
        options = TargetOptions(to=f"otlp:{receiver.url}", table_name="fleet")
        with closing(open_sink(options, model, schemas)) as sink:
            sink.open()
            yield receiver, sink


def first(sink: Sink) -> Request:
    return next(iter(sink.prepare(sweeps(1, missing=0)[0])))


def sizes(receiver: Receiver) -> list[int]:
    """How many resources each request has."""
    return [len(request.resource_metrics) for request, _ in receiver.received]


# On the wire


def test_requests_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant = a%2Cb, authorization=Bearer%20t")
    with answering("http", lambda _: Answer()) as (receiver, sink):
        assert not sink.send(first(sink)).rejections
    assert sizes(receiver) == [0, 10]
    (_, headers) = receiver.received[1]
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["user-agent"].startswith("fleetstream/")
    assert headers["x-tenant"] == "a,b"
    assert headers["authorization"] == "Bearer t"
    assert "content-encoding" not in headers


def test_requests_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "other=thing")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "X-Tenant=a%2Cb")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    with answering("grpc", lambda _: Answer()) as (receiver, sink):
        assert not sink.send(first(sink)).rejections
    assert sizes(receiver) == [0, 10]
    (_, headers) = receiver.received[1]
    assert headers["user-agent"].startswith("fleetstream/")
    assert headers["x-tenant"] == "a,b"
    assert "other" not in headers


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/v1/metrics"), ("/", "/v1/metrics"), ("/otlp", "/otlp/v1/metrics"),
     ("/a/v1/metrics", "/a/v1/metrics"), ("/api/v1/otlp/?x=1", "/api/v1/otlp/v1/metrics?x=1")],
)  # fmt: skip
def test_paths_and_compression(path: str, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    origin = Origin()
    with (
        running(origin),
        opened(TargetOptions(to=f"otlp:{origin.url}{path}"), RecordModel.SINGLE) as sink,
    ):
        sink.send(first(sink))
    assert {each.line for each in origin.received} == {f"POST {asked} HTTP/1.1"}
    assert {each.headers["content-encoding"] for each in origin.received} == {"gzip"}
    message = ExportMetricsServiceRequest.FromString(gzip.decompress(origin.received[1].body))
    assert len(message.resource_metrics) == 10


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        (Answer(status=429, code=Code.RESOURCE_EXHAUSTED, wait=7), Throttled, 7),
        (Answer(status=503, code=Code.UNAVAILABLE, wait=7), Throttled, 7),
        (Answer(status=503, code=Code.UNAVAILABLE, wait=100_000), Throttled, 300),
        (Answer(status=503, code=Code.UNAVAILABLE), Unavailable, None),
        (Answer(status=502, code=Code.ABORTED), Unavailable, None),
        (Answer(status=504, code=Code.DEADLINE_EXCEEDED), Unavailable, None),
        (Answer(status=401, code=Code.UNAUTHENTICATED), TargetLost, None),
        (Answer(status=403, code=Code.PERMISSION_DENIED), TargetLost, None),
        (Answer(status=404, code=Code.UNIMPLEMENTED), TargetLost, None),
    ],
    ids=str,
)
@TRANSPORTS
def test_retries_follow_the_specification(
    transport: str, answer: Answer, error: type[Exception], wait: int | None
) -> None:
    with answering(transport, lambda _: answer) as (receiver, sink), pytest.raises(error) as raised:
        sink.send(first(sink))
    assert sizes(receiver) == [0, 10]
    if wait is not None:
        assert raised.value.wait == wait


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=400, code=Code.INVALID_ARGUMENT, message="not understood"),
        Answer(status=500, code=Code.INTERNAL, message="not understood"),
        Answer(status=501, code=Code.RESOURCE_EXHAUSTED, message="not understood"),
    ],
    ids=str,
)
@pytest.mark.parametrize("model", RecordModel)
@TRANSPORTS
def test_what_must_not_be_sent_again_is_rejected(
    transport: str, model: RecordModel, answer: Answer
) -> None:
    with answering(transport, lambda _: answer, model) as (receiver, sink):
        request = first(sink)
        rejections = sink.send(request).rejections
    assert [each.index for each in rejections] == list(range(request.records))
    assert {each.reason for each in rejections} == {"not understood"}
    assert sizes(receiver) == [0, 10]


@pytest.mark.parametrize("model", RecordModel)
@TRANSPORTS
def test_partial_success_is_accounted_for(transport: str, model: RecordModel) -> None:
    """As many records as can be concerned, with what the server says; nothing is sent again."""
    said = Answer(rejected=3, message="too old")
    with answering(transport, lambda _: said, model) as (receiver, sink):
        request = first(sink)
        delivery = sink.send(request)
    assert len(delivery.rejections) == 3
    assert len({each.index for each in delivery.rejections}) == 3
    assert {each.reason for each in delivery.rejections} == {
        "too old (the server does not say which data points)"
    }
    assert sizes(receiver) == [0, 10]
    with answering(transport, lambda _: Answer(rejected=10_000), model) as (_, sink):
        request = first(sink)
        assert len(sink.send(request).rejections) == request.records


@TRANSPORTS
def test_a_warning_rejects_nothing(transport: str) -> None:
    with answering(transport, lambda _: Answer(message="deprecated")) as (_, sink):
        assert not sink.send(first(sink)).rejections


@dataclass(frozen=True)
class Deployments:
    """A batch whose series have a histogram of these measures."""

    schemas: list[pa.Schema]
    batch: pa.RecordBatch
    measures: tuple[str, ...]


@pytest.fixture(scope="module")
def deployments() -> Deployments:
    model = load_model("kubernetes")
    schemas = [batch_schema(model, kind) for kind in model.kinds]
    batches = Generator(model, 7).batches([NOW])
    batch = next(each for each in batches if kind_of(each.schema) == "deployment")
    (metric,) = (
        each for each in OtlpNaming(schemas, "f").kinds["deployment"].metrics if each.bounds
    )
    return Deployments(schemas, batch, metric.measures)


def test_a_refused_histogram_is_many_records(deployments: Deployments) -> None:
    """Which of the data points was refused is not known, so the largest is assumed."""
    with answering("http", lambda _: Answer(rejected=2), schemas=deployments.schemas) as (_, sink):
        (request,) = sink.prepare(deployments.batch)
        refused = [request.record(each.index).batch() for each in sink.send(request).rejections]
    names = [record.name for each in refused for record in expected(each, RecordModel.SINGLE)]
    assert sorted(names) == sorted(deployments.measures * 2)


@pytest.mark.parametrize("model", RecordModel)
def test_incomplete_histograms_are_rejected(deployments: Deployments, model: RecordModel) -> None:
    """And nothing of them is sent."""
    batch = deployments.batch
    place = batch.schema.get_field_index(deployments.measures[-1])
    sums = batch.column(place).to_pylist()
    sums[2] = None
    batch = batch.set_column(place, batch.schema.field(place), pa.array(sums))
    with answering("http", lambda _: Answer(), model, deployments.schemas) as (receiver, sink):
        (request,) = sink.prepare(batch)
        rejections = sink.send(request).rejections
    assert {each.reason for each in rejections} == {"a histogram without all of its measures"}
    refused = [request.record(each.index).batch() for each in rejections]
    lost = records(refused, model)
    if model is RecordModel.SINGLE:
        assert sorted(each.name for each in lost) == sorted(deployments.measures[:-1])
    else:
        assert len(lost) == 1
    naming = OtlpNaming(deployments.schemas, "fleet")
    sent = held((message for message, _ in receiver.received), naming, model)
    assert sorted([*sent, *lost]) == records([batch], model)


@pytest.mark.parametrize("model", RecordModel)
@TRANSPORTS
def test_requests_that_are_too_large_are_sent_in_parts(transport: str, model: RecordModel) -> None:
    large = Answer(
        status=413,
        code=Code.RESOURCE_EXHAUSTED,
        message="grpc: received message larger than max (9 vs. 1)",
    )
    batch = history(3)[0]

    def answer(request: ExportMetricsServiceRequest) -> Answer:
        return large if len(request.resource_metrics) > 3 else Answer()

    with answering(transport, answer, model) as (receiver, sink):
        (request,) = sink.prepare(batch)
        assert not sink.send(request).rejections
    taken = [message for message, _ in receiver.received if len(message.resource_metrics) <= 3]
    found = sorted(held(taken, OtlpNaming(SCHEMAS, "fleet"), model))
    assert found == records([batch], model)
    with answering(transport, lambda _: large, model) as (_, sink):
        (request,) = sink.prepare(batch.slice(0, 3))
        assert len(sink.send(request).rejections) == request.records


# Mistakes


@pytest.mark.parametrize(
    ("to", "code", "sentence"),
    [
        ("otlp:", 2, "needs the URL of a server"),
        ("otlp:localhost:4317", 2, "needs the URL of a server"),
        ("otlp:grpc://localhost:4317/v1/metrics", 2, "needs the URL of a server"),
        ("otlp:http://me:pw@127.0.0.1:1", 2, "leave it out, and set OTEL_EXPORTER_OTLP_HEADERS"),
        (
            "otlp:http://127.0.0.1:1",
            3,
            "does not answer as OTLP over HTTP does (connection refused",
        ),
        (
            "otlp:grpc://127.0.0.1:1",
            3,
            "does not answer as OTLP over gRPC does (ipv4:127.0.0.1:1: ",
        ),
        ("grpc://127.0.0.1:1", 2, "did you mean otlp:grpc://127.0.0.1:1?"),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    to: str, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("ingest", "--autostop", "1", "--to", to) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("HEADERS", "authorization", "The 1. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("HEADERS", "a=b,s3cret word=x", "The 2. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("HEADERS", "a=s3cret%0d%0aX: y", "The 1. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("METRICS_COMPRESSION", "zstd", "METRICS_COMPRESSION is 'zstd'; set it to gzip or none."),
        ("CERTIFICATE", "/nowhere", "CERTIFICATE names '/nowhere', which does not exist."),
        ("METRICS_TEMPORALITY_PREFERENCE", "Delta", "is 'Delta', but only cumulative sums"),
        ("CLIENT_KEY", __file__, "A client certificate needs its key"),
    ],
)
def test_settings_that_are_not_understood(
    name: str,
    text: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", text)
    for url in ("http://127.0.0.1:1", "grpc://127.0.0.1:1"):
        assert exit_code("ingest", "--autostop", "1", "--to", f"otlp:{url}") == 3
        message = capsys.readouterr().err
        assert sentence in message
        assert "s3cret" not in message


def test_times_that_otlp_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    with RECEIVERS["http"](lambda _: Answer()) as receiver:
        far = ("--start", "2300-01-01", "--end", "2300-01-02", "--interval", "1h")
        assert exit_code("ingest", *SMALL, *far, "--to", f"otlp:{receiver.url}") == 3
    assert "OTLP counts nanoseconds since 1970" in capsys.readouterr().err


def test_what_was_written_cannot_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with RECEIVERS["http"](lambda _: Answer()) as receiver:
        assert main(["ingest", *SMALL, *STRETCH, "--to", f"otlp:{receiver.url}"]) == 0
        assert exit_code("verify", "fleetstream-7.json") == 2
    assert "cannot be read back" in capsys.readouterr().err


# A real collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with Collector(tmp_path_factory.mktemp("collector")) as server:
        yield server


def url_of(collector: Collector, transport: str) -> str:
    return collector.grpc_url if transport == "grpc" else collector.url


@pytest.mark.parametrize(
    ("name", "regions"),
    [("aws-devops", ["us-west-1"]), ("kubernetes", []), ("web-shop", ["eu-central-1"])],
)
@TRANSPORTS
def test_a_collector_has_the_values_of_a_run_exactly(
    collector: Collector,
    transport: str,
    name: str,
    regions: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each once: gauges, sums, histograms and words of history, by the exporter's file."""
    monkeypatch.chdir(tmp_path)
    table = f"{name}-{transport}"
    target = ("--to", f"otlp:{url_of(collector, transport)}", "--table-name", table)
    minutes = ("--start", "2026-11-01", "--end", "2026-11-01T00:04:00Z", "--interval", "1m")
    only = [f"--include-region={region}" for region in regions]
    assert main(["ingest", "--model", name, "--seed", "7", *only, *minutes, *target]) == 0
    model = load_model(name)
    naming = OtlpNaming([batch_schema(model, kind) for kind in model.kinds], table)
    include = {"region": regions} if regions else {}
    made = Generator(model, 7, include=include).batches([BEGIN + n * 60_000_000 for n in range(4)])
    wanted = sorted(record for batch in made for record in expected(batch, RecordModel.SINGLE))
    received = (
        record for each in collector.requests() for _, record in single_records(each, naming)
    )
    assert sorted(received) == wanted
    assert len(wanted) > 700


@pytest.mark.slow
@TRANSPORTS
def test_a_run_outlives_a_crash_of_the_collector(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started again in mid-run: nothing is lost, and only retries are there twice."""
    live = ("--interval", "50ms", "--autostop", "30", "--manifest", "run.json")
    with Collector(tmp_path) as server:
        printed = run_through_crash(
            tmp_path,
            *live,
            *("--to", f"otlp:{url_of(server, transport)}", "--processes", "2", "-c", "2"),
            server=server,
            port=server.ports[transport == "grpc"],
            begun=lambda: sum(1 for each in server.requests() if each.resource_metrics) > 10,
        )
        assert "Retried" in printed, printed
        stored = held(server.requests(), OtlpNaming(SCHEMAS, "fleetstream"), RecordModel.SINGLE)
        sent = sum(
            len(metric.gauge.data_points)
            for request in server.requests()
            for resource in request.resource_metrics
            for metric in resource.scope_metrics[0].metrics
        )
    assert len(stored) == 30 * 260
    # Each of four senders may have waited for the answer to a request, of 260 values at most.
    assert len(stored) <= sent <= len(stored) + 4 * 260


@TRANSPORTS
def test_a_full_disk_is_waited_for(transport: str, small_disk: Callable[[str], Path]) -> None:
    """Nothing of the request is stored, and all of it once there is room."""
    disk = small_disk("1m")
    ballast = disk / "ballast"
    with Collector(disk) as server:
        options = TargetOptions(to=f"otlp:{url_of(server, transport)}", table_name="fleet")
        with opened(options, RecordModel.SINGLE) as sink:
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(bytes(2**20))
            with pytest.raises(Unavailable, match="no space left on device"):
                sink.send(first(sink))
            ballast.unlink()
            request = first(sink)
            assert not sink.send(request).rejections
        stored = held(server.requests(), OtlpNaming(SCHEMAS, "fleet"), RecordModel.SINGLE)
    assert sorted(stored) == records([request.ranges[0].batch()], RecordModel.SINGLE)


def test_the_other_protocol_gets_a_sentence(collector: Collector) -> None:
    http = collector.grpc_url.replace("grpc://", "http://")
    with (
        pytest.raises(TargetUnusable, match=r"OTLP over gRPC is otlp:grpc://HOST:4317"),
        opened(TargetOptions(to=f"otlp:{http}"), RecordModel.SINGLE),
    ):
        pass
    other = collector.url.replace("http://", "grpc://")
    with (
        pytest.raises(TargetUnusable, match=r"OTLP over HTTP is\s+otlp:http://HOST:4318"),
        opened(TargetOptions(to=f"otlp:{other}"), RecordModel.SINGLE),
    ):
        pass


def test_a_path_that_the_collector_does_not_have(collector: Collector) -> None:
    options = TargetOptions(to=f"otlp:{collector.url}/elsewhere")
    with (
        pytest.raises(TargetUnusable, match="does not take OTLP metrics at /elsewhere/v1/metrics"),
        opened(options, RecordModel.SINGLE),
    ):
        pass


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that asks for a token."""
    with Collector(tmp_path_factory.mktemp("locked"), token="s3cret-word") as server:
        yield server


@pytest.mark.parametrize(
    ("token", "code"), [(None, 3), ("wrong-word", 3), ("s3cret-word", 0)], ids=str
)
@TRANSPORTS
def test_credentials(
    locked: Collector,
    transport: str,
    token: str | None,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They come from the environment, and appear in nothing that is written."""
    monkeypatch.chdir(tmp_path)
    if token:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{token}")
    files = ("report.html", "summary.json", "fleetstream-7.json")
    outputs = ("--report", files[0], "--summary", files[1])
    target = ("--to", f"otlp:{url_of(locked, transport)}")
    assert main(["ingest", *SMALL, *STRETCH, *target, *outputs]) == code
    printed = "".join(capsys.readouterr())
    if code:
        assert re.search("refuses the credentials .*set OTEL_EXPORTER_OTLP_HEADERS", printed)
    written = [printed, *((tmp_path / name).read_text() for name in files if not code)]
    assert not any(f"{token}" in each for each in written)


@TRANSPORTS
def test_certificates(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's is checked, and the client's own is presented."""
    authority, other = trustme.CA(), trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    client = authority.issue_cert("client.example")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    for part in client.cert_chain_pems:
        part.write_to_path(tmp_path / "client.pem", append=True)
    with Collector(tmp_path, authority=authority) as server:
        options = TargetOptions(to=f"otlp:{url_of(server, transport)}")

        def attempt() -> None:
            with opened(options, RecordModel.SINGLE) as sink:
                assert not sink.send(first(sink)).rejections

        def refused() -> None:
            with pytest.raises(TargetUnusable, match="does not answer"):
                attempt()

        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(tmp_path / "client.pem"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(tmp_path / "client.key"))
        refused()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "other.pem"))
        refused()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "authority.pem"))
        attempt()
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CLIENT_KEY")
        refused()
