"""OpenTelemetry's protocol for metrics, OTLP, over HTTP and over gRPC."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.endpoint import http_url
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.otlp.exporter import Exporter
    from fleetstream.targets.otlp.sink import OtlpSink

DEFAULT_NAMESPACE = "fleetstream"

_SECURE = {"grpc": "http", "grpcs": "https"}
"""The schemes of HTTP for those of gRPC."""


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "OtlpSink":
    from fleetstream.targets.otlp.naming import OtlpNaming
    from fleetstream.targets.otlp.sink import OtlpSink

    naming = OtlpNaming(schemas, options.table_name or DEFAULT_NAMESPACE)
    return OtlpSink(_exporter(options.path), naming, model)


def _exporter(url: str) -> "Exporter":
    """The exporter for a URL. Raises ValueError where it is not understood."""
    scheme, separator, rest = url.partition("://")
    parts = http_url(f"{_SECURE.get(scheme, scheme)}{separator}{rest}")
    if parts is None or (scheme in _SECURE and (parts.path.strip("/") or parts.query)):
        raise ValueError(
            f"The target 'otlp:{url}' needs the URL of a server: over HTTP, for example "
            "otlp:http://127.0.0.1:4318, or over gRPC, otlp:grpc://127.0.0.1:4317 (with TLS "
            "https and grpcs)."
        )
    if parts.username or parts.password:
        raise ValueError(
            "The URL contains a user name or password; leave it out, and set "
            "OTEL_EXPORTER_OTLP_HEADERS."
        )
    from fleetstream.targets.otlp.settings import settings_from_environment

    settings = settings_from_environment()
    if scheme in _SECURE:
        from fleetstream.targets.otlp.grpc_exporter import GrpcExporter

        return GrpcExporter(url, settings)
    from fleetstream.targets.otlp.http_exporter import HttpExporter

    return HttpExporter(url, settings)


def _problems(generator: "Generator", _model: RecordModel) -> Iterator[str]:
    from fleetstream.targets.otlp.naming import OtlpNaming

    try:
        OtlpNaming(tuple(generator.schemas.values()), DEFAULT_NAMESPACE)
    except ValueError as error:
        yield str(error)


TARGETS = [
    Target(
        scheme="otlp",
        url="otlp:URL",
        open_sink=_open_sink,
        problems=_problems,
        options=frozenset({"table_name"}),
        extra="otlp",
    )
]
