"""Servers of OTLP that answer as told, over HTTP and gRPC, for what a collector does not do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

from tests.servers.programs import free_port
from tests.targets.http_servers import Origin, Received, running


@dataclass(frozen=True)
class Answer:
    """An answer: success with a partial success in it, or a failure.

    ``status`` and ``code`` are those of HTTP and gRPC; ``wait`` is the time in seconds that the
    server asks to wait, None where it does not ask.
    """

    rejected: int = 0
    message: str = ""
    status: int = 200
    code: grpc.StatusCode = grpc.StatusCode.OK
    wait: int | None = None


AnswerTo = Callable[[ExportMetricsServiceRequest], Answer]


@dataclass
class Receiver:
    """A running server. ``received`` are its requests, with their headers by lower-case name."""

    url: str
    received: list[tuple[ExportMetricsServiceRequest, dict[str, str]]] = field(default_factory=list)


def _success(answer: Answer) -> ExportMetricsServiceResponse:
    response = ExportMetricsServiceResponse()
    if answer.rejected or answer.message:
        response.partial_success.rejected_data_points = answer.rejected
        response.partial_success.error_message = answer.message
    return response


@contextmanager
def over_http(answer_to: AnswerTo) -> Iterator[Receiver]:
    def answer(request: Received) -> bytes:
        message = ExportMetricsServiceRequest.FromString(request.body)
        receiver.received.append((message, request.headers))
        said = answer_to(message)
        content = _success(said) if said.status == 200 else Status(message=said.message)
        body = content.SerializeToString()
        wait = "" if said.wait is None else f"Retry-After: {said.wait}\r\n"
        head = f"HTTP/1.1 {said.status} X\r\nContent-Type: application/x-protobuf\r\n{wait}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    origin = Origin(answer)
    receiver = Receiver("")
    with running(origin):
        receiver.url = origin.url
        yield receiver


@contextmanager
def over_grpc(answer_to: AnswerTo) -> Iterator[Receiver]:
    class Service(MetricsServiceServicer):  # type: ignore[misc]
        def Export(  # noqa: N802 - the name of the service
            self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
        ) -> ExportMetricsServiceResponse:
            receiver.received.append((request, dict(context.invocation_metadata())))
            said = answer_to(request)
            if said.code is not grpc.StatusCode.OK:
                if said.wait is not None:
                    context.set_trailing_metadata([("grpc-status-details-bin", _details(said))])
                context.abort(said.code, said.message)
            return _success(said)

    server = grpc.server(ThreadPoolExecutor(4))
    add_MetricsServiceServicer_to_server(Service(), server)
    port = free_port()
    receiver = Receiver(f"grpc://127.0.0.1:{port}")
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def _details(answer: Answer) -> bytes:
    """What a server says beside a status, as gRPC's guide to errors describes it."""
    packed = Packed()
    packed.Pack(RetryInfo(retry_delay=Duration(seconds=answer.wait)))
    status = Status(code=answer.code.value[0], message=answer.message, details=[packed])
    return status.SerializeToString()


RECEIVERS = {"http": over_http, "grpc": over_grpc}
