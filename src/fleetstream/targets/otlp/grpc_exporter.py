"""OTLP over gRPC (OTLP specification, "OTLP/gRPC"). Messages are sent as bytes."""

import os
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else faults that are handled here are logged too

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from fleetstream._version import __version__
from fleetstream.targets.http import ANSWER_TIMEOUT
from fleetstream.targets.otlp.exporter import (
    EMPTY,
    Accepted,
    RequestRefused,
    accepted,
)
from fleetstream.targets.otlp.settings import ExporterSettings
from fleetstream.targets.sink import TargetLost, TargetUnusable, Throttled, Unavailable

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

DEFAULT_PORT = 4317

_OPTIONS = (
    ("grpc.primary_user_agent", f"fleetstream/{__version__}"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
"""gRPC would wait up to two minutes before it connects again to a server that was gone."""

_DETAILS = "grpc-status-details-bin"

_RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}

_CREDENTIALS = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


class GrpcExporter:
    """Calls the metrics service of a server; ``url`` is ``grpc://HOST:PORT``, or ``grpcs://``."""

    def __init__(self, url: str, settings: ExporterSettings) -> None:
        parts = urlsplit(url)
        self.url = url
        self._address = f"{parts.netloc}" if parts.port else f"{parts.netloc}:{DEFAULT_PORT}"
        self._metadata = tuple(settings.headers.items())
        compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
        if parts.scheme == "grpcs":
            self._channel = grpc.secure_channel(
                self._address, _credentials(settings), _OPTIONS, compression
            )
        else:
            self._channel = grpc.insecure_channel(self._address, _OPTIONS, compression)
        self._call = self._channel.unary_unary(METHOD)

    def open(self) -> None:
        try:
            self.export(EMPTY)
        except RequestRefused:
            pass  # some services refuse a request without metrics
        except TargetLost as error:
            raise TargetUnusable(str(error)) from error
        except (Throttled, Unavailable) as error:
            raise TargetUnusable(
                f"The server at {self.url} does not answer as OTLP over gRPC does "
                f"({_first_line(str(error))}); check the URL and the network. OTLP over HTTP is "
                "otlp:http://HOST:4318, and over gRPC with TLS otlp:grpcs://HOST:4317."
            ) from error

    def packed(self, body: bytes) -> bytes:
        return body

    def export(self, message: bytes) -> Accepted:
        try:
            answer: bytes = self._call(message, timeout=ANSWER_TIMEOUT, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._failure(error) from None
        return accepted(answer)

    def close(self) -> None:
        self._channel.close()

    def _failure(self, error: grpc.RpcError) -> Exception:
        """The exception for an answer that is no success, or for none."""
        code = error.code()
        # Of a connection that fails, gRPC tells the attempts, and the last error behind them.
        details = (error.details() or "").rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        reason = _first_line(details) or code.name
        if code in _CREDENTIALS:
            return TargetLost(
                f"The server at {self.url} refuses the credentials ({code.name}); set "
                "OTEL_EXPORTER_OTLP_HEADERS, for example to authorization=Bearer%20TOKEN."
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return TargetLost(
                f"The server at {self.url} does not take OTLP metrics ({code.name}); check the URL."
            )
        wait = _retry_delay(error)
        if wait is not None and (code in _RETRYABLE or code is grpc.StatusCode.RESOURCE_EXHAUSTED):
            return Throttled(reason, wait)
        if code in _RETRYABLE:
            refused = reason.endswith("Connection refused")
            return Unavailable("connection refused" if refused else f"gRPC {code.name}", reason)
        too_large = code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in reason
        return RequestRefused(reason, too_large=too_large)


def _credentials(settings: ExporterSettings) -> grpc.ChannelCredentials:
    """Trusted certificates, gRPC's own where none are named, and the client's own."""

    def content(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path and Path(path).is_file() else None

    certificate, key = settings.client_certificate or (None, None)
    return grpc.ssl_channel_credentials(
        content(settings.authorities), content(key), content(certificate)
    )


def _retry_delay(error: grpc.RpcError) -> float | None:
    """The seconds that the server asks to wait, None where it does not ask."""
    details = next(
        (each for name, each in error.trailing_metadata() or () if name == _DETAILS), b""
    )
    try:
        for each in Status.FromString(details).details:
            retry = RetryInfo()
            if each.Unpack(retry):
                return float(retry.retry_delay.ToNanoseconds() / 1e9)
    except DecodeError:
        pass
    return None


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""
