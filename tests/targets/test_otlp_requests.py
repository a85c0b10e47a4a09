"""Requests of OTLP over HTTP and gRPC: their form, and what answers to them mean."""

import gzip
from dataclasses import dataclass

import grpc
import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.schema import batch_schema, kind_of
from fleetstream.model import load_model
from fleetstream.targets.otlp.naming import OtlpNaming
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import TargetLost, Throttled, Unavailable
from tests.otlp_messages import held
from tests.servers.otlp_receiver import Answer
from tests.targets.cases import SCHEMAS
from tests.targets.http_servers import Origin, running
from tests.targets.otlp_sinks import TRANSPORTS, answering, first, sizes
from tests.targets.test_contract import NOW, history, opened, records
from tests.wire import expected

Code = grpc.StatusCode


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
